//! Looks through a role's dead letters for those that were asked for, one after the other: none is
//! held for longer than whoever asked holds it.

use tokio_util::sync::CancellationToken;

use super::{super::say, Case, Desk, Fault, Which};
use crate::bus::aws::Scan;

/// After how many messages it is said how far it got.
const PROGRESS_EVERY: usize = 1000;

/// What a walk has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    /// How many messages were asked for.
    pub(super) found: usize,
    end: End,
}

/// Why it ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// There is nothing more.
    Whole,
    /// There may be more: so many may be looked at.
    Looked(usize),
    /// There may be more: so many may be found.
    Found(usize),
    /// There may be more: the first ones came back before the last, or too many were hidden.
    Bound(usize),
}

impl End {
    /// How it is said.
    pub(super) fn beyond(self) -> String {
        match self {
            End::Whole => String::new(),
            End::Looked(limit) => {
                format!("; there may be more than the {limit} looked at (--limit)")
            }
            End::Found(limit) => format!("; there may be more than these {limit} (--limit)"),
            End::Bound(looked) => format!("; looked at {looked}, there may be more: run it again"),
        }
    }
}

impl Walked {
    /// That there may be more, if so.
    pub(super) fn beyond(&self) -> String {
        self.end.beyond()
    }
}

impl Which {
    /// Shows each message that was asked for to `each`, no more than `limit` of them; then all of
    /// them are visible again.
    pub(super) async fn walk(
        &self,
        desk: &Desk,
        limit: Option<usize>,
        stop: &CancellationToken,
        mut each: impl AsyncFnMut(Case) -> Result<(), Fault>,
    ) -> Result<Walked, Fault> {
        let mut scan = self.scan(desk, limit);
        let mut progress = Progress::default();
        let mut found = 0;
        let full = |found| self.chooses() && limit.is_some_and(|it| found >= it);
        let walked = async {
            while !full(found) {
                let next = stop.run_until_cancelled(scan.next()).await.ok_or_else(stopped)?;
                let Some(messages) = next.map_err(|it| Fault::bus(&it))? else { break };
                for dead in messages {
                    if !full(found)
                        && let Some(case) = self.wanted(desk, dead)
                    {
                        found += 1;
                        each(case).await?;
                    }
                }
                progress.looked_at(scan.looked_at(), || format!("found {found}"))?;
            }
            Ok(())
        }
        .await;
        let end = self.end(limit, full(found), scan).await;
        walked.map(|()| Walked { found, end })
    }

    /// A look through the queues: to their end when it is said which messages are wanted.
    pub(super) fn scan(&self, desk: &Desk, limit: Option<usize>) -> Scan {
        let most = limit.filter(|_| !self.chooses()).unwrap_or(usize::MAX);
        Scan::new(&desk.letters, most)
    }

    /// Gives back what was hidden, and says whether that was all there is.
    pub(super) async fn end(&self, limit: Option<usize>, full: bool, scan: Scan) -> End {
        let looked_at = scan.looked_at();
        let whole = scan.finish().await;
        match limit {
            Some(limit) if full => End::Found(limit),
            _ if whole => End::Whole,
            Some(limit) if !self.chooses() => End::Looked(limit),
            _ => End::Bound(looked_at),
        }
    }
}

/// The end of a command that was interrupted.
pub(super) fn stopped() -> Fault {
    Fault::No("stopped: run it again to go on".to_owned())
}

/// Says how far it got, when it takes long.
#[derive(Debug, Default)]
pub(super) struct Progress {
    said: usize,
}

impl Progress {
    /// So many were looked at; `more` is what came of it.
    pub(super) fn looked_at(
        &mut self,
        messages: usize,
        more: impl FnOnce() -> String,
    ) -> Result<(), Fault> {
        if messages < self.said + PROGRESS_EVERY {
            return Ok(());
        }
        self.said = messages;
        say(&format!("looked at {messages}, {}", more()))
    }
}
