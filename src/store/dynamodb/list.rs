//! Rows by phase and age, from the two indexes. There is one partition a phase: an index is asked
//! once for each, and the answers are merged. An index lags behind its table by some milliseconds,
//! so the rows are read from the table, and one that has moved on is left out.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::query::{QueryError, QueryOutput},
    types::{AttributeValue, ReturnConsumedCapacity},
};
use tokio::task::JoinSet;

use super::{
    super::{Find, StoreError},
    DynamoDb,
    row::{AT_MS, Item, KEY, OPEN_PHASE, PHASE, Row, number, text},
};
use crate::domain::status::Phase;

/// The most pages of one phase: each brings up to 1 MB of keys, thousands of them.
const PAGES_MAX: usize = 16;

/// An index of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index {
    name: &'static str,
    phase: &'static str,
    oldest_first: bool,
}

const NEWEST: Index = Index { name: "newest", phase: PHASE, oldest_first: false };
const STALEST: Index = Index { name: "stalest", phase: OPEN_PHASE, oldest_first: true };

/// All there are.
pub(super) const INDEXES: [Index; 2] = [NEWEST, STALEST];

/// Where an index says that a row is.
struct Entry {
    key: String,
    at_ms: i64,
}

impl Index {
    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// Its hash key.
    pub(super) const fn phase_attribute(self) -> &'static str {
        self.phase
    }

    /// The earlier in the list, the smaller.
    fn rank(self, at_ms: i64) -> i64 {
        if self.oldest_first { at_ms } else { at_ms.saturating_neg() }
    }

    /// The phase under which this index has a row.
    fn phase_of(self, row: &Row) -> Option<&str> {
        if self.oldest_first { row.open_phase.as_deref() } else { row.phase.as_deref() }
    }
}

impl DynamoDb {
    pub(super) async fn find(
        &self,
        find: &Find,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let (index, phase) = match find {
            Find::Newest { phase } => (NEWEST, phase.as_deref()),
            Find::Stalest => (STALEST, None),
        };
        // DynamoDB knows no limit of nothing.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut entries = match phase {
            Some(phase) => self.entries(index, phase.to_owned(), limit).await?,
            None => self.all_entries(index, limit).await?,
        };
        entries.sort_by_key(|it| index.rank(it.at_ms));
        entries.truncate(limit);

        let keys: Vec<String> = entries.into_iter().map(|it| it.key).collect();
        let mut rows: Vec<Row> = self.many(&keys).await?.into_values().collect();
        rows.retain(|it| match (index.phase_of(it), phase) {
            (Some(now), Some(wanted)) => now == wanted,
            (now, None) => now.is_some(),
            (None, Some(_)) => false,
        });
        rows.sort_by(|one, other| {
            let rank = |it: &Row| index.rank(it.at_ms);
            rank(one).cmp(&rank(other)).then_with(|| one.key.cmp(&other.key))
        });
        Ok(rows.into_iter().map(|it| (it.key, it.versioned.body)).collect())
    }

    /// Of every phase, at once.
    async fn all_entries(&self, index: Index, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut phases = JoinSet::new();
        for phase in Phase::ALL {
            let store = self.clone();
            phases.spawn(async move { store.entries(index, phase.to_string(), limit).await });
        }
        let mut entries = Vec::new();
        while let Some(found) = phases.join_next().await {
            entries.extend(found.map_err(|it| self.failed("list rows", it))??);
        }
        Ok(entries)
    }

    /// The first `limit` of one phase.
    async fn entries(
        &self,
        index: Index,
        phase: String,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut from = None;
        for _ in 0..PAGES_MAX {
            let left = limit.saturating_sub(entries.len());
            let answer = self.query(index, &phase, left, from.take()).await;
            let failed = |it| self.not_done("list rows", self.right_to_index(index), it);
            let answer = answer.map_err(failed)?;
            self.took("Query", answer.consumed_capacity());
            entries.extend(answer.items.unwrap_or_default().into_iter().filter_map(entry));
            from = answer.last_evaluated_key;
            if from.is_none() || entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }

    async fn query(
        &self,
        index: Index,
        phase: &str,
        limit: usize,
        from: Option<Item>,
    ) -> Result<QueryOutput, SdkError<QueryError>> {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(index.name)
            .key_condition_expression("#phase = :phase")
            .expression_attribute_names("#phase", index.phase)
            .expression_attribute_values(":phase", AttributeValue::S(phase.to_owned()))
            .scan_index_forward(index.oldest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
    }

    /// Whether the index is there.
    pub(super) async fn ask_index(&self, index: Index) -> Result<(), SdkError<QueryError>> {
        self.query(index, Phase::Requested.as_str(), 1, None).await.map(drop)
    }
}

fn entry(mut item: Item) -> Option<Entry> {
    Some(Entry { at_ms: number(&item, AT_MS)?, key: text(&mut item, KEY)? })
}
