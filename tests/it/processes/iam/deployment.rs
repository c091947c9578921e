//! What Terraform plans, made in an AWS that enforces IAM, under a prefix of its own; and its
//! policies.

use std::{collections::BTreeSet, sync::OnceLock};

use aws_sdk_sqs::types::QueueAttributeName;
use booking::{
    aws::Names,
    domain::{RoleName, event::Kind},
    wire,
};
use serde_json::Value;

use crate::harness::{
    Enforcing, Environment, Folder, Sketch, Tables, binary, emulator::REGION, eventually, planned,
    unique,
};

/// Planned once; every deployment has its own prefix instead of this one.
const PLANNED_PREFIX: &str = "planned-for-iam-";

/// Topics, queues, subscriptions and tables, and whoever is to use them.
pub struct Deployment {
    pub prefix: String,
    pub names: Names,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
    resources: Vec<Value>,
    _tables: Tables,
}

/// The planned resources, as text.
fn plan() -> &'static str {
    static PLAN: OnceLock<String> = OnceLock::new();
    PLAN.get_or_init(|| {
        let prefix = format!("prefix={PLANNED_PREFIX}");
        let account = format!("account_id={}", Enforcing::ACCOUNT);
        let identity = format!(
            "ses_identity_arn=arn:aws:ses:{REGION}:{}:identity/booking.example",
            Enforcing::ACCOUNT
        );
        let variables = [
            prefix.as_str(),
            account.as_str(),
            "store=dynamodb",
            "mailer=ses",
            &identity,
            "watch_queues=true",
        ];
        serde_json::to_string(&planned(Enforcing::running().endpoint(), &variables)).unwrap()
    })
}

fn find<'a>(resources: &'a [Value], of_type: &str, name: &str) -> &'a Value {
    let found = resources.iter().find(|it| it["type"] == of_type && it["values"]["name"] == name);
    &found.unwrap_or_else(|| panic!("Terraform plans no {of_type} {name}"))["values"]
}

/// The policy of somebody, under the prefix of the plan.
pub fn policy_of(who: &str) -> Value {
    let resources: Vec<Value> = serde_json::from_str(plan()).unwrap();
    policy(&resources, PLANNED_PREFIX, who)
}

fn policy(resources: &[Value], prefix: &str, who: &str) -> Value {
    let found = find(resources, "aws_iam_policy", &format!("{prefix}booking-{who}"));
    serde_json::from_str(found["policy"].as_str().unwrap()).unwrap()
}

/// Every action of a policy, with the statement it stands in.
pub fn actions(policy: &Value) -> Vec<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let of = |it: &Value| {
        let sid = text(&it["Sid"]);
        let actions = it["Action"].as_array().unwrap().iter();
        actions.map(|it| (sid.clone(), text(it))).collect::<Vec<_>>()
    };
    statements.flat_map(of).collect()
}

/// A policy without one action of one statement.
pub fn without(policy: &Value, sid: &str, action: &str) -> Value {
    let mut less = policy.clone();
    let statements = less["Statement"].as_array_mut().unwrap();
    for it in statements.iter_mut().filter(|it| it["Sid"] == sid) {
        it["Action"].as_array_mut().unwrap().retain(|it| it != action);
    }
    statements.retain(|it| it["Action"] != Value::Array(Vec::new()));
    if statements.is_empty() {
        // A policy has to say something.
        statements.push(serde_json::json!({
            "Sid": "Nothing", "Effect": "Allow", "Action": ["iam:GetUser"], "Resource": ["*"],
        }));
    }
    assert_ne!(less, *policy, "{sid} has no {action}");
    less
}

/// Runs a command as somebody; exit code and all that was said.
pub fn output(
    deployed: &Deployment,
    who: &Environment,
    folder: &Folder,
    args: &[&str],
) -> (Option<i32>, String) {
    let output = binary()
        .args(args)
        .envs(who.iter().map(|(name, value)| (*name, value)))
        .envs([("BOOKING_PREFIX", deployed.prefix.as_str()), ("BOOKING_FLIGHTS", "sample")])
        .env("BOOKING_DATA", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), said)
}

impl Deployment {
    pub async fn make() -> Deployment {
        let prefix = unique("i");
        let text = plan().replace(PLANNED_PREFIX, &prefix);
        let resources: Vec<Value> = serde_json::from_str(&text).unwrap();
        let config = Enforcing::running().config().await;
        let made = Deployment {
            names: Names::new(&prefix),
            sns: aws_sdk_sns::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            _tables: Tables::make_at(config, &prefix).await,
            resources,
            prefix,
        };
        let queues = made.planned("aws_sqs_queue");
        // Where a queue sends what it cannot get rid of has to be there before it.
        let (last, first): (Vec<_>, Vec<_>) =
            queues.into_iter().partition(|it| !it["redrive_policy"].is_null());
        for it in first.into_iter().chain(last) {
            made.make_queue(&it).await;
        }
        for it in made.planned("aws_sns_topic") {
            made.sns.create_topic().name(it["name"].as_str().unwrap()).send().await.unwrap();
        }
        for it in made.planned("aws_sns_topic_subscription") {
            let text = |field: &str| it[field].as_str().unwrap();
            let subscribe = made.sns.subscribe().topic_arn(text("topic_arn"));
            let subscribe = subscribe.protocol(text("protocol")).endpoint(text("endpoint"));
            subscribe.attributes("RedrivePolicy", text("redrive_policy")).send().await.unwrap();
        }
        made
    }

    fn planned(&self, of_type: &str) -> Vec<Value> {
        let ours = self.resources.iter().filter(|it| it["type"] == of_type);
        ours.map(|it| it["values"].clone()).collect()
    }

    /// The policy that Terraform plans for a role, for `client` or for `operator`.
    pub fn policy(&self, who: &str) -> Value {
        policy(&self.resources, &self.prefix, who)
    }

    /// Somebody with this policy: a `user`, or a `role`.
    pub async fn somebody(&self, kind: &str, who: &str, policy: &Value) -> Environment {
        let name = format!("{}{who}", self.prefix);
        let mut environment = Enforcing::running().somebody(kind, &name, policy).await;
        // Receipts are sent by SES, in the name of the sender that they have by themselves.
        environment.push(("BOOKING_MAILER", "ses".to_owned()));
        environment
    }

    /// What somebody was refused, each as `action resource`.
    pub async fn refused(&self, who: &str) -> BTreeSet<String> {
        Enforcing::running().refused(&format!("{}{who}", self.prefix)).await
    }

    pub fn topic_arn(&self, kind: Kind) -> String {
        format!("arn:aws:sns:{REGION}:{}:{}", Enforcing::ACCOUNT, self.names.topic(kind))
    }

    pub async fn publish(&self, kind: Kind, text: &str) {
        let publish = self.sns.publish().topic_arn(self.topic_arn(kind)).message(text);
        publish.send().await.unwrap();
    }

    /// Tries to publish as somebody: the code of what went wrong.
    pub async fn publish_as(&self, who: &Environment, kind: Kind) -> Result<(), String> {
        use aws_sdk_sns::{config::Credentials, error::ProvideErrorMetadata};
        let value = |name: &str| who.iter().find(|it| it.0 == name).unwrap().1.clone();
        let (key, secret) = (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"));
        let config = Enforcing::running().config().await;
        let config = aws_sdk_sns::config::Builder::from(&config)
            .credentials_provider(Credentials::new(key, secret, None, None, "test"));
        let sns = aws_sdk_sns::Client::from_conf(config.build());
        let publish = sns.publish().topic_arn(self.topic_arn(kind)).message("{}");
        publish.send().await.map(drop).map_err(|it| it.code().unwrap_or_default().to_owned())
    }

    /// Publishes all that a role needs to hear of a booking of two seats to say something itself.
    pub async fn tell_of(&self, id: &str) {
        let sketch = Sketch::new(id, &["12A", "12B"], "tok_visa");
        self.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
        for kind in [Kind::SeatBooked, Kind::PaymentOk] {
            self.publish(kind, &wire::encode(&sketch.heard(kind)).unwrap().body).await;
        }
    }

    /// Puts a request on a role's queue for what could not be delivered.
    pub async fn put(&self, role: RoleName, sketch: &Sketch) {
        let url = self.url(&self.names.undelivered_queue(role)).await;
        let send = self.sqs.send_message().queue_url(url).message_body(sketch.cloud_event());
        send.send().await.unwrap();
    }

    async fn make_queue(&self, planned: &Value) {
        let mut create = self.sqs.create_queue().queue_name(planned["name"].as_str().unwrap());
        for (attribute, field) in [
            (QueueAttributeName::Policy, "policy"),
            (QueueAttributeName::RedrivePolicy, "redrive_policy"),
        ] {
            if let Some(value) = planned[field].as_str() {
                create = create.attributes(attribute, value);
            }
        }
        for (attribute, field) in [
            (QueueAttributeName::MessageRetentionPeriod, "message_retention_seconds"),
            (QueueAttributeName::VisibilityTimeout, "visibility_timeout_seconds"),
        ] {
            create = create.attributes(attribute, planned[field].to_string());
        }
        create.send().await.unwrap();
    }

    /// Makes a role's queue anew: what was on it is gone.
    pub async fn empty(&self, role: RoleName) {
        let name = self.names.queue(role);
        let url = self.url(&name).await;
        self.sqs.delete_queue().queue_url(url).send().await.unwrap();
        self.make_queue(find(&self.resources, "aws_sqs_queue", &name)).await;
    }

    /// Takes a role's queue its policy.
    pub async fn let_nothing_in(&self, role: RoleName) {
        let url = self.url(&self.names.queue(role)).await;
        let set = self.sqs.set_queue_attributes().queue_url(url);
        set.attributes(QueueAttributeName::Policy, "").send().await.unwrap();
    }

    /// Waits until a role has set something aside.
    pub async fn set_aside(&self, role: RoleName) {
        let queue = self.names.dead_letter_queue(role);
        eventually(&format!("{queue} to have one"), async || {
            (self.depth(&queue).await == 1).then_some(())
        })
        .await;
    }

    /// How many messages can be seen on a queue.
    pub async fn depth(&self, queue: &str) -> u64 {
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let ask = self.sqs.get_queue_attributes().queue_url(self.url(queue).await);
        let answer = ask.attribute_names(visible.clone()).send().await.unwrap();
        answer.attributes.unwrap()[&visible].parse().unwrap()
    }

    async fn url(&self, queue: &str) -> String {
        let url = self.sqs.get_queue_url().queue_name(queue).send().await.unwrap();
        url.queue_url.unwrap()
    }
}
