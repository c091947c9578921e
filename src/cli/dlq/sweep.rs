//! Takes dead letters off their queues by tens, several lots at a time: back to the role, or away.
//! What fails stays where it is, and so does what died after it began: poison that dies again would
//! else be put back for ever.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    super::{out, show::now},
    Case, Desk, Fault, Which,
    walk::{End, Progress},
};
use crate::bus::{
    BusError,
    aws::{Dead, Filed, Lot, Place, Queue, Scan},
};

/// How many lots are on their way at once.
const LOTS_MAX: usize = 8;

/// After so many lots in a row of which nothing went, the next one would not either.
const LOTS_FAILED_MAX: u32 = 3;

/// What is done with them.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Back on the role's queue.
    PutBack(Queue),
    /// Deleted.
    Delete,
    /// Counted, and left.
    Count,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Swept {
    /// How many were dealt with, by class.
    pub(super) classes: BTreeMap<String, usize>,
    /// How many are where they were, because it failed.
    pub(super) left: usize,
    /// How many are on both queues: put back, and not deleted.
    pub(super) twice: usize,
    /// How many died after it began.
    pub(super) later: usize,
    /// Whether it was interrupted.
    pub(super) stopped: bool,
    /// The first failure.
    pub(super) error: Option<BusError>,
    end: End,
}

impl Swept {
    /// How many were dealt with.
    pub(super) fn done(&self) -> usize {
        self.classes.values().sum()
    }

    /// Whether there was any that was asked for.
    pub(super) fn found(&self) -> usize {
        self.done() + self.left + self.twice + self.later
    }

    /// ` (10 malformed, 2 conflict)`
    pub(super) fn by_class(&self) -> String {
        let mut classes: Vec<_> = self.classes.iter().collect();
        classes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let words: Vec<String> =
            classes.iter().map(|(it, count)| format!("{count} {it}")).collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
    }

    /// What was not dealt with, and that there may be more.
    pub(super) fn beyond(&self) -> String {
        let said = |count: usize, what: &str| match count {
            0 => String::new(),
            _ => format!("; {count} {what}"),
        };
        [
            said(self.left, "left where they were"),
            said(self.twice, "put back and not deleted: harmless, they may go back again"),
            said(self.later, "died after this began, and were left"),
            self.end.beyond(),
        ]
        .concat()
    }
}

/// What is known of a message while it is on its way.
#[derive(Debug)]
struct Note {
    class: String,
    line: Option<String>,
}

type Moved = (Place, Vec<(Dead, Note)>, Vec<Filed>);

/// A sweep on its way.
struct Sweep<'a> {
    desk: &'a Desk,
    act: Act,
    scan: Scan,
    lots: BTreeMap<Place, Lot<Note>>,
    moving: JoinSet<Moved>,
    swept: Swept,
    /// How many lots in a row failed as a whole.
    failed: u32,
}

impl Which {
    /// Deals with no more than `limit` of the messages that were asked for. `line` is what is
    /// printed of each when it is done.
    pub(super) async fn sweep(
        &self,
        desk: &Desk,
        act: Act,
        limit: Option<usize>,
        stop: &CancellationToken,
        line: impl Fn(&Case) -> Option<String>,
    ) -> Result<Swept, Fault> {
        let (began, mut progress) = (now(), Progress::default());
        let mut sweep = Sweep::new(desk, act, self.scan(desk, limit));
        let mut found = 0;
        let full = |found| self.chooses() && limit.is_some_and(|it| found >= it);
        while !full(found) && !sweep.is_hopeless() {
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    sweep.swept.stopped = true;
                    break;
                }
                Some(moved) = sweep.moving.join_next() => {
                    sweep.moved(moved)?;
                    continue;
                }
                next = sweep.scan.next(), if sweep.moving.len() < LOTS_MAX => next,
            };
            let messages = match next {
                Ok(Some(it)) => it,
                Ok(None) => break,
                Err(error) => {
                    sweep.swept.error.get_or_insert(error);
                    break;
                }
            };
            for dead in messages {
                if full(found) {
                    break;
                }
                let Some(case) = self.wanted(desk, dead) else { continue };
                if is_later(&case.dead, began) {
                    sweep.swept.later += 1;
                    continue;
                }
                found += 1;
                let note = Note { class: case.why.class.clone(), line: line(&case) };
                sweep.add(case.dead, note);
            }
            let (looked_at, done) = (sweep.scan.looked_at(), sweep.swept.done());
            progress.looked_at(looked_at, || format!("{done} done"))?;
        }
        if !sweep.is_hopeless() && !sweep.swept.stopped {
            sweep.flush();
        }
        while let Some(moved) = sweep.moving.join_next().await {
            sweep.moved(moved)?;
        }
        // What was gathered and did not leave any more is where it was.
        let dealt = sweep.swept.done() + sweep.swept.left + sweep.swept.twice;
        sweep.swept.left += found - dealt;
        sweep.swept.end = self.end(limit, full(found), sweep.scan).await;
        Ok(sweep.swept)
    }
}

/// By the clock of SQS and ours: AWS answers nobody whose clock is far off.
fn is_later(dead: &Dead, began: Timestamp) -> bool {
    dead.delivery.incoming.sent_at > began
}

impl<'a> Sweep<'a> {
    fn new(desk: &'a Desk, act: Act, scan: Scan) -> Sweep<'a> {
        let swept = Swept {
            classes: BTreeMap::new(),
            left: 0,
            twice: 0,
            later: 0,
            stopped: false,
            error: None,
            end: End::Whole,
        };
        let (lots, moving) = (BTreeMap::new(), JoinSet::new());
        Sweep { desk, act, scan, lots, moving, swept, failed: 0 }
    }

    fn is_hopeless(&self) -> bool {
        self.failed >= LOTS_FAILED_MAX
    }

    fn add(&mut self, dead: Dead, note: Note) {
        if matches!(self.act, Act::Count) {
            *self.swept.classes.entry(note.class).or_default() += 1;
            return;
        }
        let place = dead.place;
        if let Some(lot) = self.lots.entry(place).or_default().add(dead, note) {
            self.send(place, lot);
        }
    }

    /// What does not make a lot any more leaves as it is.
    fn flush(&mut self) {
        for (place, mut lot) in std::mem::take(&mut self.lots) {
            if let Some(lot) = lot.take() {
                self.send(place, lot);
            }
        }
    }

    fn send(&mut self, place: Place, lot: Vec<(Dead, Note)>) {
        let (letters, act) = (self.desk.letters.clone(), self.act.clone());
        self.moving.spawn(async move {
            let messages: Vec<&Dead> = lot.iter().map(|(dead, _)| dead).collect();
            let filed = match &act {
                Act::PutBack(to) => letters.put_back(place, &messages, to).await,
                Act::Delete => letters.delete(place, &messages).await,
                Act::Count => Vec::new(),
            };
            (place, lot, filed)
        });
    }

    /// Takes note of a lot that has arrived, or has not.
    fn moved(&mut self, moved: Result<Moved, tokio::task::JoinError>) -> Result<(), Fault> {
        // What it said when it died may quote a message, and is not told.
        let (place, lot, filed) = moved.map_err(|_| {
            Fault::Internal(
                "a request met a bug: run it again; what comes back twice is known for a repetition"
                    .to_owned(),
            )
        })?;
        let none = filed.iter().all(|it| matches!(it, Filed::Left(_)));
        self.failed = if none { self.failed + 1 } else { 0 };
        for ((dead, note), filed) in lot.into_iter().zip(filed) {
            match filed {
                Filed::Done => {
                    self.scan.gone(place, &dead.delivery.message_id);
                    *self.swept.classes.entry(note.class).or_default() += 1;
                    note.line.map_or(Ok(()), |it| out(&it))?;
                }
                Filed::Twice(error) => {
                    self.swept.twice += 1;
                    self.swept.error.get_or_insert(error);
                }
                Filed::Left(error) => {
                    self.swept.left += 1;
                    self.swept.error.get_or_insert(error);
                }
            }
        }
        Ok(())
    }
}
