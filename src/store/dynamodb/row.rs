//! A row as an item of the table. The attribute names must be the same as in `terraform/`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::{Versioned, Write, departures};

/// The hash key of the table.
pub(super) const KEY: &str = "key";
/// The number of writes to the row.
pub(super) const VERSION: &str = "version";
pub(super) const BODY: &str = "body";
/// The hash key of the index `newest`.
pub(super) const PHASE: &str = "phase";
/// The hash key of the index `stalest`. Only open rows have it, so only they are in that index.
pub(super) const OPEN_PHASE: &str = "open_phase";
/// The sort key of these two.
pub(super) const AT_MS: &str = "at_ms";
/// The hash key of the index `of_flight`. A row without a known departure has neither this nor the
/// two below.
pub(super) const FLIGHT: &str = "flight";
/// The hash key of the index `of_day`.
pub(super) const DAY: &str = "day";
/// The sort key of these two. It never changes while the departure stays the same, so a fact costs
/// no unit for them.
pub(super) const DEPARTURE: &str = "departure";

/// An item in DynamoDB's form.
pub(super) type Item = HashMap<String, AttributeValue>;

/// An item that was read.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) versioned: Versioned,
    pub(super) phase: Option<String>,
    pub(super) open_phase: Option<String>,
    pub(super) at_ms: i64,
    pub(super) flight: Option<String>,
    pub(super) day: Option<String>,
}

/// An item that this store did not write.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the item `{key}` has no {attribute} that this binary writes")]
pub(super) struct NoRow {
    key: String,
    attribute: &'static str,
}

impl TryFrom<Item> for Row {
    type Error = NoRow;

    fn try_from(mut item: Item) -> Result<Row, NoRow> {
        let key = text(&mut item, KEY).unwrap_or_default();
        let no = |attribute| NoRow { key: key.clone(), attribute };
        let version = number(&item, VERSION).ok_or_else(|| no(VERSION))?;
        let body = text(&mut item, BODY).ok_or_else(|| no(BODY))?;
        Ok(Row {
            versioned: Versioned {
                version: u64::try_from(version).map_err(|_| no(VERSION))?,
                body,
            },
            phase: text(&mut item, PHASE),
            open_phase: text(&mut item, OPEN_PHASE),
            at_ms: number(&item, AT_MS).unwrap_or_default(),
            flight: text(&mut item, FLIGHT),
            day: text(&mut item, DAY),
            key,
        })
    }
}

/// The item that replaces the one that was read. Without a listing it has no attributes for the
/// indexes, so it leaves them.
pub(super) fn item(write: Write) -> Item {
    let mut item = HashMap::from([
        (KEY.to_owned(), AttributeValue::S(write.key)),
        (VERSION.to_owned(), version(write.read_version + 1)),
        (BODY.to_owned(), AttributeValue::S(write.body)),
    ]);
    if let Some(it) = write.listing {
        if it.open {
            item.insert(OPEN_PHASE.to_owned(), AttributeValue::S(it.phase.clone()));
        }
        item.insert(PHASE.to_owned(), AttributeValue::S(it.phase));
        item.insert(AT_MS.to_owned(), AttributeValue::N(it.at_ms.to_string()));
        if let Some(it) = it.departure {
            item.insert(DEPARTURE.to_owned(), AttributeValue::S(departures::text_of(&it)));
            item.insert(FLIGHT.to_owned(), AttributeValue::S(it.flight));
            item.insert(DAY.to_owned(), AttributeValue::S(it.day));
        }
    }
    item
}

/// The key attributes of the item under `key`.
pub(super) fn key(key: &str) -> Item {
    HashMap::from([(KEY.to_owned(), AttributeValue::S(key.to_owned()))])
}

pub(super) fn version(it: u64) -> AttributeValue {
    AttributeValue::N(it.to_string())
}

pub(super) fn text(item: &mut Item, name: &str) -> Option<String> {
    match item.remove(name) {
        Some(AttributeValue::S(it)) => Some(it),
        _ => None,
    }
}

pub(super) fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
