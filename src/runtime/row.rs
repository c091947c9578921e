//! The format of a stored row: the role's state and, in a booking's row, its memos and its claim.
//! This must never stop reading the rows of any version since 0.1, nor stop writing what an older
//! binary needs.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{WorkError, error::Unreadable};
use crate::{
    domain::{
        RoleName,
        decision::Key,
        event::{Event, Kind},
        ids::{BookingId, Cause, Digest},
    },
    store::{Store, Versioned},
    wire::Message,
};

/// A stored row, as its JSON text has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredRow<T> {
    /// The role's state.
    pub row: T,
    /// The event that claimed an effect whose outcome is not decided yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) claim: Option<Claimant>,
    /// One memo for each cause that announced something.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub memos: Vec<Memo>,
}

impl<T: DeserializeOwned> StoredRow<T> {
    /// # Errors
    /// When this binary cannot read the row.
    pub(super) fn parse(key: &str, row: &Versioned) -> Result<StoredRow<T>, WorkError> {
        serde_json::from_str(&row.body)
            .map_err(|it| WorkError::Row { key: key.to_owned(), source: Unreadable::from(it) })
    }
}

/// Reads the row of a booking, if there is one.
///
/// # Errors
/// When the store failed, or the row cannot be read.
pub async fn look_up<T: DeserializeOwned>(
    store: &impl Store,
    booking: &BookingId,
) -> Result<Option<StoredRow<T>>, WorkError> {
    let key = Key::Booking(booking.clone()).to_string();
    let row = store.read(vec![key.clone()]).await?.pop().flatten();
    row.map(|it| StoredRow::parse(&key, &it)).transpose()
}

/// The messages that one cause announced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memo {
    /// The type of the event that was settled. Source and id do not identify an event: a client
    /// chooses both for its request, and can compute and choose those of an outcome.
    /// Memos of version 0.1 have no type, and are found by source and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The source and id of the event that was settled.
    pub cause: Cause,
    /// The digest of the request that the event belongs to. The same cause with another digest is
    /// a conflict (failure matrix, B3).
    pub digest: Digest,
    /// The event that had claimed the effect, if another event settled it. Both announce the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claimant>,
    announced: Vec<Announced>,
}

/// An event that claimed an effect. Its message stays on the queue until the outcome is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claimant {
    /// As [`Memo::kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    cause: Cause,
    digest: Digest,
}

/// One event that was announced, with the exact text that every delivery publishes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Announced {
    kind: Kind,
    event: Box<RawValue>,
}

impl Claimant {
    pub(super) fn of(event: &Event) -> Claimant {
        Claimant { kind: Some(event.kind()), cause: event.cause.clone(), digest: event.digest }
    }

    /// Replaces the source and id by their hash, if a client wrote them.
    pub(super) fn hide_client(&mut self) {
        hide_client(self.kind, &mut self.cause);
    }

    fn is(&self, event: &Event) -> bool {
        is_event(self.kind, &self.cause, event) && self.digest == event.digest
    }
}

impl Memo {
    /// The memo of `event`, which settles the effect that `claim` had claimed.
    pub(super) fn of(event: &Event, claim: Option<Claimant>, messages: &[Message]) -> Memo {
        let announced = |it: &Message| {
            let text = RawValue::from_string(it.body.clone()).expect("an encoded event is JSON");
            Announced { kind: it.kind, event: text }
        };
        Memo {
            kind: Some(event.kind()),
            cause: event.cause.clone(),
            digest: event.digest,
            claim: claim.filter(|it| !it.is(event)),
            announced: messages.iter().map(announced).collect(),
        }
    }

    /// Replaces every source and id that a client wrote by its hash. Only rows of version 0.1 have
    /// them as plain text.
    pub(super) fn hide_client(&mut self) {
        hide_client(self.kind, &mut self.cause);
        self.claim.iter_mut().for_each(Claimant::hide_client);
    }

    /// The events whose redelivery announces these messages, each as type, cause and digest. The
    /// message of the last one stays on its queue until the messages of this memo are published.
    pub fn causes(&self) -> impl Iterator<Item = (Option<Kind>, &Cause, Digest)> {
        let claim = self.claim.iter().map(|it| (it.kind, &it.cause, it.digest));
        std::iter::once((self.kind, &self.cause, self.digest)).chain(claim)
    }

    /// Whether `event` has the type and cause of this memo. Its request may be another one.
    pub(super) fn is_of(&self, event: &Event) -> bool {
        self.causes().any(|(kind, cause, _)| is_event(kind, cause, event))
    }

    /// Whether `event` was settled by this memo, so that it announces the same messages again.
    pub(super) fn answers(&self, event: &Event) -> bool {
        let same = |(kind, cause, digest): (_, &Cause, _)| {
            is_event(kind, cause, event) && digest == event.digest
        };
        self.causes().any(same)
    }

    /// The messages, ready to be published again.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let message = |it: &Announced| {
            let body = it.event.get().to_owned();
            Message { kind: it.kind, body, trace: None }
        };
        self.announced.iter().map(message).collect()
    }
}

/// Whether `event` has this type and cause. Its request may be another one.
fn is_event(kind: Option<Kind>, cause: &Cause, event: &Event) -> bool {
    kind.is_none_or(|it| it == event.kind()) && (*cause == event.cause || is_plain(cause, event))
}

/// Whether `cause` is the plain text, as in rows of version 0.1, of the client's cause of `event`.
fn is_plain(cause: &Cause, event: &Event) -> bool {
    event.cause.source.is_empty() && Cause::of_client(&cause.source, &cause.id) == event.cause
}

/// Replaces the source and id of a client's event by their hash.
fn hide_client(kind: Option<Kind>, cause: &mut Cause) {
    let ours = RoleName::ALL.iter().any(|it| it.source() == cause.source);
    let clients = kind.is_none_or(|it| it.publisher().is_none()) && !ours;
    if clients && !cause.source.is_empty() {
        *cause = Cause::of_client(&cause.source, &cause.id);
    }
}
