//! The state machine on AWS: its tasks are answered at Step Functions, and what they cause beside
//! their own booking goes to the queues of tasks. It must never create or change any of them.

use std::{collections::BTreeMap, error::Error};

use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::BoxFuture;

use super::{
    failure::{failure, said},
    requests::SqsQueue,
};
use crate::{
    aws::{AwsError, Clients, Home, Names, Right, Told},
    bus::{Answered, BusError, Desk, Outbox},
    domain::{RoleName, ids::BookingId},
    topics,
    wire::{Incoming, Message, TaskAnswer, TaskToken},
};

/// The error codes for a task that awaits no answer any more.
const SETTLED: [&str; 3] = ["InvalidToken", "TaskDoesNotExist", "TaskTimedOut"];
/// What is answered, for error messages. A token is never told.
const TASK: &str = "a task of the state machine";

/// Answers tasks at Step Functions.
#[derive(Clone, Debug)]
pub struct AwsDesk {
    sfn: aws_sdk_sfn::Client,
}

impl AwsDesk {
    /// A desk at Step Functions. Nothing is asked of it yet.
    #[must_use]
    pub fn new(sfn: aws_sdk_sfn::Client) -> AwsDesk {
        AwsDesk { sfn }
    }

    async fn succeed(&self, token: &TaskToken, output: String) -> Result<Answered, BusError> {
        let send = self.sfn.send_task_success().task_token(token.reveal()).output(output);
        heard("answer", "states:SendTaskSuccess", send.send().await)
    }

    async fn fail(
        &self,
        token: &TaskToken,
        error: &str,
        cause: String,
    ) -> Result<Answered, BusError> {
        let send = self.sfn.send_task_failure().task_token(token.reveal());
        let sent = send.error(error).cause(cause).send().await;
        heard("answer", "states:SendTaskFailure", sent)
    }
}

/// Whether the machine has heard what was sent.
fn heard<T, E>(
    operation: &'static str,
    action: &'static str,
    sent: Result<T, SdkError<E>>,
) -> Result<Answered, BusError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match sent {
        Ok(_) => Ok(Answered::Heard),
        Err(it) if it.code().is_some_and(|it| SETTLED.contains(&it)) => Ok(Answered::NobodyWaits),
        Err(it) => {
            // This right cannot be narrowed to one state machine: a token says which task is meant.
            let right = Right { action, resource: "*".to_owned() };
            let told = Told::of(&it);
            if told.is_setting() {
                return Err(failure(operation, TASK, right, it));
            }
            // What AWS says of a request that it does not take may quote the token.
            let (code, told) = (told.code().map(str::to_owned), told.without_message());
            Err(said(operation, TASK, right, code.as_deref(), told.into()))
        }
    }
}

impl Desk for AwsDesk {
    fn answer<'a>(
        &'a self,
        token: &'a TaskToken,
        answer: &'a TaskAnswer,
    ) -> BoxFuture<'a, Result<Answered, BusError>> {
        Box::pin(async move {
            match answer.error() {
                None => self.succeed(token, answer.text()).await,
                Some(error) => self.fail(token, error, answer.text()).await,
            }
        })
    }

    fn beat<'a>(&'a self, token: &'a TaskToken) -> BoxFuture<'a, Result<(), BusError>> {
        Box::pin(async move {
            let sent = self.sfn.send_task_heartbeat().task_token(token.reveal()).send().await;
            heard("keep", "states:SendTaskHeartbeat", sent).map(drop)
        })
    }
}

/// Sends what a task causes beside its own booking to the queues of the roles that hear such
/// events.
#[derive(Clone, Debug)]
pub struct BesideMachine {
    /// The queues of tasks of the roles that hear this role.
    queues: BTreeMap<RoleName, SqsQueue>,
}

impl BesideMachine {
    /// Finds the queues of tasks, by these names, of all roles that hear what `role` announces.
    ///
    /// # Errors
    /// When a queue does not exist or may not be used, or AWS cannot be reached.
    pub async fn connect(
        clients: &Clients,
        names: &Names,
        home: &Home,
        role: RoleName,
    ) -> Result<BesideMachine, AwsError> {
        let mut queues = BTreeMap::new();
        let said = |it: &RoleName| {
            topics::subscriptions(*it).iter().any(|it| it.publisher() == Some(role))
        };
        for listener in RoleName::ALL.into_iter().filter(said) {
            let (name, sqs) = (names.queue(listener), clients.sqs.clone());
            let (url, arn) = (clients.queue_url(&name).await?, home.queue_arn(&name));
            queues.insert(listener, SqsQueue { sqs, name, url, arn });
        }
        Ok(BesideMachine { queues })
    }
}

impl Outbox for BesideMachine {
    async fn send(&self, _: &Incoming, message: &Message) -> Result<(), BusError> {
        let hears = |it: &RoleName| topics::subscriptions(*it).contains(&message.kind);
        let body = message.told();
        for (_, queue) in self.queues.iter().filter(|(role, _)| hears(role)) {
            let send = queue.sqs.send_message().queue_url(&queue.url).message_body(&body);
            let sent = send.send().await;
            sent.map_err(|it| failure("send to", &queue.name, queue.right("sqs:SendMessage"), it))?;
        }
        Ok(())
    }
}

/// Starts bookings at the state machine of an account.
#[derive(Clone, Debug)]
pub struct AwsMachine {
    sfn: aws_sdk_sfn::Client,
    arn: String,
    name: String,
}

impl AwsMachine {
    /// The state machine that lives in `home`.
    #[must_use]
    pub fn new(sfn: aws_sdk_sfn::Client, names: &Names, home: &Home) -> AwsMachine {
        let (arn, name) = (home.state_machine_arn(names), names.state_machine());
        AwsMachine { sfn, arn, name }
    }

    /// The ARN of the state machine.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Starts the execution that is named after the booking, and says whether it did. If there was
    /// one already, whatever its input, this starts nothing and is no error: a booking is asked for
    /// once. (Step Functions knows a name for 90 days after its execution has ended.)
    ///
    /// # Errors
    /// When Step Functions refused, or it is unknown whether it accepted.
    pub async fn start(&self, booking: &BookingId, input: &str) -> Result<bool, BusError> {
        let start = self.sfn.start_execution().state_machine_arn(&self.arn);
        match start.name(booking.as_str()).input(input).send().await {
            Ok(_) => Ok(true),
            Err(it) if it.code() == Some("ExecutionAlreadyExists") => Ok(false),
            Err(it) => {
                let right = Right { action: "states:StartExecution", resource: self.arn.clone() };
                Err(failure("start a booking at", &self.name, right, it))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::{
        config::http::HttpResponse, error::ErrorMetadata,
        operation::send_task_success::SendTaskSuccessError,
    };

    use super::*;

    /// Failure matrix: J3.
    #[test]
    fn a_task_that_has_timed_out_is_over_or_is_unknown_is_no_failure() {
        let sent = |code: &str| {
            let meta = ErrorMetadata::builder().code(code).message("the token AQDA").build();
            let answer = HttpResponse::new(400.try_into().unwrap(), "".into());
            let error = SdkError::service_error(SendTaskSuccessError::generic(meta), answer);
            heard("answer", "states:SendTaskSuccess", Err::<(), _>(error))
        };
        for code in ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"] {
            assert_eq!(sent(code).unwrap(), Answered::NobodyWaits, "{code}");
        }
        for code in ["InvalidOutput", "ThrottlingException", "KmsThrottlingException"] {
            let failed = sent(code).unwrap_err();
            assert!(matches!(failed, BusError::Failed { .. }), "{code}");
            let told = format!("{failed} {failed:?} {}", failed.source().unwrap());
            assert!(told.contains(code) && !told.contains("AQDA"), "{told}");
        }
        assert!(matches!(sent("AccessDeniedException"), Err(BusError::Refused { .. })));
    }
}
