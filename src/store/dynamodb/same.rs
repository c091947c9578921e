//! Whether the table is still the one that was opened. One that is deleted and made anew under the
//! same name is empty, and a table that lost its rows must never read as one that never had any.
//!
//! DynamoDB says nothing of that in an answer, and to look with every request would cost a read
//! unit each. But a table is gone for seconds before another can have its name: who asks meanwhile
//! is told so, and remembers it; who did not ask for a while looks at the identity as well. A table
//! that was restored from a backup has the identity that the backup had, and is taken for the same.

use std::{
    future::Future,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use tracing::error;

use super::{super::StoreError, DynamoDb, IDENTITY, client::OPERATION_TIMEOUT};
use crate::clock::Clock;

/// For how long after an answer a table is taken to be the same: less than it takes DynamoDB to
/// delete one and to make another.
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
    /// When the newest request that was answered was sent, by the steady clock.
    known: Mutex<Duration>,
    /// Why it is another, or none: for good.
    lost: OnceLock<String>,
}

/// Neither look nor request was answered in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer in {OPERATION_TIMEOUT:?}")]
struct Late;

impl Same {
    /// It was looked at just now.
    pub(super) fn new(trust: Option<Duration>) -> Same {
        Same { trust: trust.unwrap_or(TRUST), known: Mutex::new(now()), lost: OnceLock::new() }
    }

    /// Whether an answer of now to something that was sent at `sent` can only come from the same
    /// table.
    fn is_trusted(&self, sent: Duration) -> bool {
        now().saturating_sub(sent) < self.trust
    }

    fn known(&self) -> Duration {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, sent: Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = sent.max(*known);
    }
}

/// By a clock that goes on while the machine sleeps: tables come and go meanwhile.
fn now() -> Duration {
    Clock::Machine.steady()
}

impl DynamoDb {
    /// Why the table is not the one that was opened, once that is known.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.same.lost.get().map(|it| self.no_more(it).to_string())
    }

    /// What is read, if it was read from the same table.
    pub(super) async fn read_of_the_same<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.not_lost()?;
        let (known, sent) = (self.same.known(), now());
        let rows = read.await?;
        // After the answer: whatever it came from is older than what is looked at now.
        if !self.same.is_trusted(known) || !self.same.is_trusted(sent) {
            self.look().await?;
        }
        self.same.answered(sent);
        Ok(rows)
    }

    /// What is committed, after a look at where it goes. In the time of one request: whoever waits
    /// for a charge or a mail reckons with that.
    pub(super) async fn commit_to_the_same<T>(
        &self,
        commit: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.not_lost()?;
        let both = async {
            if !self.same.is_trusted(self.same.known()) {
                self.look().await?;
            }
            let sent = now();
            let done = commit.await?;
            self.same.answered(sent);
            Ok(done)
        };
        let done = tokio::time::timeout(OPERATION_TIMEOUT, both).await;
        done.unwrap_or_else(|_| Err(self.failed("commit", Late)))
    }

    async fn look(&self) -> Result<(), StoreError> {
        let sent = now();
        let right = self.right("dynamodb:GetItem");
        let answer = self.ask_for(IDENTITY).await;
        let answer = answer.map_err(|it| self.not_done("read the identity", right, it))?;
        self.took("GetItem", answer.consumed_capacity());
        // A command may have opened one that has not begun.
        if self.identity.is_some() && self.identity_in(answer.item)? != self.identity {
            return Err(self.lose("it was deleted and made anew while it was open"));
        }
        self.same.answered(sent);
        Ok(())
    }

    fn not_lost(&self) -> Result<(), StoreError> {
        self.same.lost.get().map_or(Ok(()), |it| Err(self.no_more(it)))
    }

    /// The table's end, if this is how DynamoDB says it.
    pub(super) fn gone(&self, code: Option<&str>) -> Option<StoreError> {
        (code == Some(GONE)).then(|| self.lose("it was deleted while it was open"))
    }

    fn lose(&self, what: &str) -> StoreError {
        let problem = self.same.lost.get_or_init(|| {
            error!(
                table = self.table,
                problem = what,
                "the table is lost; restart when it is back"
            );
            format!("{what}; {WHAT_NOW}")
        });
        self.no_more(problem)
    }

    fn no_more(&self, problem: &str) -> StoreError {
        StoreError::Unusable { place: self.table.clone(), problem: problem.to_owned() }
    }
}
