//! One thread owns the file. What waits when it comes round is committed in one transaction: under
//! load many settles share one flush to disk. A lone one waits for nobody, except right after a
//! crowd: then for at most ten looks whether the others come again. Its answers come back together,
//! too: each would have to wake the runtime.

use std::{thread::JoinHandle, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    super::{Commit, Find, Page, Place, Store, StoreError, Versioned, Write},
    Engine, Watch,
};

/// The most jobs that are done in one transaction.
const GROUP_MAX: usize = 256;
/// As many are waited for as came last time, up to those of one receive: the first of them is here
/// before the last is read.
const CROWD_MAX: usize = 10;
/// How often it is looked whether they have come, and for how long before that.
const LOOKS_MAX: usize = 10;
const LOOK_AFTER: Duration = Duration::from_micros(200);
/// The most jobs that may wait; more wait outside.
const WAITING_MAX: usize = 1024;

/// A role's file with its writer thread. The thread ends when this is dropped, after the jobs that
/// were handed in.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    watch: Option<Watch>,
}

type Rows = Result<Vec<Option<Versioned>>, StoreError>;
type Listed = Result<Page, StoreError>;
type Committed = Result<Commit, StoreError>;

enum Job {
    Read(Vec<String>, oneshot::Sender<Rows>),
    Commit(Vec<Write>, oneshot::Sender<Committed>),
    List(Find, Option<Place>, usize, oneshot::Sender<Listed>),
    /// A bug.
    #[cfg(test)]
    Panic,
}

impl Job {
    fn refused(self, error: &StoreError) -> Answer {
        match self {
            Job::Read(_, answer) => Answer::Read(answer, Err(error.clone())),
            Job::Commit(_, answer) => Answer::Commit(answer, Err(error.clone())),
            Job::List(_, _, _, answer) => Answer::List(answer, Err(error.clone())),
            #[cfg(test)]
            Job::Panic => unreachable!("the file is there"),
        }
    }
}

enum Answer {
    Read(oneshot::Sender<Rows>, Rows),
    Commit(oneshot::Sender<Committed>, Committed),
    List(oneshot::Sender<Listed>, Listed),
}

impl Answer {
    /// Who has stopped waiting for it was cancelled.
    fn tell(self) {
        match self {
            Answer::Read(it, rows) => drop(it.send(rows)),
            Answer::Commit(it, end) => drop(it.send(end)),
            Answer::List(it, rows) => drop(it.send(rows)),
        }
    }
}

impl Sqlite {
    /// Gives the engine to a thread of its own.
    ///
    /// # Errors
    /// When the machine gives no thread.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(engine: Engine) -> std::io::Result<Sqlite> {
        let watch = engine.watch().cloned();
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        let (groups, mut answered) = mpsc::unbounded_channel::<Vec<Answer>>();
        tokio::spawn(async move {
            while let Some(group) = answered.recv().await {
                group.into_iter().for_each(Answer::tell);
            }
        });
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(engine, queue, &groups))?;
        Ok(Sqlite { jobs: Some(jobs), thread: Some(thread), watch })
    }

    /// What keeps an eye on the file, also while there is nothing to do; none when it is in memory.
    #[must_use]
    pub fn watch(&self) -> Option<Watch> {
        self.watch.clone()
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

    async fn list(
        &self,
        find: Find,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.ask(|answer| Job::List(find, after, limit, answer)).await
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

/// Makes `/health` say so when the thread that has this dies.
struct DiesLoudly(Option<Watch>);

impl Drop for DiesLoudly {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(watch) = &self.0
        {
            watch.abandon();
        }
    }
}

fn work(
    mut engine: Engine,
    mut queue: mpsc::Receiver<Job>,
    answers: &mpsc::UnboundedSender<Vec<Answer>>,
) {
    let _loudly = DiesLoudly(engine.watch().cloned());
    let (mut group, mut crowd) = (Vec::with_capacity(GROUP_MAX), 1);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        gather(&mut queue, &mut group);
        for _ in 0..LOOKS_MAX {
            if group.len() >= crowd {
                break;
            }
            std::thread::sleep(LOOK_AFTER);
            gather(&mut queue, &mut group);
        }
        crowd = group.len().min(CROWD_MAX);
        // Nobody is left to be told when the runtime is gone.
        let _ = answers.send(do_group(&mut engine, group.drain(..)));
    }
}

/// Who waits already.
fn gather(queue: &mut mpsc::Receiver<Job>, group: &mut Vec<Job>) {
    while group.len() < GROUP_MAX
        && let Ok(next) = queue.try_recv()
    {
        group.push(next);
    }
}

/// A file that is not what was opened is neither read nor written: a memo in it would be announced,
/// and be nowhere after the next restart.
///
/// Reads are answered from what is committed; then all commits of the group are made, in the same
/// transaction. Nobody waits for his own commit while he reads, so the order within a group is
/// free.
fn do_group(engine: &mut Engine, group: impl Iterator<Item = Job>) -> Vec<Answer> {
    if let Err(error) = engine.still_there() {
        return group.map(|it| it.refused(&error)).collect();
    }
    let (mut looks, mut lots, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for job in group {
        match job {
            Job::Commit(writes, answer) => {
                lots.push(writes);
                waiting.push(answer);
            }
            Job::Read(..) | Job::List(..) => looks.push(job),
            #[cfg(test)]
            Job::Panic => panic!("a bug in the store"),
        }
    }
    let mut answers = Vec::with_capacity(looks.len() + waiting.len());
    let lots: Vec<&[Write]> = lots.iter().map(Vec::as_slice).collect();
    let look = |engine: &Engine| answers.extend(looks.drain(..).filter_map(|it| seen(engine, it)));
    let ends = if lots.is_empty() {
        engine.at_one_moment(look).map(|()| Vec::new())
    } else {
        let ends = engine.look_and_commit(look, &lots);
        engine.watch().into_iter().for_each(Watch::note_log);
        ends
    };
    // No transaction could be begun: who only looks needs none.
    answers.extend(looks.drain(..).filter_map(|it| seen(engine, it)));
    match ends {
        Ok(ends) => {
            let told = waiting.into_iter().zip(ends).map(|(it, end)| Answer::Commit(it, Ok(end)));
            answers.extend(told);
        }
        Err(error) => {
            let told = waiting.into_iter().map(|it| Answer::Commit(it, Err(error.clone())));
            answers.extend(told);
        }
    }
    answers
}

fn seen(engine: &Engine, job: Job) -> Option<Answer> {
    match job {
        Job::Read(keys, answer) => Some(Answer::Read(answer, engine.read(&keys))),
        Job::List(find, after, limit, answer) => {
            Some(Answer::List(answer, engine.list(&find, after.as_ref(), limit)))
        }
        Job::Commit(..) => None,
        #[cfg(test)]
        Job::Panic => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RoleName, durability::Durability};

    #[tokio::test]
    async fn a_store_whose_thread_died_says_so_to_health_and_to_whoever_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seats.db");
        let engine = Engine::open(&path, RoleName::Seats, Durability::ProcessDeath).unwrap();
        let store = Sqlite::start(engine).unwrap();
        let watch = store.watch().unwrap();
        assert_eq!(watch.problem(), None);
        assert_eq!(store.read(vec!["booking/a".to_owned()]).await.unwrap().len(), 1);

        store.jobs.as_ref().unwrap().send(Job::Panic).await.unwrap();
        let error = store.read(vec!["booking/a".to_owned()]).await.unwrap_err();
        assert!(matches!(error, StoreError::Closed), "{error}");
        // Joined: what it did when it died is done.
        drop(store);
        let problem = watch.problem().unwrap();
        assert!(problem.contains("died of a bug"), "{problem}");
    }
}
