//! A service as a Lambda function: each invocation is a batch of its queue, or a request to its
//! function URL. It must leave nothing to do for after the answer: the process is frozen then.

mod payload;
mod turn;
mod url;

use std::{
    env,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Once},
    time::Duration,
};

use axum::Router;
use futures_util::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};
use tracing::{debug, error, info, warn};

use self::{
    payload::{Payload, Unreadable},
    turn::{InTurn, Turn},
};
use crate::{
    bus::aws::MappedQueue,
    clock::Clock,
    config::{Integration, ServiceArgs, StoreName},
    domain::{RoleName, ServiceName, decision::Rules},
    fault::Fault,
    http,
    roles::Role,
    runtime::{Chain, Ended, Worker},
    telemetry::Export,
    wiring::{AnyOutbox, AnyStore, Eye, Signals},
};

/// How long before its deadline an invocation gives back what is not finished. Lambda kills what
/// has not answered at the deadline, and then the whole batch comes again.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);
/// How long before its deadline an invocation sends no more spans.
const SPANS_MARGIN: Duration = Duration::from_millis(200);
/// A batch should have so much more time than an effect may take.
const EFFECT_MARGIN: Duration = Duration::from_secs(2);

/// What Lambda sets for every function, and the runtime crate cannot do without.
const VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// A role as a function.
pub(super) struct Function<R: Role> {
    worker: Worker<MappedQueue, R, AnyStore, AnyOutbox>,
    /// The one queue whose messages it accepts.
    queue_arn: String,
    /// What its function URL answers.
    routes: Router,
    /// They watch the store. There is no `/health` that could tell of a lost one.
    eyes: Vec<Eye>,
    /// Why it should not go on, once that is known.
    lost: watch::Sender<Option<String>>,
    /// The least time that a batch should have.
    time_min: Duration,
    /// Says once that there was less.
    too_short: Once,
    export: Option<Export>,
}

/// Checks that this is a function, and that the settings make sense for one.
///
/// # Errors
/// Names the variable that is missing, or the settings that contradict each other.
pub(super) fn check(args: &ServiceArgs) -> Result<(), Fault> {
    for variable in VARIABLES {
        if env::var_os(variable).is_none() {
            return Err(Fault::Config(format!(
                "`booking lambda` runs inside of AWS Lambda, which sets {variable}: deploy it as a \
                 function (docs/LAMBDA.md), or leave out `lambda` to run the service as a process"
            )));
        }
    }
    if args.store.store != StoreName::Dynamodb {
        return Err(Fault::Config(
            "a function keeps nothing of its own, neither files nor memory: `booking lambda` needs \
             --store dynamodb (BOOKING_STORE=dynamodb)"
                .to_owned(),
        ));
    }
    if args.delivery.events.fifo {
        return Err(Fault::Config(
            "`booking lambda` and --fifo do not go together: Lambda deletes a batch as a whole, so \
             that each message would hold up its booking until all others are dealt with"
                .to_owned(),
        ));
    }
    if args.integration.integration == Integration::StepFunctions {
        return Err(Fault::Config(
            "`booking lambda` and --integration step-functions do not go together: leave out one of \
             them"
                .to_owned(),
        ));
    }
    Ok(())
}

impl<R: Role> Function<R> {
    /// A function that works as `worker` does and answers requests by `routes`. Only payment and
    /// receipt have effects, which may take `effect_timeout`.
    pub(super) fn new(
        worker: Worker<MappedQueue, R, AnyStore, AnyOutbox>,
        queue_arn: String,
        routes: Router,
        eyes: Vec<Eye>,
        effect_timeout: Duration,
        export: Option<Export>,
    ) -> Function<R> {
        let service = R::Rules::SERVICE;
        let has_effects = [RoleName::Payment, RoleName::Receipt]
            .iter()
            .any(|it| service == ServiceName::Role(*it));
        Function {
            worker,
            queue_arn,
            routes: http::finished(routes),
            eyes,
            lost: watch::Sender::new(None),
            time_min: if has_effects { effect_timeout + EFFECT_MARGIN } else { Duration::ZERO },
            too_short: Once::new(),
            export,
        }
    }

    /// Takes one invocation after the other, until Lambda or a signal ends the process. An
    /// invocation that has begun is answered first.
    ///
    /// # Errors
    /// If Lambda cannot be asked any more, or a part of the service ended by itself.
    pub(super) async fn run(
        self,
        mut drivers: JoinSet<()>,
        mut signals: Signals,
    ) -> Result<(), Fault> {
        info!(role = %R::Rules::SERVICE, queue = self.queue_arn, "ready");
        let (turn, mut lost) = (Turn::default(), self.lost.subscribe());
        let function = Arc::new(self);
        let handler = service_fn(move |event: LambdaEvent<Value>| {
            let function = Arc::clone(&function);
            async move { function.answer(event).await }
        });
        let runtime = Runtime::new(handler).layer(InTurn::of(&turn));
        let mut running = pin!(runtime.run());
        let why = tokio::select! {
            biased;
            () = signals.next() => None,
            it = &mut running => return Err(conversation_ended(it)),
            Some(_) = drivers.join_next() => return Err(sender_ended()),
            Ok(it) = lost.wait_for(Option::is_some) => it.clone(),
        };
        tokio::select! {
            biased;
            () = signals.next() => Err(Fault::Interrupted),
            it = &mut running => Err(conversation_ended(it)),
            () = turn.over() => match why {
                None => {
                    info!("stopped");
                    Ok(())
                }
                Some(problem) => Err(Fault::Config(problem)),
            },
        }
    }

    async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let deadline = i64::try_from(context.deadline).unwrap_or(i64::MAX);
        let left = deadline.saturating_sub(Clock::Machine.now().as_millisecond());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let pid = std::process::id();
        debug!(pid, "invocation begun");
        let begun = Clock::Machine.steady();
        let answering = self.answer_within(payload, left.saturating_sub(ANSWER_MARGIN));
        // Lambda would log the text of a panic, which may quote a message.
        let answer = AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
            Err(diagnostic("Panicked", "a bug: see the panic in the log before this line"))
        });
        let took = || Clock::Machine.steady().saturating_sub(begun);
        if let Some(export) = &self.export {
            export.flush(left.saturating_sub(took() + SPANS_MARGIN)).await;
        }
        if let Some(problem) = self.eyes.iter().find_map(Eye::problem) {
            error!(problem, "this process ends, so that the next one looks at the store anew");
            self.lost.send_replace(Some(problem));
        }
        let took = took();
        debug!(pid, took_ms = took.as_secs_f64() * 1000.0, ok = answer.is_ok(), "invocation over");
        answer
    }

    async fn answer_within(&self, payload: Value, time: Duration) -> Result<Value, Diagnostic> {
        let strange = |it: Unreadable| {
            error!(reason = %it, "this invocation is not for this function");
            diagnostic("NotForThisFunction", &it.to_string())
        };
        match payload::read(payload, &self.queue_arn).map_err(strange)? {
            Payload::Batch(deliveries) => {
                if time + ANSWER_MARGIN < self.time_min {
                    self.too_short.call_once(|| {
                        warn!(
                            time_ms = (time + ANSWER_MARGIN).as_millis(),
                            wanted_ms = self.time_min.as_millis(),
                            "a batch has too little time: give the function a longer timeout, or a \
                             shorter --effect-timeout"
                        );
                    });
                }
                let ids: Vec<_> = deliveries.iter().map(|it| it.message_id.clone()).collect();
                let ended = self.worker.attend_all(deliveries, time).await;
                // What is not in the answer counts as done.
                assert_eq!(ids.len(), ended.len(), "each delivery has ended somehow");
                let failed = ids.into_iter().zip(ended).filter(|it| it.1 != Some(Ended::Done));
                let failed: Vec<_> =
                    failed.map(|(id, _)| json!({ "itemIdentifier": id })).collect();
                Ok(json!({ "batchItemFailures": failed }))
            }
            Payload::Request(request) => {
                let answering = url::answer(self.routes.clone(), *request);
                let answer = tokio::time::timeout(time, answering).await;
                Ok(answer.unwrap_or_else(|_| url::no_answer()))
            }
        }
    }
}

fn conversation_ended(ended: Result<(), lambda_runtime::Error>) -> Fault {
    let why = ended.err().map(|it| format!(": {}", Chain(&*it))).unwrap_or_default();
    Fault::Unreachable(format!("Lambda cannot be asked for work any more{why}"))
}

fn sender_ended() -> Fault {
    Fault::Internal(
        "a sender of batches ended by itself: see the panic in the log before this line".to_owned(),
    )
}

fn diagnostic(kind: &str, message: &str) -> Diagnostic {
    Diagnostic { error_type: kind.to_owned(), error_message: message.to_owned() }
}
