//! Queries of one partition of an index. A query must never read more entries than are wanted.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::query::{QueryError, QueryOutput},
    types::{AttributeValue, ReturnConsumedCapacity},
};

use super::{
    super::{Place, StoreError, departures},
    DynamoDb,
    index::{Index, NEEDED, Sort},
    row::{self, AT_MS, DEPARTURE, Item, KEY, number, text},
};
use crate::{
    aws::{Told, is_denial},
    domain::status::Phase,
};

/// The most pages of one partition. Each has up to 1 MB of keys, which is thousands of them.
const PAGES_MAX: usize = 16;
/// The error code for an index that does not exist or is still being built.
const NO_INDEX: &str = "ValidationException";

/// A partition of an index, or the entries of one day in it.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) index: Index,
    /// The value of the hash key.
    pub(super) hash: String,
    /// Only the entries of this day.
    pub(super) day: Option<String>,
}

/// Where to begin among the entries of a partition.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// At the first.
    First,
    /// At this time or, if `beyond` is set, past it.
    Time { at_ms: i64, beyond: bool },
    /// Past the entry of this place.
    Entry(Place),
}

impl Partition {
    /// The entry of a place in it, as DynamoDB names it.
    fn entry_at(&self, place: &Place) -> Item {
        let mut entry = row::key(&place.key);
        let sort = match self.index.sort {
            Sort::AtMs => AttributeValue::N(place.at_ms.to_string()),
            Sort::Departure => AttributeValue::S(departures::text_at(place)),
        };
        entry.insert(self.index.hash.to_owned(), AttributeValue::S(self.hash.clone()));
        entry.insert(self.index.sort.attribute().to_owned(), sort);
        entry
    }

    /// The place of an entry.
    fn place_of(&self, mut item: Item) -> Option<Place> {
        let key = text(&mut item, KEY)?;
        match self.index.sort {
            Sort::AtMs => {
                Some(Place { at_ms: number(&item, AT_MS)?, under: self.hash.clone(), key })
            }
            Sort::Departure => {
                let departure = text(&mut item, DEPARTURE)?;
                let (day, at_ms) = departures::read(&departure)?;
                Some(Place { at_ms, under: day.to_owned(), key })
            }
        }
    }
}

impl DynamoDb {
    /// The places of the first `limit` entries of a partition from there on, towards the beginning
    /// of the list if `backwards` is set.
    pub(super) async fn entries(
        &self,
        partition: &Partition,
        from: From,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let mut entries = Vec::new();
        let mut past = match &from {
            From::First | From::Time { .. } => None,
            From::Entry(place) => Some(partition.entry_at(place)),
        };
        let time = match from {
            From::Time { at_ms, beyond } => Some((at_ms, beyond)),
            From::First | From::Entry(_) => None,
        };
        for _ in 0..PAGES_MAX {
            let left = limit.saturating_sub(entries.len());
            let answer = self.query(partition, time, past, backwards, left).await;
            let answer = answer.map_err(|it| self.not_listed(partition.index, it))?;
            self.took("Query", answer.consumed_capacity());
            let found = answer.items.unwrap_or_default().into_iter();
            entries.extend(found.filter_map(|it| partition.place_of(it)));
            past = answer.last_evaluated_key;
            if past.is_none() || entries.len() >= limit {
                break;
            }
        }
        Ok(entries)
    }

    async fn query(
        &self,
        partition: &Partition,
        time: Option<(i64, bool)>,
        past: Option<Item>,
        backwards: bool,
        limit: usize,
    ) -> Result<QueryOutput, SdkError<QueryError>> {
        let index = partition.index;
        let up = index.oldest_first != backwards;
        let within = match (time, &partition.day) {
            (Some((at_ms, beyond)), _) => {
                let side = match (up, beyond) {
                    (true, true) => ">",
                    (true, false) => ">=",
                    (false, true) => "<",
                    (false, false) => "<=",
                };
                Some((format!("#sort {side} :sort"), AttributeValue::N(at_ms.to_string())))
            }
            (None, Some(day)) => {
                let (low, _) = departures::range(Some(day));
                Some(("begins_with(#sort, :sort)".to_owned(), AttributeValue::S(low)))
            }
            (None, None) => None,
        };
        let query = self.client.query().table_name(&self.table).index_name(index.name);
        let query = match within {
            None => query.key_condition_expression("#hash = :hash"),
            Some((condition, value)) => query
                .key_condition_expression(format!("#hash = :hash AND {condition}"))
                .expression_attribute_names("#sort", index.sort.attribute())
                .expression_attribute_values(":sort", value),
        };
        query
            .expression_attribute_names("#hash", index.hash)
            .expression_attribute_values(":hash", AttributeValue::S(partition.hash.clone()))
            .scan_index_forward(up)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(past)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
    }

    /// The error for a list that could not be read. Status starts without the indexes that an
    /// earlier version did not have, so only here it can turn out that one is missing. IAM allows
    /// each index by its name, so it may also say no.
    fn not_listed(&self, index: Index, error: SdkError<QueryError>) -> StoreError {
        let told = Told::of(&error);
        let missing = told.code() == Some(NO_INDEX) || is_denial(told.code());
        if missing && !NEEDED.contains(&index) {
            let (place, source) = (self.table.clone(), Arc::new(told));
            return StoreError::NotIndexed { place, index: index.name, source };
        }
        self.not_done("list rows", self.right_to_index(index), error)
    }

    /// Asks the index for one entry, to find out whether it exists and may be used.
    pub(super) async fn ask_index(&self, index: Index) -> Result<(), SdkError<QueryError>> {
        let hash = Phase::Requested.to_string();
        let partition = Partition { index, hash, day: None };
        self.query(&partition, None, None, false, 1).await.map(drop)
    }
}
