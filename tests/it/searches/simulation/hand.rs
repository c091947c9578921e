//! What a process does at the moment, one task each: it is polled only when it was woken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::process::{Came, Task};

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Attends,
    /// As which poller, and for how many at most.
    Receives {
        poller: usize,
        max: usize,
    },
    Beats,
    /// Waits to receive again, as which poller and until when; and whether polling had stopped.
    Rests {
        poller: usize,
        until_ms: i64,
        stopped: bool,
    },
    /// Drives a batcher, for as long as its process lives.
    Sends,
}

pub struct Hand {
    pub id: u64,
    pub slot: usize,
    pub work: Work,
    pub asleep_until_ms: i64,
    task: Task,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Hand {
    pub fn new(id: u64, slot: usize, work: Work, task: Task) -> Hand {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Hand { id, slot, work, asleep_until_ms: 0, task, woken }
    }

    pub fn wake(&self) {
        self.woken.0.store(true, Ordering::SeqCst);
    }

    pub fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }

    /// Whether it may stay for ever: nothing is on its way.
    pub fn is_idle(&self) -> bool {
        matches!(self.work, Work::Sends | Work::Rests { .. }) && !self.is_woken()
    }

    /// Which poller it is, receiving or at rest.
    pub fn poller(&self) -> Option<usize> {
        match self.work {
            Work::Receives { poller, .. } | Work::Rests { poller, .. } => Some(poller),
            Work::Attends | Work::Beats | Work::Sends => None,
        }
    }

    /// Until when it rests, if it does.
    pub fn rests_until_ms(&self) -> Option<i64> {
        match self.work {
            Work::Rests { until_ms, .. } => Some(until_ms),
            Work::Receives { .. } | Work::Attends | Work::Beats | Work::Sends => None,
        }
    }

    pub fn attends(&self) -> bool {
        self.work == Work::Attends
    }

    /// How many deliveries it has, or may be about to get.
    pub fn holds(&self) -> usize {
        match self.work {
            Work::Attends => 1,
            Work::Receives { max, .. } => max,
            Work::Beats | Work::Rests { .. } | Work::Sends => 0,
        }
    }

    pub fn poll(&mut self) -> Poll<Came> {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        self.task.as_mut().poll(&mut Context::from_waker(&waker))
    }
}
