//! Shows a person at a terminal that a command is at work, once it takes longer than two seconds.
//! It must never write into a pipe, beside JSON, or on the line of a printed answer, so a command
//! that has a [`Progress`] prints through it.

use std::{
    cell::RefCell,
    future::Future,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::{is_watched, print, say};
use crate::{fault::Fault, printable::line};

/// How long a command may take before anything is shown.
const QUIET_FOR: Duration = Duration::from_secs(2);
/// How often the line moves while a command waits.
const TICK: Duration = Duration::from_millis(200);
/// The line for a command that cannot know how much there is to do.
const OPEN: &str = "{spinner} {msg} ({elapsed})";
/// The line for a command that knows it.
const MEASURED: &str = "{spinner} {msg} [{bar:20}] {pos} of {len} ({elapsed})";

/// The progress of one command, on a line of stderr that is gone when it ends.
pub(super) struct Progress {
    began: Instant,
    /// Whether a person watches.
    is_watched: bool,
    /// What the command does, in words such as "asks AWS".
    doing: &'static str,
    line: RefCell<Line>,
}

/// What the line says.
#[derive(Default)]
struct Line {
    /// How far the command is, in words.
    words: String,
    /// How much is done of how much.
    measure: Option<(u64, u64)>,
    /// The line itself, while it is shown.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// The progress of a command that begins now. Nothing is ever shown if the command prints JSON,
    /// or if stderr is no terminal.
    pub(super) fn new(doing: &'static str, json: bool) -> Progress {
        let is_watched = !json && is_watched();
        Progress { began: Instant::now(), is_watched, doing, line: RefCell::default() }
    }

    /// Does the work, and shows meanwhile that it goes on.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        if !self.is_watched {
            return work.await;
        }
        tokio::pin!(work);
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased;
                ended = &mut work => {
                    self.clear();
                    return ended;
                }
                _ = ticks.tick() => self.show(),
            }
        }
    }

    /// Says how far the command is, in words.
    pub(super) fn at(&self, words: impl FnOnce() -> String) {
        if self.is_watched {
            self.line.borrow_mut().words = line(&words());
            self.show();
        }
    }

    /// Says how much is done of how much.
    pub(super) fn measured(&self, done: usize, of: usize) {
        if self.is_watched {
            self.line.borrow_mut().measure = Some((done as u64, of as u64));
            self.show();
        }
    }

    /// Prints to stdout, and shows the line again below.
    pub(super) fn out(&self, text: &str) -> Result<(), Fault> {
        self.aside(|| print(text))
    }

    /// Prints a remark on stderr, and shows the line again below.
    pub(super) fn say(&self, text: &str) -> Result<(), Fault> {
        self.aside(|| say(text))
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if let Some(bar) = self.line.borrow_mut().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn aside(&self, print: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        match &self.line.borrow().bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn show(&self) {
        if self.began.elapsed() < QUIET_FOR {
            return;
        }
        let mut line = self.line.borrow_mut();
        let Line { words, measure, bar } = &mut *line;
        let bar = bar.get_or_insert_with(|| {
            let style = if measure.is_some() { MEASURED } else { OPEN };
            let style = ProgressStyle::with_template(style).expect("the template is a constant");
            ProgressBar::no_length().with_style(style).with_elapsed(self.began.elapsed())
        });
        if let Some((done, of)) = *measure {
            bar.set_length(of);
            bar.set_position(done);
        }
        let colon = if words.is_empty() { "" } else { ": " };
        bar.set_message(format!("{}{colon}{words}", self.doing));
        bar.tick();
    }
}

/// Also after an error, nothing is left of the line.
impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
