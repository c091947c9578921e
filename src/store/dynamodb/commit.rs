//! Conditional writes: all of a decision's rows, or none because one has changed.
//!
//! An answer that got lost on its way shows as a conflict: the SDK sends the write again, and finds
//! the version that the first one made. That is right. Nobody can tell his own write from another's
//! by the version, and need not: a conflict is answered by reading again, which finds the memo
//! under the same cause (or the claim, or the state that asks for nothing more). Several rows at
//! once carry the SDK's idempotency token, which spares that for ten minutes.

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

/// The most rows of one transaction. The largest decision there is, a takeover of nine seats from
/// nine holders of nine seats each, writes 91.
const ROWS_MAX: usize = 100;
/// There is no such row yet.
const ABSENT: &str = "attribute_not_exists(#name)";
/// The row is as it was read.
const UNCHANGED: &str = "#name = :read";
/// How DynamoDB calls a row that has changed, and one that another is changing this moment.
const CONFLICTS: [&str; 2] = ["ConditionalCheckFailed", "TransactionConflict"];

/// More than DynamoDB takes at once.
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
                // It is allowed to who may do each of its parts, and ours are all puts.
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

/// What must still be true of the row that is there.
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

/// Whether others were faster, whatever else was wrong with other rows: nothing was written, and to
/// read again is all that can be done.
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
