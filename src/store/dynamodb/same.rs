//! Whether the table is still the one that was opened. One that is deleted and made anew under the same
//! name is empty, and a table that lost its rows must never read as one that never had any.
//!
//! DynamoDB says nothing of that in an answer, and to ask with every request would cost a read unit each.
//! But a table is gone for seconds before another can have its name: who asks meanwhile is told so, and
//! remembers it; who did not ask for a while looks at the identity before anything else.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::{super::StoreError, DynamoDb, IDENTITY};

/// For how long after an answer a table is taken to be the same: less than it takes DynamoDB to delete one
/// and to make another.
const TRUST: Duration = Duration::from_secs(2);
/// How DynamoDB calls a table that is not there.
const GONE: &str = "ResourceNotFoundException";
/// What an operator does.
const WHAT_NOW: &str = "nothing is read or committed any more; docs/OPERATIONS.md, \"A store that is lost\", \
                        says how to get it back";

/// What is known of it, shared by all copies of a store.
#[derive(Debug)]
pub(super) struct Same {
    trust: Duration,
    /// When the newest request that was answered was sent.
    known: Mutex<Instant>,
    /// Why it is another, or none: for good.
    lost: OnceLock<String>,
    /// Whoever looks; the others wait for what is found.
    look: tokio::sync::Mutex<()>,
}

impl Same {
    /// It was looked at just now.
    pub(super) fn new(trust: Option<Duration>) -> Same {
        Same {
            trust: trust.unwrap_or(TRUST),
            known: Mutex::new(Instant::now()),
            lost: OnceLock::new(),
            look: tokio::sync::Mutex::default(),
        }
    }

    fn is_known(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < self.trust
    }

    fn answered(&self, sent: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = sent.max(*known);
    }
}

impl DynamoDb {
    /// A request for rows, which is not sent to another table than the one that was opened.
    pub(super) async fn of_the_same<T>(
        &self,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.is_the_same().await?;
        let sent = Instant::now();
        let answer = request.await?;
        self.same.answered(sent);
        Ok(answer)
    }

    async fn is_the_same(&self) -> Result<(), StoreError> {
        if self.same.lost.get().is_none() && !self.same.is_known() {
            let _turn = self.same.look.lock().await;
            if self.same.lost.get().is_none() && !self.same.is_known() {
                self.look().await?;
            }
        }
        match self.same.lost.get() {
            None => Ok(()),
            Some(problem) => Err(self.no_more(problem)),
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let sent = Instant::now();
        let right = self.right("dynamodb:GetItem");
        let answer = self.ask_for(IDENTITY).await;
        let answer = answer.map_err(|it| self.not_done("read the identity", right, it))?;
        self.took("GetItem", answer.consumed_capacity());
        // A command may have opened one that has not begun.
        if self.identity.is_some() && self.identity_in(answer.item)? != self.identity {
            return Err(self.lose("it was deleted and made anew, or restored, while it was open"));
        }
        self.same.answered(sent);
        Ok(())
    }

    /// The table's end, if this is how DynamoDB says it.
    pub(super) fn gone(&self, code: Option<&str>) -> Option<StoreError> {
        (code == Some(GONE)).then(|| self.lose("it was deleted while it was open"))
    }

    fn lose(&self, what: &str) -> StoreError {
        self.no_more(self.same.lost.get_or_init(|| format!("{what}; {WHAT_NOW}")))
    }

    fn no_more(&self, problem: &str) -> StoreError {
        StoreError::Unusable { place: self.table.clone(), problem: problem.to_owned() }
    }
}
