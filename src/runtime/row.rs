//! The format of a stored row: the role's state, and in a booking's row its memos and its claim.
//! Rows of every version since 0.1 are read, and what an older binary needs is still written.

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

/// A stored row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredRow<T> {
    /// The role's state.
    pub row: T,
    /// The event that claimed an effect whose outcome is not decided yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) claim: Option<Claimant>,
    /// What was announced, by cause. A cause that announced nothing has no memo.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub memos: Vec<Memo>,
}

impl<T: DeserializeOwned> StoredRow<T> {
    /// # Errors
    /// When the row is not what this binary writes.
    pub(super) fn parse(key: &str, row: &Versioned) -> Result<StoredRow<T>, WorkError> {
        serde_json::from_str(&row.body)
            .map_err(|it| WorkError::Row { key: key.to_owned(), source: Unreadable::from(it) })
    }
}

/// The row of a booking with its memos, if there is one.
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

/// What one cause announced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memo {
    /// The type of the event that was dealt with. Source and id alone do not identify it: a client
    /// chooses those of its request, and ids of outcomes can be computed. Rows of version 0.1 have
    /// no type, and are found by source and id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The source and id of the event that was dealt with.
    pub cause: Cause,
    /// The digest of the request that the event was or answered. The same cause with another
    /// digest is a conflict (failure matrix, B3).
    pub digest: Digest,
    /// The event that had claimed the effect that this event settled, if it was another event: it
    /// announces the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claimant>,
    announced: Vec<Announced>,
}

/// An event that claimed an effect. Its message stays on the queue until the outcome was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claimant {
    /// As in [`Memo`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    cause: Cause,
    digest: Digest,
}

/// The text of an event, as it was and will be published.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Announced {
    kind: Kind,
    event: Box<RawValue>,
}

impl Claimant {
    pub(super) fn of(event: &Event) -> Claimant {
        Claimant { kind: Some(event.kind()), cause: event.cause.clone(), digest: event.digest }
    }

    /// Replaces what a client wrote as source and id by its hash.
    pub(super) fn hide_client(&mut self) {
        hide_client(self.kind, &mut self.cause);
    }

    fn is(&self, event: &Event) -> bool {
        is_event(self.kind, &self.cause, event) && self.digest == event.digest
    }
}

impl Memo {
    /// The memo of an event that settles what `claim` had claimed.
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

    /// Replaces what a client wrote as source and id by its hash, in rows of version 0.1.
    pub(super) fn hide_client(&mut self) {
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
    pub(super) fn is_of(&self, event: &Event) -> bool {
        self.causes().any(|(kind, cause, _)| is_event(kind, cause, event))
    }

    /// Whether this event announces it when it comes again.
    pub(super) fn answers(&self, event: &Event) -> bool {
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

/// Whether an event is the one with this type and cause. Its request may still be another.
fn is_event(kind: Option<Kind>, cause: &Cause, event: &Event) -> bool {
    kind.is_none_or(|it| it == event.kind()) && (*cause == event.cause || is_plain(cause, event))
}

/// Whether it is the cause of a client's event as rows of version 0.1 have it, in plain text.
fn is_plain(cause: &Cause, event: &Event) -> bool {
    event.cause.source.is_empty() && Cause::of_client(&cause.source, &cause.id) == event.cause
}

/// Replaces a client's source and id by their hash.
fn hide_client(kind: Option<Kind>, cause: &mut Cause) {
    let ours = RoleName::ALL.iter().any(|it| it.source() == cause.source);
    let clients = kind.is_none_or(|it| it.publisher().is_none()) && !ours;
    if clients && !cause.source.is_empty() {
        *cause = Cause::of_client(&cause.source, &cause.id);
    }
}
