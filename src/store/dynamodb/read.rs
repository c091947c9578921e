//! Rows by key, as of the newest commit. A read must always be strongly consistent.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::get_item::{GetItemError, GetItemOutput},
    types::{KeysAndAttributes, ReturnConsumedCapacity},
};

use super::{
    super::{StoreError, Versioned},
    DynamoDb,
    row::{Item, Row, key},
};

/// The most keys of one request.
const KEYS_MAX: usize = 100;
/// How many requests are sent for the same keys. DynamoDB leaves keys out of an answer when it is
/// short of capacity or the rows are large.
const ROUNDS_MAX: u32 = 8;
/// The pause after the first such answer. It doubles after each further one, with full jitter.
const PAUSE_FIRST: Duration = Duration::from_millis(25);
/// How often the pause is doubled at most. It has reached its longest long before.
const DOUBLINGS_MAX: u32 = 10;
/// The longest pause between two requests.
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// DynamoDB left keys out of every answer.
#[derive(Debug, thiserror::Error)]
#[error("{keys} keys were still unprocessed after {ROUNDS_MAX} requests")]
struct LeftOut {
    keys: usize,
}

impl DynamoDb {
    pub(super) async fn ask_for(
        &self,
        name: &str,
    ) -> Result<GetItemOutput, SdkError<GetItemError>> {
        self.client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(name)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
    }

    pub(super) async fn one(&self, name: &str) -> Result<Option<Versioned>, StoreError> {
        let failed = |it| self.not_done("read a row", self.right("dynamodb:GetItem"), it);
        let answer = self.ask_for(name).await.map_err(failed)?;
        self.took("GetItem", answer.consumed_capacity());
        let row = answer.item.map(Row::try_from).transpose();
        Ok(row.map_err(|it| self.failed("read a row", it))?.map(|it| it.versioned))
    }

    /// Those of the rows that exist, by key.
    pub(super) async fn many(&self, names: &[String]) -> Result<HashMap<String, Row>, StoreError> {
        // DynamoDB refuses a request that names a key twice.
        let names: Vec<&String> = names.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = HashMap::with_capacity(names.len());
        for names in names.chunks(KEYS_MAX) {
            let mut left: Vec<Item> = names.iter().map(|it| key(it)).collect();
            for round in 0.. {
                let (rows, more) = self.some(left).await?;
                found.extend(rows.into_iter().map(|it| (it.key.clone(), it)));
                if more.is_empty() {
                    break;
                }
                if round + 1 == ROUNDS_MAX {
                    return Err(self.failed("read rows", LeftOut { keys: more.len() }));
                }
                left = more;
                tokio::time::sleep(pause(round)).await;
            }
        }
        Ok(found)
    }

    /// Sends one request, and returns the rows of its answer and the keys that were left out.
    async fn some(&self, keys: Vec<Item>) -> Result<(Vec<Row>, Vec<Item>), StoreError> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.table, wanted.build().expect("the keys are given"))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|it| self.not_done("read rows", self.right("dynamodb:BatchGetItem"), it))?;
        self.took("BatchGetItem", answer.consumed_capacity());
        // The answer has only one table, which DynamoDB may call by its name or by its ARN.
        let items = answer.responses.unwrap_or_default().into_values().flatten();
        let rows = items.map(Row::try_from).collect::<Result<_, _>>();
        let rows = rows.map_err(|it| self.failed("read rows", it))?;
        let left = answer.unprocessed_keys.unwrap_or_default().into_values();
        Ok((rows, left.flat_map(|it| it.keys).collect()))
    }
}

/// The pause after a round, with full jitter, so that replicas that were throttled together do not
/// try again together.
fn pause(round: u32) -> Duration {
    PAUSE_FIRST
        .saturating_mul(1 << round.min(DOUBLINGS_MAX))
        .min(PAUSE_MAX)
        .mul_f64(fastrand::f64())
}
