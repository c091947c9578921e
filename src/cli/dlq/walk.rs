//! Goes through a role's dead letters and gives the caller each one that the arguments choose. Must
//! not keep a message itself, and must make every message visible again at the end.

use tokio_util::sync::CancellationToken;

use super::which::{RoleDeadLetters, Which};
use crate::{
    cli::progress::Progress,
    dead_letters::{Scan, why::Case},
    fault::Fault,
};

/// The result of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    /// The number of messages that the arguments choose.
    pub(super) found: usize,
    end: End,
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// All messages were looked at.
    Whole,
    /// The limit of messages to look at was reached; holds the limit. There may be more.
    Looked(usize),
    /// The limit of messages to find was reached; holds the limit. There may be more.
    Found(usize),
    /// The first messages became visible again before the last were seen, or too many are hidden.
    /// Holds how many were looked at. There may be more.
    Bound(usize),
}

impl End {
    /// The end of a line that says that there may be more messages; empty if there are no more.
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
    /// See [`End::beyond`].
    pub(super) fn beyond(&self) -> String {
        self.end.beyond()
    }
}

impl Which {
    /// Calls `each` with every message that the arguments choose, at most `limit` times. Then makes
    /// all messages visible again, even after an error.
    pub(super) async fn walk(
        &self,
        desk: &RoleDeadLetters,
        limit: Option<usize>,
        stop: &CancellationToken,
        progress: &Progress,
        mut each: impl AsyncFnMut(Case) -> Result<(), Fault>,
    ) -> Result<Walked, Fault> {
        let mut scan = self.scan(desk, limit);
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
                progress.at(|| format!("looked at {}, found {found}", scan.looked_at()));
            }
            Ok(())
        }
        .await;
        let end = self.end(limit, full(found), scan).await;
        walked.map(|()| Walked { found, end })
    }

    /// A scan of the queues. If the arguments choose messages, it goes to the end of the queues;
    /// otherwise it looks at `limit` messages.
    pub(super) fn scan(&self, desk: &RoleDeadLetters, limit: Option<usize>) -> Scan {
        let most = limit.filter(|_| !self.chooses()).unwrap_or(usize::MAX);
        Scan::new(&desk.letters, most)
    }

    /// Makes hidden messages visible again, and says why the scan ended.
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

/// The fault of a command that was interrupted once.
pub(super) fn stopped() -> Fault {
    Fault::No("stopped: run it again to go on".to_owned())
}
