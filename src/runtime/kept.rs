//! How rows are kept: the state, and in a booking's row its memos. Each row that is read is written
//! over the version it had.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::book::{BookError, CONFLICTS_MAX, Outcome, Unreadable};
use crate::{
    bus::Message,
    domain::{
        RoleName,
        decision::{Key, Rows, Rules},
        event::{Event, Kind},
        ids::{BookingId, Cause, Digest},
    },
    store::{Commit, Store, Versioned, Write},
};

/// A stored row: the role's state, and in a booking's row its memos. `Keeping` writes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Kept<T> {
    /// The state.
    pub row: T,
    /// Who claimed an effect whose outcome is not decided yet.
    #[serde(default)]
    claim: Option<Claimant>,
    /// What was announced, by cause; only causes that announced something are here.
    #[serde(default = "Vec::new")]
    pub memos: Vec<Memo>,
}

/// What one cause announced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memo {
    /// The type of the event that was dealt with. Source and id alone do not identify it: a client
    /// chooses those of its request, and ids of outcomes can be computed. Rows of version 0.1 have
    /// none, and are found by source and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The event that was dealt with.
    pub cause: Cause,
    /// The request it was, or answered: the same cause with another one is a conflict (B3).
    pub digest: Digest,
    /// The event that had claimed what this one settled, if it was another: it announces the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claimant>,
    announced: Vec<Announced>,
}

/// An event that claimed an effect; its message stays on the queue until the outcome was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claimant {
    /// As in [`Memo`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    cause: Cause,
    digest: Digest,
}

impl Claimant {
    pub(super) fn of(event: &Event) -> Claimant {
        Claimant { kind: Some(event.kind()), cause: event.cause.clone(), digest: event.digest }
    }

    fn hide_client(&mut self) {
        hide_client(self.kind, &mut self.cause);
    }

    /// Whether it is this event.
    fn is(&self, event: &Event) -> bool {
        is_event(self.kind, &self.cause, event) && self.digest == event.digest
    }
}

/// Whether an event is the one with this type and cause. Its request may still be another.
fn is_event(kind: Option<Kind>, cause: &Cause, event: &Event) -> bool {
    kind.is_none_or(|it| it == event.kind()) && (*cause == event.cause || is_plain(cause, event))
}

/// Replaces a client's source and id by their hash.
fn hide_client(kind: Option<Kind>, cause: &mut Cause) {
    let ours = RoleName::ALL.iter().any(|it| it.source() == cause.source);
    let clients = kind.is_none_or(|it| it.publisher().is_none()) && !ours;
    if clients && !cause.source.is_empty() {
        *cause = Cause::of_client(&cause.source, &cause.id);
    }
}

/// Whether it is the cause of a client's event as rows of version 0.1 have it, in plain text.
fn is_plain(cause: &Cause, event: &Event) -> bool {
    event.cause.source.is_empty() && Cause::of_client(&cause.source, &cause.id) == event.cause
}

/// The text of an event, as it was and will be published.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Announced {
    kind: Kind,
    event: Box<RawValue>,
}

impl Memo {
    /// Forgets what a client wrote as source and id, as rows of version 0.1 have it.
    fn hide_client(&mut self) {
        hide_client(self.kind, &mut self.cause);
        self.claim.iter_mut().for_each(Claimant::hide_client);
    }

    /// The events that announce this when they come again: type, cause and the digest of the
    /// request. The last one's message is there until it was announced.
    pub fn causes(&self) -> impl Iterator<Item = (Option<Kind>, &Cause, Digest)> {
        let claim = self.claim.iter().map(|it| (it.kind, &it.cause, it.digest));
        std::iter::once((self.kind, &self.cause, self.digest)).chain(claim)
    }

    /// Whether this event announces it when it comes again, if its request is the same.
    fn is_of(&self, event: &Event) -> bool {
        self.causes().any(|(kind, cause, _)| is_event(kind, cause, event))
    }

    /// Whether this event announces it when it comes again.
    fn answers(&self, event: &Event) -> bool {
        let same = |(kind, cause, digest): (_, &Cause, _)| {
            is_event(kind, cause, event) && digest == event.digest
        };
        self.causes().any(same)
    }

    /// The messages, ready to be published again.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let message = |it: &Announced| Message { kind: it.kind, body: it.event.get().to_owned() };
        self.announced.iter().map(message).collect()
    }
}

/// The rows that were read for one decision, with what is needed to write them again.
pub(super) struct Seen<T> {
    pub(super) rows: Rows<T>,
    stored: BTreeMap<Key, Stored>,
}

/// What a row is stored with, beside its state.
#[derive(Clone, Default)]
struct Stored {
    version: u64,
    claim: Option<Claimant>,
    memos: Vec<Memo>,
}

/// What a write is for, beside the state.
pub(super) enum Change<'a> {
    /// Nothing else.
    State,
    /// An effect is about to be asked for.
    Claim(Claimant),
    /// It is decided what this event announces.
    Settle(&'a Event, &'a [Message]),
}

/// What [`Kept`] is written from.
#[derive(Serialize)]
struct Keeping<'a, T> {
    row: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<&'a Claimant>,
    #[serde(skip_serializing_if = "<[Memo]>::is_empty")]
    memos: &'a [Memo],
}

impl<T: Serialize> Seen<T> {
    /// The row as it is to be written over the version that was read, its memos with it. From then
    /// on it is seen as it will be once that is committed: who meets a conflict begins anew.
    pub(super) fn write<R: Rules<State = T>>(
        &mut self,
        (key, row): (Key, T),
        change: Change<'_>,
    ) -> Result<Write, BookError> {
        let mut stored = self.stored.remove(&key).unwrap_or_default();
        match change {
            Change::State => {}
            Change::Claim(by) => stored.claim = Some(by),
            Change::Settle(event, messages) => stored.memos.push(Memo {
                claim: stored.claim.take().filter(|it| !it.is(event)),
                kind: Some(event.kind()),
                cause: event.cause.clone(),
                digest: event.digest,
                announced: messages.iter().map(announced).collect(),
            }),
        }
        let (listing, name) = (R::listing(&row), key.to_string());
        let keeping = Keeping { row: &row, claim: stored.claim.as_ref(), memos: &stored.memos };
        let body = serde_json::to_string(&keeping)
            .map_err(|it| BookError::Row { key: name.clone(), source: it.into() })?;
        let read_version = stored.version;
        stored.version += 1;
        self.stored.insert(key.clone(), stored);
        self.rows.insert(key, Some(row));
        Ok(Write { key: name, read_version, body, listing })
    }
}

/// The row of one booking, to begin a decision with.
pub(super) async fn see<T: DeserializeOwned>(
    store: &impl Store,
    own: Key,
) -> Result<Seen<T>, BookError> {
    let mut seen = Seen { rows: Rows::default(), stored: BTreeMap::new() };
    see_more(store, &mut seen, vec![own]).await?;
    Ok(seen)
}

/// Adds rows that a decision asked for.
pub(super) async fn see_more<T: DeserializeOwned>(
    store: &impl Store,
    seen: &mut Seen<T>,
    keys: Vec<Key>,
) -> Result<(), BookError> {
    let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let rows = store.read(names.clone()).await?;
    for ((key, name), row) in keys.into_iter().zip(names).zip(rows) {
        let Some(versioned) = row else {
            seen.rows.insert(key, None);
            continue;
        };
        let kept: Kept<T> = parse(&name, &versioned)?;
        let Kept { row, claim, memos } = kept;
        seen.stored.insert(key.clone(), Stored { version: versioned.version, claim, memos });
        seen.rows.insert(key, Some(row));
    }
    Ok(())
}

/// The row of a booking with its memos, if there is one.
///
/// # Errors
/// When the store failed, or the row cannot be read.
pub async fn look_up<T: DeserializeOwned>(
    store: &impl Store,
    booking: &BookingId,
) -> Result<Option<Kept<T>>, BookError> {
    let key = Key::Booking(booking.clone()).to_string();
    let row = store.read(vec![key.clone()]).await?.pop().flatten();
    row.map(|it| parse(&key, &it)).transpose()
}

/// How changing a row by hand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amended<T> {
    /// It is as it was wanted now.
    Done(T),
    /// It was refused, and is as it was.
    Refused,
    /// There is no such row.
    Unknown,
}

/// Changes a booking's row at a person's wish, outside the unit of work. Memos and claim stay,
/// without what a client wrote as source and id. Whoever writes at the same time wins, or is read
/// first.
///
/// # Errors
/// When the store failed, the row cannot be read, or others kept changing it.
pub async fn amend<R: Rules>(
    store: &impl Store,
    booking: &BookingId,
    change: impl Fn(&R::State) -> Option<R::State>,
) -> Result<Amended<R::State>, BookError> {
    let own = Key::Booking(booking.clone());
    for _ in 0..=CONFLICTS_MAX {
        let mut seen: Seen<R::State> = see(store, own.clone()).await?;
        let Some(row) = seen.rows.get(&own) else { return Ok(Amended::Unknown) };
        let Some(row) = change(row) else { return Ok(Amended::Refused) };
        if let Some(stored) = seen.stored.get_mut(&own) {
            stored.claim.iter_mut().for_each(Claimant::hide_client);
            stored.memos.iter_mut().for_each(Memo::hide_client);
        }
        let writes = vec![seen.write::<R>((own.clone(), row.clone()), Change::State)?];
        if store.commit(writes).await? == Commit::Done {
            return Ok(Amended::Done(row));
        }
    }
    Err(BookError::Contended)
}

fn parse<T: DeserializeOwned>(key: &str, row: &Versioned) -> Result<Kept<T>, BookError> {
    serde_json::from_str(&row.body)
        .map_err(|it| BookError::Row { key: key.to_owned(), source: Unreadable::from(it) })
}

fn announced(message: &Message) -> Announced {
    let event = RawValue::from_string(message.body.clone()).expect("an encoded event is JSON");
    Announced { kind: message.kind, event }
}

/// What this cause announced when it was settled; or that it is another request under the same id.
pub(super) fn recall<T>(
    seen: &Seen<T>,
    own: &Key,
    event: &Event,
    conflicts: u32,
) -> Option<Outcome> {
    let memos = &seen.stored.get(own)?.memos;
    let memo = memos.iter().find(|it| it.answers(event));
    if memo.is_none() && memos.iter().any(|it| it.is_of(event)) {
        return Some(Outcome::SetAside("the same event id with different content".to_owned()));
    }
    let messages = memo?.messages();
    Some(Outcome::Announce { messages, recalled: true, conflicts, answers: 0 })
}
