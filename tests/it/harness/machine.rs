//! The state machine of a test's own in LocalStack, made by the SDK from `orchestration/`, and its
//! queues of tasks: faster than Terraform, which has tests of its own.

use aws_sdk_sfn::types::{ExecutionStatus, StateMachineType};
use aws_sdk_sqs::types::QueueAttributeName;
use booking::{
    aws::Names,
    domain::{RoleName, event::Event, ids::BookingId},
    wire::{self, SealKey},
};
use serde_json::{Value, json};

use super::{Account, LocalStack, emulator::REGION, eventually, localstack::ACCOUNT, root};

/// What requests of the tests are sealed with.
pub const SEAL_KEY: &str = "a-seal-key-of-the-tests-that-is-long";

/// A state machine, and its queues of tasks.
pub struct Machine {
    pub arn: String,
    pub sfn: aws_sdk_sfn::Client,
    /// The names of its queues.
    pub names: Names,
}

/// The input of an execution: the request of this event, sealed.
pub fn input(event: &Event) -> String {
    let text = wire::encode(event).unwrap().body;
    let key = SealKey::parse(SEAL_KEY).unwrap();
    json!({ "request": key.seal(&event.booking, &text) }).to_string()
}

/// Takes the heartbeats out of a definition. LocalStack sends the message of a task first and waits
/// for heartbeats a moment later; an answer in between is taken and lost, and the execution stands
/// until the heartbeat is missed, after half an hour. Without a heartbeat it loses none.
fn without_heartbeats(definition: &mut Value) {
    let mut found = 0;
    for state in definition["States"].as_object_mut().unwrap().values_mut() {
        found += usize::from(state.as_object_mut().unwrap().remove("HeartbeatSeconds").is_some());
    }
    assert!(found > 0, "no task has a heartbeat, so this is needed no more");
}

impl Machine {
    /// Makes it in the LocalStack of an account, with the definition as `adapt` leaves it, which is
    /// given one without heartbeats.
    pub async fn make(
        localstack: &LocalStack,
        account: &Account,
        adapt: impl FnOnce(&mut Value),
    ) -> Machine {
        let names = account.names.of_tasks();
        let path = root().join("orchestration/booking.asl.json");
        let mut text = std::fs::read_to_string(path).unwrap().replace("${partition}", "aws");
        for role in RoleName::ALL {
            let dead = names.dead_letter_queue(role);
            account.sqs.create_queue().queue_name(&dead).send().await.unwrap();
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}");
            let redrive = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":10}}"#);
            let queue = account.sqs.create_queue().queue_name(names.queue(role));
            let queue = queue.attributes(QueueAttributeName::RedrivePolicy, redrive);
            let url = queue.send().await.unwrap().queue_url.unwrap();
            text = text.replace(&format!("${{{role}_queue}}"), &url);
        }
        let mut definition: Value = serde_json::from_str(&text).unwrap();
        without_heartbeats(&mut definition);
        adapt(&mut definition);
        let sfn = aws_sdk_sfn::Client::new(&localstack.config().await);
        let create = sfn.create_state_machine().name(names.state_machine());
        let create = create.r#type(StateMachineType::Standard).definition(definition.to_string());
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{}", names.state_machine());
        let arn = create.role_arn(role).send().await.unwrap().state_machine_arn;
        Machine { arn, sfn, names }
    }

    /// The one that Terraform has made under a prefix, from now on without heartbeats.
    pub async fn existing(localstack: &LocalStack, prefix: &str) -> Machine {
        let names = Names::new(prefix).of_tasks();
        let name = names.state_machine();
        let arn = format!("arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}");
        let sfn = aws_sdk_sfn::Client::new(&localstack.config().await);
        let described = sfn.describe_state_machine().state_machine_arn(&arn).send().await;
        let mut definition: Value = serde_json::from_str(&described.unwrap().definition).unwrap();
        without_heartbeats(&mut definition);
        let update = sfn.update_state_machine().state_machine_arn(&arn);
        update.definition(definition.to_string()).send().await.unwrap();
        Machine { arn, sfn, names }
    }

    /// Starts a booking. Whether that was accepted, now or before.
    pub async fn start(&self, event: &Event) -> bool {
        let start = self.sfn.start_execution().state_machine_arn(&self.arn);
        match start.name(event.booking.as_str()).input(input(event)).send().await {
            Ok(_) => true,
            Err(it) => it.as_service_error().is_some_and(|it| it.is_execution_already_exists()),
        }
    }

    /// How many executions are in this state.
    pub async fn count(&self, status: ExecutionStatus) -> usize {
        let list = self.sfn.list_executions().state_machine_arn(&self.arn).status_filter(status);
        let mut pages = list.into_paginator().items().send();
        let mut count = 0;
        while let Some(execution) = pages.next().await {
            execution.unwrap();
            count += 1;
        }
        count
    }

    fn execution(&self, booking: &BookingId) -> String {
        format!("{}:{booking}", self.arn.replace(":stateMachine:", ":execution:"))
    }

    /// Waits until the execution of a booking is over, and returns how it ended.
    pub async fn ended(&self, booking: &BookingId) -> ExecutionStatus {
        let arn = self.execution(booking);
        eventually(&format!("the execution of {booking} to end"), async || {
            let described = self.sfn.describe_execution().execution_arn(&arn).send().await;
            Some(described.unwrap().status).filter(|it| *it != ExecutionStatus::Running)
        })
        .await
    }

    /// How many states the execution of a booking has entered, repetitions included, and how many
    /// messages it has put on queues.
    pub async fn transitions(&self, booking: &BookingId) -> (u64, u64) {
        let history = self.sfn.get_execution_history().execution_arn(self.execution(booking));
        let mut pages = history.into_paginator().items().send();
        let (mut states, mut sent) = (0, 0);
        while let Some(event) = pages.next().await {
            let kind = event.unwrap().r#type.as_str().to_owned();
            states += u64::from(kind.ends_with("StateEntered"));
            sent += u64::from(kind == "TaskScheduled");
        }
        (states, sent)
    }

    /// All that the history of a booking's execution tells of its data: inputs, parameters, outputs
    /// and causes. (The `Debug` of the SDK hides them.)
    pub async fn history(&self, booking: &BookingId) -> Vec<String> {
        let history = self.sfn.get_execution_history().execution_arn(self.execution(booking));
        let mut pages = history.include_execution_data(true).into_paginator().items().send();
        let mut texts = Vec::new();
        while let Some(event) = pages.next().await {
            let event = event.unwrap();
            let all = [
                event.execution_started_event_details.and_then(|it| it.input),
                event.execution_succeeded_event_details.and_then(|it| it.output),
                event.execution_failed_event_details.and_then(|it| it.cause),
                event.state_entered_event_details.and_then(|it| it.input),
                event.state_exited_event_details.and_then(|it| it.output),
                event.task_scheduled_event_details.map(|it| it.parameters),
                event.task_submitted_event_details.and_then(|it| it.output),
                event.task_succeeded_event_details.and_then(|it| it.output),
                event.task_failed_event_details.and_then(|it| it.cause),
            ];
            texts.extend(all.into_iter().flatten());
        }
        texts
    }
}
