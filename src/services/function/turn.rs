//! Knows whether an invocation is being answered, until Lambda has its answer. Must not decide
//! anything about any of them.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lambda_runtime::{LambdaInvocation, Service, tower::Layer};
use tokio::sync::Mutex;

/// Taken by the invocation that is being answered. Copies are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Returns when no invocation is being answered.
    pub(super) async fn over(&self) {
        drop(self.0.lock().await);
    }
}

/// A service around the one that answers and tells Lambda so.
#[derive(Clone, Debug)]
pub(super) struct InTurn<S> {
    turn: Turn,
    inner: S,
}

impl InTurn<()> {
    pub(super) fn of(turn: &Turn) -> InTurn<()> {
        InTurn { turn: turn.clone(), inner: () }
    }
}

impl<S> Layer<S> for InTurn<()> {
    type Service = InTurn<S>;

    fn layer(&self, inner: S) -> InTurn<S> {
        InTurn { turn: self.turn.clone(), inner }
    }
}

impl<S> Service<LambdaInvocation> for InTurn<S>
where
    S: Service<LambdaInvocation, Response = ()>,
    S::Future: 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), S::Error>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        // The crate would tell where in the body it could not go on, with the names of its members.
        if serde_json::from_slice::<serde_json::Value>(&invocation.body).is_err() {
            invocation.body = "null".into();
        }
        let (turn, answering) = (Arc::clone(&self.turn.0), self.inner.call(invocation));
        Box::pin(async move {
            let _in_turn = turn.lock_owned().await;
            answering.await
        })
    }
}
