//! The secrets of the containers: ECS reads them, under exactly the policy that Terraform plans for
//! its execution role, and nobody else can.

use std::collections::{BTreeMap, BTreeSet};

use booking::domain::RoleName;
use serde_json::{Value, json};

use super::deployment::{actions, without};
use crate::harness::{Enforcing, Environment, emulator::REGION, planned_on_aws, skipped, unique};

const DENIED: &str = "AccessDeniedException";
/// The text of each secret.
const STRIPE: &str = "rk_test_only_for_this_test";
const PASSWORD: &str = "the-password-of-the-mail-server";
const CANARY: &str = "a-key-of-canaries-that-is-long-enough";

/// The secrets of one deployment, by their ARN, and somebody else's.
struct Secrets {
    key: String,
    stripe: String,
    password: String,
    canary: String,
    another: String,
}

/// Makes something, and returns a text from the answer.
async fn make(service: &str, operation: &str, arguments: Value, pointer: &str) -> String {
    let made = Enforcing::running().call(None, service, operation, arguments).await.unwrap();
    made.pointer(pointer).unwrap_or(&Value::Null).as_str().unwrap_or_default().to_owned()
}

async fn make_secret(name: &str, text: &str, key: &str) -> String {
    let arguments = json!({"Name": name, "SecretString": text, "KmsKeyId": key});
    make("secretsmanager", "create_secret", arguments, "/ARN").await
}

async fn make_parameter(name: &str, text: &str, key: Option<&str>) -> String {
    let mut arguments = json!({"Name": format!("/{name}"), "Value": text, "Type": "SecureString"});
    if let Some(key) = key {
        arguments["KeyId"] = key.into();
    }
    make("ssm", "put_parameter", arguments, "/Tier").await;
    format!("arn:aws:ssm:{REGION}:{}:parameter/{name}", Enforcing::ACCOUNT)
}

impl Secrets {
    /// Both services that keep secrets, with a key of the customer, and one without.
    async fn make(prefix: &str) -> Secrets {
        let key = make("kms", "create_key", json!({}), "/KeyMetadata/Arn").await;
        let name = |it: &str| format!("{prefix}{it}");
        Secrets {
            stripe: make_secret(&name("stripe-key"), STRIPE, &key).await,
            another: make_secret(&name("another"), "not ours", &key).await,
            password: make_parameter(&name("smtp-password"), PASSWORD, Some(&key)).await,
            canary: make_parameter(&name("canary-key"), CANARY, None).await,
            key,
        }
    }

    /// What Terraform plans with them.
    fn planned(&self) -> Vec<Value> {
        let variables = [
            format!("account_id={}", Enforcing::ACCOUNT),
            format!("region={REGION}"),
            "store=dynamodb".to_owned(),
            "image=registry.example/booking:1.4.0".to_owned(),
            "vpc_id=vpc-0a1b2c3d".to_owned(),
            r#"subnet_ids=["subnet-0a1b2c3d"]"#.to_owned(),
            "flights=sample".to_owned(),
            "gateway=stripe".to_owned(),
            "mailer=smtp".to_owned(),
            "mail_from=receipts@booking.example".to_owned(),
            r#"smtp={server="smtp.example.com:587",user="booking"}"#.to_owned(),
            format!(
                r#"secrets={{stripe_key="{}",smtp_password="{}",kms_key="{}"}}"#,
                self.stripe, self.password, self.key
            ),
            format!("canary_key_arn={}", self.canary),
        ];
        planned_on_aws(&variables.each_ref().map(String::as_str))
    }
}

/// The values of the resources of one type, by their index, or by their name if they have none.
fn planned<'a>(plan: &'a [Value], of_type: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let ours = plan.iter().filter(move |it| it["type"] == of_type);
    ours.map(|it| (it["index"].as_str().or(it["name"].as_str()).unwrap(), &it["values"]))
}

fn policy(values: &Value) -> Value {
    serde_json::from_str(values["policy"].as_str().unwrap()).unwrap()
}

async fn somebody(name: &str, policy: &Value) -> Environment {
    Enforcing::running().somebody("role", name, policy).await
}

/// Reads a secret as the agent of ECS does before it starts a container; or the code of the error.
async fn read(who: &Environment, arn: &str) -> Result<String, String> {
    let aws = Enforcing::running();
    let (said, pointer) = if arn.contains(":ssm:") {
        let arguments = json!({"Names": [arn], "WithDecryption": true});
        (aws.call(Some(who), "ssm", "get_parameters", arguments).await?, "/Parameters/0/Value")
    } else {
        let arguments = json!({"SecretId": arn});
        (
            aws.call(Some(who), "secretsmanager", "get_secret_value", arguments).await?,
            "/SecretString",
        )
    };
    Ok(said.pointer(pointer).unwrap().as_str().unwrap().to_owned())
}

/// What the container of each role gets, or the error for it.
async fn handed(
    plan: &[Value],
    who: &Environment,
) -> BTreeMap<String, BTreeMap<String, Result<String, String>>> {
    let mut all = BTreeMap::new();
    for (role, values) in planned(plan, "aws_ecs_task_definition") {
        let text = values["container_definitions"].as_str().unwrap();
        let containers: Value = serde_json::from_str(text).unwrap();
        let mut its = BTreeMap::new();
        for secret in containers[0]["secrets"].as_array().unwrap() {
            let text = |field: &str| secret[field].as_str().unwrap();
            its.insert(text("name").to_owned(), read(who, text("valueFrom")).await);
        }
        all.insert(role.to_owned(), its);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ecs_reads_exactly_the_secrets_of_the_containers_and_nobody_else_does() {
    if skipped("iam") || skipped("terraform") {
        return;
    }
    let (prefix, aws) = (unique("s"), Enforcing::running());
    let secrets = Secrets::make(&prefix).await;
    let plan = secrets.planned();
    let (_, execution) = planned(&plan, "aws_iam_role_policy").next().unwrap();
    let execution = policy(execution);
    let named = |it: &str| format!("{prefix}{it}");
    let ecs = somebody(&named("execution"), &execution).await;
    let text = |it: &str| Ok(it.to_owned());
    let wanted = RoleName::ALL.map(|role| {
        let mut its = BTreeMap::from([("BOOKING_CANARY_KEY".to_owned(), text(CANARY))]);
        match role {
            RoleName::Payment => drop(its.insert("BOOKING_STRIPE_KEY".to_owned(), text(STRIPE))),
            RoleName::Receipt => {
                drop(its.insert("BOOKING_SMTP_PASSWORD".to_owned(), text(PASSWORD)));
            }
            RoleName::Seats | RoleName::Status => {}
        }
        (role.to_string(), its)
    });
    assert_eq!(handed(&plan, &ecs).await, BTreeMap::from(wanted));
    assert_eq!(aws.refused(&named("execution")).await, BTreeSet::new());

    // Nothing beside these, and the key only by way of the two services.
    assert_eq!(read(&ecs, &secrets.another).await, Err(DENIED.to_owned()));
    let by_hand = json!({"KeyId": secrets.key, "CiphertextBlob": "of something else"});
    assert_eq!(aws.call(Some(&ecs), "kms", "decrypt", by_hand).await, Err(DENIED.to_owned()));
    let refused = [
        format!("secretsmanager:GetSecretValue {}", secrets.another),
        format!("kms:Decrypt {}", secrets.key),
    ];
    assert_eq!(aws.refused(&named("execution")).await, BTreeSet::from(refused));

    // Not the tasks themselves, nor a client, nor an operator.
    let mut others = BTreeSet::new();
    for (who, values) in planned(&plan, "aws_iam_policy") {
        let it = somebody(&named(who), &policy(values)).await;
        for arn in [&secrets.stripe, &secrets.password, &secrets.canary] {
            // An operator makes canaries.
            if (who, arn) != ("operator", &secrets.canary) {
                assert_eq!(read(&it, arn).await, Err(DENIED.to_owned()), "{who}: {arn}");
            }
        }
        others.insert(who);
    }
    let everybody = ["client", "operator", "payment", "receipt", "seats", "status"];
    assert_eq!(others, BTreeSet::from(everybody));

    // One right less, and exactly what needs it is refused.
    let about_secrets =
        |it: &(String, String)| it.0.starts_with("Read") || it.0 == "DecryptSecrets";
    let rights: Vec<_> = actions(&execution).into_iter().filter(about_secrets).collect();
    assert_eq!(rights.len(), 4, "{rights:?}");
    for (at, (sid, action)) in rights.iter().enumerate() {
        let who = named(&format!("without-{at}"));
        let less = somebody(&who, &without(&execution, sid, action)).await;
        let missed: BTreeSet<String> = handed(&plan, &less)
            .await
            .into_values()
            .flatten()
            .filter(|it| it.1.is_err())
            .map(|it| it.0)
            .collect();
        let needs: &[&str] = match sid.as_str() {
            "ReadCanaryKey" => &["BOOKING_CANARY_KEY"],
            "ReadParameters" => &["BOOKING_SMTP_PASSWORD"],
            "ReadSecrets" => &["BOOKING_STRIPE_KEY"],
            _ => &["BOOKING_SMTP_PASSWORD", "BOOKING_STRIPE_KEY"],
        };
        assert_eq!(missed, needs.iter().map(|it| (*it).to_owned()).collect(), "without {sid}");
        let only = format!("{action} ");
        let refused = aws.refused(&who).await;
        assert!(
            !refused.is_empty() && refused.iter().all(|it| it.starts_with(&only)),
            "{refused:?}"
        );
    }
}
