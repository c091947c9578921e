//! Puts dead letters back or deletes them, in lots of ten, several lots at a time. A message for
//! which this fails stays where it is. A message that became a dead letter after the command began
//! must stay as well: otherwise poison that is set aside again would be put back for ever.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    walk::End,
    which::{RoleDeadLetters, Which},
};
use crate::{
    aws::DeadQueue,
    bus::BusError,
    cli::progress::Progress,
    clock::Clock,
    dead_letters::{Dead, Filed, Lot, NamedQueue, Scan, why::Case},
    fault::Fault,
};

/// The most lots in flight at once.
const LOTS_MAX: usize = 8;

/// After this many lots in a row that failed as a whole, the sweep gives up.
const LOTS_FAILED_MAX: u32 = 3;

/// What a sweep does with each message.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Put it back on the role's queue.
    PutBack(NamedQueue),
    Delete,
    /// Count it, and leave it.
    Count,
}

/// The result of a sweep.
#[derive(Debug)]
pub(super) struct Swept {
    /// How many messages were put back, deleted or counted, by class.
    pub(super) classes: BTreeMap<String, usize>,
    /// How many messages are where they were, because of a failure.
    pub(super) left: usize,
    /// How many messages are on both queues: put back, but not deleted.
    pub(super) twice: usize,
    /// How many messages became dead letters after the command began.
    pub(super) later: usize,
    /// Whether the command was interrupted.
    pub(super) stopped: bool,
    /// The first failure.
    pub(super) error: Option<BusError>,
    end: End,
}

impl Swept {
    /// How many messages were put back, deleted or counted.
    pub(super) fn done(&self) -> usize {
        self.classes.values().sum()
    }

    /// How many messages the arguments choose.
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

    /// The end of the line that is printed: which messages are left, and whether there may be more.
    pub(super) fn beyond(&self) -> String {
        let said = |count: usize, what: &str| match count {
            0 => String::new(),
            _ => format!("; {count} {what}"),
        };
        [
            said(self.left, "left where they were"),
            said(self.twice, "put back and not deleted: harmless, they may go back again"),
            said(self.later, "became dead letters after this began, and were left"),
            self.end.beyond(),
        ]
        .concat()
    }
}

/// What is kept of a message while its lot is in flight.
#[derive(Debug)]
struct Note {
    class: String,
    /// The line to print once the message is done.
    line: Option<String>,
}

type Moved = (DeadQueue, Vec<(Dead, Note)>, Vec<Filed>);

/// The state of a sweep that runs.
struct Sweep<'a> {
    desk: &'a RoleDeadLetters,
    progress: &'a Progress,
    act: Act,
    scan: Scan,
    lots: BTreeMap<DeadQueue, Lot<Note>>,
    moving: JoinSet<Moved>,
    swept: Swept,
    /// How many lots in a row failed as a whole.
    failed: u32,
    /// Why the command fails, although it may have moved messages.
    fault: Option<Fault>,
}

impl Which {
    /// Does `act` to at most `limit` of the messages that the arguments choose. `line` makes the
    /// line that is printed once a message is done.
    pub(super) async fn sweep(
        &self,
        desk: &RoleDeadLetters,
        act: Act,
        limit: Option<usize>,
        stop: &CancellationToken,
        progress: &Progress,
        line: impl Fn(&Case) -> Option<String>,
    ) -> Result<Swept, Fault> {
        let began = Clock::Machine.now();
        let mut sweep = Sweep::new(desk, progress, act, self.scan(desk, limit));
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
                    sweep.moved(moved);
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
            progress.at(|| format!("looked at {looked_at}, {done} done"));
        }
        if !sweep.is_hopeless() && !sweep.swept.stopped {
            sweep.flush();
        }
        while let Some(moved) = sweep.moving.join_next().await {
            sweep.moved(moved);
        }
        // Messages that were gathered and then not sent are still where they were.
        let dealt = sweep.swept.done() + sweep.swept.left + sweep.swept.twice;
        sweep.swept.left += found - dealt;
        // Also after a fault: it makes what was looked at visible again.
        sweep.swept.end = self.end(limit, full(found), sweep.scan).await;
        sweep.fault.map_or(Ok(sweep.swept), Err)
    }
}

/// Compares the clock of SQS with this machine's. They agree well enough, since AWS refuses the
/// requests of a machine whose clock is far off.
fn is_later(dead: &Dead, began: Timestamp) -> bool {
    dead.delivery.incoming.sent_at > began
}

impl<'a> Sweep<'a> {
    fn new(desk: &'a RoleDeadLetters, progress: &'a Progress, act: Act, scan: Scan) -> Sweep<'a> {
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
        Sweep { desk, progress, act, scan, lots, moving, swept, failed: 0, fault: None }
    }

    fn is_hopeless(&self) -> bool {
        self.failed >= LOTS_FAILED_MAX || self.fault.is_some()
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

    /// Sends the messages that are left, though they do not fill a lot.
    fn flush(&mut self) {
        for (place, mut lot) in std::mem::take(&mut self.lots) {
            if let Some(lot) = lot.take() {
                self.send(place, lot);
            }
        }
    }

    fn send(&mut self, place: DeadQueue, lot: Vec<(Dead, Note)>) {
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

    /// Records the result of one lot.
    fn moved(&mut self, moved: Result<Moved, tokio::task::JoinError>) {
        // The text of a panic may quote a message, so it is not repeated.
        let Ok((place, lot, filed)) = moved else {
            let bug =
                "a bug stopped a request: run it again; a role drops a message that it gets twice";
            self.fault.get_or_insert(Fault::Internal(bug.to_owned()));
            return;
        };
        let none = filed.iter().all(|it| matches!(it, Filed::Left(_)));
        self.failed = if none { self.failed + 1 } else { 0 };
        for ((dead, note), filed) in lot.into_iter().zip(filed) {
            match filed {
                Filed::Done => {
                    self.scan.gone(place, &dead.delivery.message_id);
                    *self.swept.classes.entry(note.class).or_default() += 1;
                    if let Some(Err(fault)) = note.line.map(|it| self.progress.out(&it)) {
                        self.fault.get_or_insert(fault);
                    }
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
    }
}
