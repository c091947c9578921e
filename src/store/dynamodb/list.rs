//! Rows by phase and age, from the two indexes. An index has one partition for each phase, so it is
//! queried once for each, and the answers are merged: by time, then by phase, then in the order of
//! the index. An index lags behind its table by some milliseconds. So the rows must never come from
//! the index: they are read from the table, and a row with another phase by now is left out.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::query::{QueryError, QueryOutput},
    types::{AttributeValue, ReturnConsumedCapacity},
};
use tokio::task::JoinSet;

use super::{
    super::{Find, Page, Place, StoreError, Tally},
    DynamoDb,
    index::{Index, NEWEST, STALEST},
    row::{self, AT_MS, Item, KEY, Row, number, text},
};
use crate::domain::status::Phase;

/// The most pages of one phase. Each has up to 1 MB of keys, which is thousands of them.
const PAGES_MAX: usize = 16;

/// An entry of an index.
struct Entry {
    key: String,
    at_ms: i64,
    /// The position of its phase in [`Phase::ALL`].
    phase: usize,
}

/// Where to begin among the entries of one phase. Without any field, at the first.
#[derive(Default)]
struct Begin {
    /// At this time or, when true, after it.
    at_ms: Option<(i64, bool)>,
    /// After this entry.
    entry: Option<Item>,
}

impl Begin {
    /// Where to begin in `phase` to continue after `place`. Entries of the same time are listed in
    /// the order of their phases.
    fn after(index: Index, place: Option<&Place>, phase: usize) -> Begin {
        let Some(place) = place else { return Begin::default() };
        let told = Phase::ALL.iter().position(|it| it.as_str() == place.phase);
        if told != Some(phase) {
            let beyond = told.is_some_and(|it| phase < it);
            return Begin { at_ms: Some((place.at_ms, beyond)), entry: None };
        }
        let mut entry = row::key(&place.key);
        entry.insert(index.phase_attribute().to_owned(), AttributeValue::S(place.phase.clone()));
        entry.insert(AT_MS.to_owned(), AttributeValue::N(place.at_ms.to_string()));
        Begin { at_ms: None, entry: Some(entry) }
    }
}

impl DynamoDb {
    pub(super) async fn find(
        &self,
        find: &Find,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (index, phase) = match find {
            Find::Newest { phase } => (NEWEST, phase.as_deref()),
            Find::Stalest => (STALEST, None),
        };
        // DynamoDB does not accept a limit of 0.
        if limit == 0 {
            return Ok(Page::default());
        }
        // One entry more than is returned, to know whether the list continues.
        let mut entries = self.all_entries(index, phase, after, limit.saturating_add(1)).await?;
        // The sort is stable, so entries of one phase keep the order of the index.
        entries.sort_by_key(|it| (index.rank(it.at_ms), it.phase));
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|it| Place {
            at_ms: it.at_ms,
            phase: Phase::ALL[it.phase].to_string(),
            key: it.key.clone(),
        });

        let keys: Vec<String> = entries.into_iter().map(|it| it.key).collect();
        let mut found = self.many(&keys).await?;
        let mut rows: Vec<Row> = keys.iter().filter_map(|it| found.remove(it)).collect();
        rows.retain(|it| match (index.phase_of(it), phase) {
            (Some(now), Some(wanted)) => now == wanted,
            (now, None) => now.is_some(),
            (None, Some(_)) => false,
        });
        // A row that was written meanwhile moves to its new time. Rows of the same time keep their
        // order.
        rows.sort_by_key(|it| index.rank(it.at_ms));
        let rows = rows.into_iter().map(|it| (it.key, it.versioned.body)).collect();
        Ok(Page { rows, next })
    }

    /// Counts open rows by their entries in the index alone.
    pub(super) async fn count_open(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> Result<Tally, StoreError> {
        let newest = self.all_entries(NEWEST, None, None, 1).await?;
        let newest_ms = newest.iter().map(|it| it.at_ms).max();
        // DynamoDB does not accept a limit of 0.
        if limit == 0 {
            return Ok(Tally { newest_ms, ..Tally::default() });
        }
        let mut open: Vec<i64> = self
            .all_entries(STALEST, None, None, limit)
            .await?
            .into_iter()
            .map(|it| it.at_ms)
            .collect();
        // Each phase was counted up to the limit; the oldest of all count.
        open.sort_unstable();
        open.truncate(limit);
        let older = open.partition_point(|it| *it < before_ms);
        Ok(Tally { open: open.len(), older, newest_ms })
    }

    /// The first `limit` entries of each phase, or of the wanted phase only.
    async fn all_entries(
        &self,
        index: Index,
        wanted: Option<&str>,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut phases = JoinSet::new();
        for (phase, name) in Phase::ALL.into_iter().enumerate() {
            if wanted.is_some_and(|it| it != name.as_str()) {
                continue;
            }
            let (store, from) = (self.clone(), Begin::after(index, after, phase));
            phases.spawn(async move { store.entries(index, phase, from, limit).await });
        }
        let mut entries = Vec::new();
        while let Some(found) = phases.join_next().await {
            entries.extend(found.map_err(|it| self.failed("list rows", it))??);
        }
        Ok(entries)
    }

    /// The first `limit` entries of one phase.
    async fn entries(
        &self,
        index: Index,
        phase: usize,
        mut from: Begin,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for _ in 0..PAGES_MAX {
            let left = limit.saturating_sub(entries.len());
            let answer = self.query(index, Phase::ALL[phase], left, &from).await;
            let failed = |it| self.not_done("list rows", self.right_to_index(index), it);
            let answer = answer.map_err(failed)?;
            self.took("Query", answer.consumed_capacity());
            let found = answer.items.unwrap_or_default().into_iter();
            entries.extend(found.filter_map(|it| entry(it, phase)));
            from.entry = answer.last_evaluated_key;
            if from.entry.is_none() || entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }

    async fn query(
        &self,
        index: Index,
        phase: Phase,
        limit: usize,
        from: &Begin,
    ) -> Result<QueryOutput, SdkError<QueryError>> {
        let query = self.client.query().table_name(&self.table).index_name(index.name());
        let query = match from.at_ms {
            None => query.key_condition_expression("#phase = :phase"),
            Some((at_ms, beyond)) => {
                let side = match (index.oldest_first, beyond) {
                    (true, true) => ">",
                    (true, false) => ">=",
                    (false, true) => "<",
                    (false, false) => "<=",
                };
                query
                    .key_condition_expression(format!("#phase = :phase AND #at_ms {side} :at_ms"))
                    .expression_attribute_names("#at_ms", AT_MS)
                    .expression_attribute_values(":at_ms", AttributeValue::N(at_ms.to_string()))
            }
        };
        query
            .expression_attribute_names("#phase", index.phase_attribute())
            .expression_attribute_values(":phase", AttributeValue::S(phase.to_string()))
            .scan_index_forward(index.oldest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from.entry.clone())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
    }

    /// Asks the index for one entry, to find out whether it exists and may be used.
    pub(super) async fn ask_index(&self, index: Index) -> Result<(), SdkError<QueryError>> {
        self.query(index, Phase::Requested, 1, &Begin::default()).await.map(drop)
    }
}

fn entry(mut item: Item, phase: usize) -> Option<Entry> {
    Some(Entry { at_ms: number(&item, AT_MS)?, key: text(&mut item, KEY)?, phase })
}
