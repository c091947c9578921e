//! Reads and commits that check whether the table is still the one that was opened.

use std::future::Future;

use tracing::error;

use super::{super::StoreError, DynamoDb, IDENTITY, client::OPERATION_TIMEOUT, same::now};

/// The error code of DynamoDB for a table that does not exist.
const GONE: &str = "ResourceNotFoundException";
/// What an operator can do.
const WHAT_NOW: &str = "nothing is read or committed any more; docs/OPERATIONS.md, \"A store that is lost\", \
                        says how to get it back";

/// The check and the request together took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer in {OPERATION_TIMEOUT:?}")]
struct Late;

impl DynamoDb {
    /// Why the table is not the one that was opened, once that is known.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.same.lost.get().map(|it| self.no_more(it).to_string())
    }

    /// Does the read, and returns its rows only if they come from the same table.
    pub(super) async fn read_of_the_same<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.not_lost()?;
        let (known, sent) = (self.same.known(), now());
        let rows = read.await?;
        // The check comes after the answer: if the table is the same now, then it was the same when
        // it answered.
        if !self.same.is_trusted(known) || !self.same.is_trusted(sent) {
            self.look().await?;
        }
        self.same.answered(sent);
        Ok(rows)
    }

    /// Does the commit, after a check of the table when that is due. Both together take no longer
    /// than one request may take, since the limit of an outside effect depends on that.
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
        // A command may have opened a table that has no identity yet.
        if self.identity.is_some() && self.identity_in(answer.item)? != self.identity {
            return Err(self.lose("it was deleted and made anew while it was open"));
        }
        self.same.answered(sent);
        Ok(())
    }

    fn not_lost(&self) -> Result<(), StoreError> {
        self.same.lost.get().map_or(Ok(()), |it| Err(self.no_more(it)))
    }

    /// The error for a lost table, if `code` says that the table does not exist.
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
