//! Pages of lists, from the indexes. An index by phase has one partition for each phase, so it is
//! queried once for each, and the answers are merged: by time, then by phase, then in the order of
//! the index. An index lags behind its table by some milliseconds. So the rows must never come from
//! the index: they are read from the table, and a row that is listed elsewhere by now is left out.

use tokio::task::JoinSet;

use super::{
    super::{Find, Page, Place, Start, StoreError},
    DynamoDb,
    index::{Index, NEWEST, OF_DAY, OF_FLIGHT, STALEST, Sort},
    partition::{From, Partition},
    row::Row,
};
use crate::domain::status::Phase;

/// How a list is found.
#[derive(Clone, Copy)]
struct List<'f> {
    find: &'f Find,
    index: Index,
}

/// A way through a list.
#[derive(Clone, Copy)]
struct Way<'p> {
    /// Where it begins; `None` for the first row of the list.
    place: Option<&'p Place>,
    /// Towards the beginning of the list.
    backwards: bool,
}

impl<'f> List<'f> {
    fn of(find: &'f Find) -> List<'f> {
        let index = match find {
            Find::Newest { .. } => NEWEST,
            Find::Stalest => STALEST,
            Find::Flight { .. } => OF_FLIGHT,
            Find::Day { .. } => OF_DAY,
        };
        List { find, index }
    }

    /// The partitions of the index that the list is in, in the order of their entries of one time.
    fn partitions(self) -> Vec<Partition> {
        let partition = |hash: &str, day: Option<&str>| Partition {
            index: self.index,
            hash: hash.to_owned(),
            day: day.map(str::to_owned),
        };
        match self.find {
            Find::Newest { phase: Some(phase) } => vec![partition(phase, None)],
            Find::Newest { phase: None } | Find::Stalest => {
                Phase::ALL.iter().map(|it| partition(it.as_str(), None)).collect()
            }
            Find::Flight { flight, day } => vec![partition(flight, day.as_deref())],
            Find::Day { day } => vec![partition(day, None)],
        }
    }

    /// A number by which entries of several partitions are sorted: smaller numbers come earlier.
    fn rank(self, at_ms: i64) -> i64 {
        if self.index.oldest_first { at_ms } else { at_ms.saturating_neg() }
    }

    /// Whether the row is in the list, now that it was read.
    fn has(self, row: &Row) -> bool {
        let is = |own: Option<&str>, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|it| own == Some(it))
        };
        match self.find {
            Find::Newest { phase } => row.phase.is_some() && is(row.phase.as_deref(), phase),
            Find::Stalest => row.open_phase.is_some(),
            Find::Flight { flight, day } => {
                row.flight.as_ref() == Some(flight) && is(row.day.as_deref(), day)
            }
            Find::Day { day } => row.day.as_ref() == Some(day),
        }
    }
}

impl DynamoDb {
    pub(super) async fn find(
        &self,
        find: &Find,
        start: &Start,
        limit: usize,
    ) -> Result<Page, StoreError> {
        // DynamoDB does not accept a limit of 0.
        if limit == 0 {
            return Ok(Page::default());
        }
        let (list, place) = (List::of(find), start.place());
        let backwards = matches!(start, Start::Before(_));
        // One entry more than is returned, to know whether the list continues.
        let way = Way { place, backwards };
        let mut entries = self.walk(list, way, limit.saturating_add(1)).await?;
        let beyond = entries.len() > limit;
        entries.truncate(limit);
        // And one on the side from which the walk came.
        let behind = match entries.first().filter(|_| place.is_some()) {
            Some(it) => {
                let way = Way { place: Some(it), backwards: !backwards };
                !self.walk(list, way, 1).await?.is_empty()
            }
            None => false,
        };
        let (mut more_before, mut more_after) = (behind, beyond);
        if backwards {
            entries.reverse();
            (more_before, more_after) = (beyond, behind);
        }
        Ok(Page {
            previous: entries.first().filter(|_| more_before).cloned(),
            next: entries.last().filter(|_| more_after).cloned(),
            rows: self.rows_of(list, entries).await?,
        })
    }

    /// The rows of the entries that are still in the list.
    async fn rows_of(
        &self,
        list: List<'_>,
        entries: Vec<Place>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let keys: Vec<String> = entries.into_iter().map(|it| it.key).collect();
        let mut found = self.many(&keys).await?;
        let mut rows: Vec<Row> = keys.iter().filter_map(|it| found.remove(it)).collect();
        rows.retain(|it| list.has(it));
        if list.index.sort == Sort::AtMs {
            // A row that was written meanwhile moves to its new time. Rows of the same time keep
            // their order.
            rows.sort_by_key(|it| list.rank(it.at_ms));
        }
        Ok(rows.into_iter().map(|it| (it.key, it.versioned.body)).collect())
    }

    /// The places of the first `limit` entries on a way through a list.
    async fn walk(
        &self,
        list: List<'_>,
        way: Way<'_>,
        limit: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let partitions = list.partitions();
        let own = |it: &Partition| way.place.is_some_and(|place| place.under == it.hash);
        let of_place = partitions.iter().position(own);
        let mut walks = JoinSet::new();
        let several = partitions.len() > 1;
        for (rank, partition) in partitions.into_iter().enumerate() {
            let from = match way.place {
                None => From::First,
                // Entries of the same time are listed in the order of their partitions.
                Some(place) if several && of_place != Some(rank) => From::Time {
                    at_ms: place.at_ms,
                    beyond: of_place.is_some_and(|it| (rank < it) != way.backwards),
                },
                Some(place) => From::Entry(place.clone()),
            };
            let store = self.clone();
            walks.spawn(async move {
                let entries = store.entries(&partition, from, way.backwards, limit).await?;
                Ok::<_, StoreError>(entries.into_iter().map(move |it| (rank, it)))
            });
        }
        let mut entries = Vec::new();
        while let Some(found) = walks.join_next().await {
            entries.extend(found.map_err(|it| self.failed("list rows", it))??);
        }
        if several {
            // The sort is stable, so entries of one partition keep the order of the index.
            entries.sort_by_key(|(rank, it)| {
                let (at, rank) = (list.rank(it.at_ms), i64::try_from(*rank).unwrap_or(0));
                if way.backwards { (at.saturating_neg(), -rank) } else { (at, rank) }
            });
        }
        entries.truncate(limit);
        Ok(entries.into_iter().map(|it| it.1).collect())
    }
}
