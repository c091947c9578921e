//! The rows that one decision reads and writes. Each is written over the version that was read; a
//! row must never be written without the memos that were read with it.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    WorkError,
    row::{Claimant, Memo, StoredRow},
};
use crate::{
    domain::{
        decision::{Key, Rows, Rules, Step},
        event::Event,
    },
    store::{Store, Write},
    wire::Message,
};

/// The rows that were read for one decision, with everything that is needed to write them.
pub(super) struct View<T> {
    own: Key,
    pub(super) rows: Rows<T>,
    beside: BTreeMap<Key, Beside>,
}

/// The parts of a stored row that are not its state.
#[derive(Clone, Default)]
struct Beside {
    version: u64,
    claim: Option<Claimant>,
    memos: Vec<Memo>,
}

/// What the memos of a booking say about an event that was settled before.
pub(super) enum Recalled {
    /// The event is the same, and announced these messages.
    Messages(Vec<Message>),
    /// The settled event has the same type and id, but belongs to another request.
    OtherRequest,
}

impl<T: DeserializeOwned> View<T> {
    /// A view of one row, the booking's own. Every decision begins with it.
    ///
    /// # Errors
    /// When the store failed, or the row cannot be read.
    pub(super) async fn read(store: &impl Store, own: Key) -> Result<View<T>, WorkError> {
        let mut view =
            View { own: own.clone(), rows: Rows::default(), beside: BTreeMap::default() };
        view.read_more(store, vec![own]).await?;
        Ok(view)
    }

    /// A view of the booking's own row that takes it to be missing, without a read. Only a commit
    /// over it shows that it is: [`View::is_confirmed_by`] says which steps do.
    pub(super) fn of_missing(own: Key) -> View<T> {
        let mut rows = Rows::default();
        rows.insert(own.clone(), None);
        View { own, rows, beside: BTreeMap::default() }
    }

    /// Whether this step commits over the booking's own row, or only leads to one that does. Any
    /// other step must not be taken if that row was not read.
    pub(super) fn is_confirmed_by<E>(&self, step: &Step<T, E>) -> bool {
        match step {
            Step::Read(keys) => !keys.contains(&self.own),
            Step::Ask { claim, .. } => claim.is_some(),
            Step::Settle(_) => true,
            Step::Nothing | Step::SetAside(_) => false,
        }
    }

    /// Adds rows that a decision asked for.
    ///
    /// # Errors
    /// As [`View::read`].
    pub(super) async fn read_more(
        &mut self,
        store: &impl Store,
        keys: Vec<Key>,
    ) -> Result<(), WorkError> {
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let rows = store.read(names.clone()).await?;
        for ((key, name), row) in keys.into_iter().zip(names).zip(rows) {
            let Some(versioned) = row else {
                self.rows.insert(key, None);
                continue;
            };
            let StoredRow { row, claim, memos } = StoredRow::parse(&name, &versioned)?;
            self.beside.insert(key.clone(), Beside { version: versioned.version, claim, memos });
            self.rows.insert(key, Some(row));
        }
        Ok(())
    }
}

impl<T> View<T> {
    /// The state of the booking's own row, if there is one.
    pub(super) fn own(&self) -> Option<&T> {
        self.rows.get(&self.own)
    }

    /// What the memos in the booking's row say about `event`. `None` if they do not know it.
    pub(super) fn recall(&self, event: &Event) -> Option<Recalled> {
        let memos = &self.beside.get(&self.own)?.memos;
        if let Some(memo) = memos.iter().find(|it| it.answers(event)) {
            return Some(Recalled::Messages(memo.messages()));
        }
        memos.iter().any(|it| it.is_of(event)).then_some(Recalled::OtherRequest)
    }

    /// Replaces every source and id that a client wrote by its hash, in the booking's row.
    pub(super) fn hide_client(&mut self) {
        if let Some(beside) = self.beside.get_mut(&self.own) {
            beside.claim.iter_mut().for_each(Claimant::hide_client);
            beside.memos.iter_mut().for_each(Memo::hide_client);
        }
    }
}

/// Each of these builds the conditional write of a row with its memos, and updates this view as if
/// the write were committed. After a conflict, discard the view and read again.
impl<T: Serialize> View<T> {
    /// The write of the booking's own row that claims an effect for `event`.
    ///
    /// # Errors
    /// When the row cannot be written as text.
    pub(super) fn claim<R: Rules<State = T>>(
        &mut self,
        own: T,
        event: &Event,
    ) -> Result<Write, WorkError> {
        let key = self.own.clone();
        self.beside.entry(key.clone()).or_default().claim = Some(Claimant::of(event));
        self.write::<R>(key, own)
    }

    /// The write of the booking's own row that settles `event`, with the memo of `messages`.
    ///
    /// # Errors
    /// As [`View::claim`].
    pub(super) fn settle<R: Rules<State = T>>(
        &mut self,
        own: T,
        event: &Event,
        messages: &[Message],
    ) -> Result<Write, WorkError> {
        let key = self.own.clone();
        if !messages.is_empty() {
            let beside = self.beside.entry(key.clone()).or_default();
            let claim = beside.claim.take();
            beside.memos.push(Memo::of(event, claim, messages));
        }
        self.write::<R>(key, own)
    }

    /// The write of a new state of any row. Its memos and its claim stay.
    ///
    /// # Errors
    /// As [`View::claim`].
    pub(super) fn write<R: Rules<State = T>>(
        &mut self,
        key: Key,
        state: T,
    ) -> Result<Write, WorkError> {
        let beside = self.beside.entry(key.clone()).or_default();
        let read_version = beside.version;
        let (claim, memos) = (beside.claim.clone(), std::mem::take(&mut beside.memos));
        let (listing, name) = (R::listing(&state), key.to_string());
        let stored = StoredRow { row: state, claim, memos };
        let body = serde_json::to_string(&stored)
            .map_err(|it| WorkError::Row { key: name.clone(), source: it.into() })?;
        beside.version += 1;
        beside.memos = stored.memos;
        self.rows.insert(key, Some(stored.row));
        Ok(Write { key: name, read_version, body, listing })
    }
}
