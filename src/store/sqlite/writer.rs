//! One thread owns the file. What waits when it comes round is committed in one transaction: under
//! load many settles share one flush to disk, and a lone one waits for nobody.

use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::{
    super::{Commit, Find, Store, StoreError, Versioned, Write},
    Engine,
};

/// The most jobs that are done in one transaction.
const GROUP_MAX: usize = 256;
/// The most jobs that may wait; more wait outside.
const WAITING_MAX: usize = 1024;

/// A role's file with its writer thread. The thread ends when this is dropped, after the jobs that
/// were handed in.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    Read(Vec<String>, oneshot::Sender<Result<Vec<Option<Versioned>>, StoreError>>),
    Commit(Vec<Write>, oneshot::Sender<Result<Commit, StoreError>>),
    List(Find, usize, oneshot::Sender<Result<Vec<(String, String)>, StoreError>>),
}

impl Sqlite {
    /// Gives the engine to a thread of its own.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn start(engine: Engine) -> std::io::Result<Sqlite> {
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(engine, queue))?;
        Ok(Sqlite { jobs: Some(jobs), thread: Some(thread) })
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Store for Sqlite {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.ask(|answer| Job::Read(keys, answer)).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        self.ask(|answer| Job::Commit(writes, answer)).await
    }

    async fn list(&self, find: Find, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.ask(|answer| Job::List(find, limit, answer)).await
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has said so already; there is nothing left to save here.
            let _ = thread.join();
        }
    }
}

fn work(mut engine: Engine, mut queue: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP_MAX
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        do_group(&mut engine, group.drain(..));
    }
}

/// Reads are answered from what is committed; then all commits of the group are made, in the same
/// transaction. Nobody waits for his own commit while he reads, so the order within a group is free.
fn do_group(engine: &mut Engine, group: impl Iterator<Item = Job>) {
    let (mut looks, mut lots, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for job in group {
        match job {
            Job::Commit(writes, answer) => {
                lots.push(writes);
                answers.push(answer);
            }
            Job::Read(..) | Job::List(..) => looks.push(job),
        }
    }
    let lots: Vec<&[Write]> = lots.iter().map(Vec::as_slice).collect();
    let look = |engine: &Engine| looks.drain(..).for_each(|it| answer_look(engine, it));
    let ends = if lots.is_empty() {
        engine.at_one_moment(look).map(|()| Vec::new())
    } else {
        engine.look_and_commit(look, &lots)
    };
    // No transaction could be begun: who only looks needs none.
    looks.drain(..).for_each(|it| answer_look(engine, it));
    match ends {
        Ok(ends) => {
            for (answer, end) in answers.into_iter().zip(ends) {
                drop(answer.send(Ok(end)));
            }
        }
        Err(error) => {
            for answer in answers {
                drop(answer.send(Err(error.clone())));
            }
        }
    }
}

/// Who has stopped waiting for an answer was cancelled.
fn answer_look(engine: &Engine, job: Job) {
    match job {
        Job::Read(keys, answer) => drop(answer.send(engine.read(&keys))),
        Job::List(find, limit, answer) => drop(answer.send(engine.list(&find, limit))),
        Job::Commit(..) => {}
    }
}
