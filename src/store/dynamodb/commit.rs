//! Conditional writes: all rows of a decision, or none when one has changed. A write must never be
//! unconditional.
//!
//! When the answer to a write is lost, the SDK sends the write again and finds the version that the
//! first attempt wrote, which is a conflict. That is fine: the version does not show which process
//! wrote it, but after a conflict the caller reads again, and finds the memo of the same cause (or
//! the claim, or a state that needs nothing more). A transaction of several rows has the SDK's
//! idempotency token, so it is recognised as a repetition for ten minutes.

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{
        AttributeValue, CancellationReason, Put, ReturnConsumedCapacity, TransactWriteItem,
        error::TransactionCanceledException,
    },
};

use super::{
    super::{Commit, StoreError, Write},
    DynamoDb,
    row::{KEY, VERSION, item, version},
};

/// The most rows of one transaction. The largest possible decision, a take-over of nine seats from
/// nine holders of nine seats each, writes 91.
const ROWS_MAX: usize = 100;
/// The condition that the row does not exist yet.
const ABSENT: &str = "attribute_not_exists(#name)";
/// The condition that the row still has the version that was read.
const UNCHANGED: &str = "#name = :read";
/// The codes of DynamoDB for a row that has changed, and for one that another transaction is
/// changing at this moment.
const CONFLICTS: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];

/// A transaction with more rows than DynamoDB accepts.
#[derive(Debug, thiserror::Error)]
#[error("{rows} rows are more than the {ROWS_MAX} of one transaction; nothing was sent")]
struct TooMany {
    rows: usize,
}

impl DynamoDb {
    pub(super) async fn write(&self, mut writes: Vec<Write>) -> Result<Commit, StoreError> {
        match (writes.len(), writes.pop()) {
            (_, None) => Ok(Commit::Done),
            (1, Some(only)) => self.put(only).await,
            (rows, Some(_)) if rows > ROWS_MAX => Err(self.failed("commit", TooMany { rows })),
            (_, Some(last)) => {
                writes.push(last);
                self.transact(writes).await
            }
        }
    }

    async fn put(&self, write: Write) -> Result<Commit, StoreError> {
        let condition = Condition::of(&write);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(write)))
            .condition_expression(condition.expression)
            .expression_attribute_names("#name", condition.name)
            .set_expression_attribute_values(condition.values())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match put {
            Ok(done) => {
                self.took("PutItem", done.consumed_capacity());
                Ok(Commit::Done)
            }
            Err(error) => match error.as_service_error() {
                Some(
                    PutItemError::ConditionalCheckFailedException(_)
                    | PutItemError::TransactionConflictException(_),
                ) => Ok(Commit::Conflict),
                _ => Err(self.not_done("commit a row", self.right("dynamodb:PutItem"), error)),
            },
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        let writes: Vec<TransactWriteItem> = writes.into_iter().map(|it| self.part(it)).collect();
        let transact = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match transact {
            Ok(done) => {
                self.took("TransactWriteItems", done.consumed_capacity());
                Ok(Commit::Done)
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(it))
                    if lost_a_race(it) =>
                {
                    Ok(Commit::Conflict)
                }
                // A transaction needs the permissions of its parts, which are all puts here.
                _ => Err(self.not_done("commit rows", self.right("dynamodb:PutItem"), error)),
            },
        }
    }

    fn part(&self, write: Write) -> TransactWriteItem {
        let condition = Condition::of(&write);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(write)))
            .condition_expression(condition.expression)
            .expression_attribute_names("#name", condition.name)
            .set_expression_attribute_values(condition.values())
            .build()
            .expect("table and item are given");
        TransactWriteItem::builder().put(put).build()
    }
}

/// The condition of a write.
struct Condition {
    expression: &'static str,
    name: &'static str,
    read_version: Option<u64>,
}

impl Condition {
    fn of(write: &Write) -> Condition {
        match write.read_version {
            0 => Condition { expression: ABSENT, name: KEY, read_version: None },
            it => Condition { expression: UNCHANGED, name: VERSION, read_version: Some(it) },
        }
    }

    fn values(&self) -> Option<std::collections::HashMap<String, AttributeValue>> {
        self.read_version.map(|it| [(":read".to_owned(), version(it))].into())
    }
}

/// Whether a row of the transaction was changed by another one. If so, it is a conflict, whatever
/// else was wrong with other rows: nothing was written, and the caller has to read again.
fn lost_a_race(cancelled: &TransactionCanceledException) -> bool {
    let code = |it: &CancellationReason| CONFLICTS.contains(&it.code().unwrap_or_default());
    cancelled.cancellation_reasons().iter().any(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(codes: &[&str], conflict: bool) {
        let reasons = codes.iter().map(|it| CancellationReason::builder().code(*it).build());
        let cancelled = TransactionCanceledException::builder()
            .set_cancellation_reasons(Some(reasons.collect()))
            .build();
        assert_eq!(lost_a_race(&cancelled), conflict, "{codes:?}");
    }

    #[test]
    fn only_a_row_that_changed_or_is_changing_makes_a_conflict() {
        check(&["None", "ConditionalCheckFailed"], true);
        check(&["TransactionConflict", "None"], true);
        check(&["ThrottlingError", "TransactionConflict"], true);
        check(&["None", "ThrottlingError"], false);
        check(&["ProvisionedThroughputExceeded"], false);
        check(&["ItemCollectionSizeLimitExceeded"], false);
        check(&["ValidationError", "None"], false);
        check(&[], false);
    }
}
