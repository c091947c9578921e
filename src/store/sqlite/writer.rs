//! The writer thread, which owns the file: no other thread may use it. Everything queued is
//! committed in one transaction, sharing one flush to disk. A single job is committed at once,
//! except right after a larger group, when the thread waits a moment for as many jobs again. The
//! answers of a group are sent to the runtime together, since each would have to wake it.

use std::{collections::VecDeque, thread::JoinHandle, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    super::{Commit, Find, Page, Start, Store, StoreError, Tally, Versioned, Write},
    Engine, Watch,
};

/// The most jobs in one transaction.
const GROUP_MAX: usize = 256;
/// The most lists in a group: each may have hundreds of rows, and the commits of the group wait for
/// them. Further lists wait for the next groups, and no commit waits for those.
const LISTS_MAX: usize = 8;
/// The thread waits for as many jobs as the last group had, but at most for this many.
const CROWD_MAX: usize = 64;
/// What one receive brings comes at once: its first job only comes before its last message has been
/// read. The thread looks often for so many jobs.
const AT_ONCE: usize = 10;
/// How often the thread looks, and how long it waits before each look.
const LOOKS: (usize, Duration) = (10, Duration::from_micros(200));
/// The same for more jobs, which a backlog brings over a while. The more of them share a flush and
/// the pages of the log, the less each costs; and each look costs something too.
const LOOKS_BEHIND_A_BACKLOG: (usize, Duration) = (1, Duration::from_millis(2));
/// The most jobs in the queue. When it is full, callers wait until there is room.
const WAITING_MAX: usize = 1024;

/// The file of one role with its writer thread. Dropping it waits until the thread has done all
/// queued jobs and has ended.
#[derive(Debug)]
pub struct Sqlite {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    watch: Option<Watch>,
}

type Rows = Result<Vec<Option<Versioned>>, StoreError>;
type Listed = Result<Page, StoreError>;
type Tallied = Result<Tally, StoreError>;
type Committed = Result<Commit, StoreError>;

enum Job {
    Read(Vec<String>, oneshot::Sender<Rows>),
    Commit(Vec<Write>, oneshot::Sender<Committed>),
    List(Find, Start, usize, oneshot::Sender<Listed>),
    Tally(i64, usize, oneshot::Sender<Tallied>),
    /// Makes the thread panic, as a bug would.
    #[cfg(test)]
    Panic,
}

impl Job {
    fn refused(self, error: &StoreError) -> Reply {
        match self {
            Job::Read(_, answer) => Reply::Read(answer, Err(error.clone())),
            Job::Commit(_, answer) => Reply::Commit(answer, Err(error.clone())),
            Job::List(_, _, _, answer) => Reply::List(answer, Err(error.clone())),
            Job::Tally(_, _, answer) => Reply::Tally(answer, Err(error.clone())),
            #[cfg(test)]
            Job::Panic => unreachable!("the file is there"),
        }
    }
}

enum Reply {
    Read(oneshot::Sender<Rows>, Rows),
    Commit(oneshot::Sender<Committed>, Committed),
    List(oneshot::Sender<Listed>, Listed),
    Tally(oneshot::Sender<Tallied>, Tallied),
}

impl Reply {
    /// Sends the answer. A caller that no longer waits for it was cancelled, so the error of `send`
    /// does not matter.
    fn tell(self) {
        match self {
            Reply::Read(it, rows) => drop(it.send(rows)),
            Reply::Commit(it, end) => drop(it.send(end)),
            Reply::List(it, rows) => drop(it.send(rows)),
            Reply::Tally(it, count) => drop(it.send(count)),
        }
    }
}

impl Sqlite {
    /// Starts the writer thread, which takes the engine.
    ///
    /// # Errors
    /// When the thread cannot be started.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(engine: Engine) -> std::io::Result<Sqlite> {
        let watch = engine.watch().cloned();
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        let (groups, mut answered) = mpsc::unbounded_channel::<Vec<Reply>>();
        tokio::spawn(async move {
            while let Some(group) = answered.recv().await {
                group.into_iter().for_each(Reply::tell);
            }
        });
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(engine, queue, &groups))?;
        Ok(Sqlite { jobs: Some(jobs), thread: Some(thread), watch })
    }

    /// The watch over the file, which can be asked at any time; `None` when the store is in memory.
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

    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.ask(|answer| Job::List(find, start, limit, answer)).await
    }

    async fn tally(&self, before_ms: i64, limit: usize) -> Result<Tally, StoreError> {
        self.ask(|answer| Job::Tally(before_ms, limit, answer)).await
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, it has reported so already, and nothing is left to save.
            let _ = thread.join();
        }
    }
}

/// Makes `/health` report it when the thread that holds this panics.
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
    answers: &mpsc::UnboundedSender<Vec<Reply>>,
) {
    let _loudly = DiesLoudly(engine.watch().cloned());
    let (mut group, mut crowd, mut later) = (Vec::with_capacity(GROUP_MAX), 1, VecDeque::new());
    while let Some(first) = later.pop_front().or_else(|| queue.blocking_recv()) {
        group.push(first);
        gather(&mut queue, &mut group, &mut later);
        let (looks, after) = if crowd > AT_ONCE { LOOKS_BEHIND_A_BACKLOG } else { LOOKS };
        for _ in 0..looks {
            if group.len() >= crowd {
                break;
            }
            std::thread::sleep(after);
            gather(&mut queue, &mut group, &mut later);
        }
        crowd = group.len().min(CROWD_MAX);
        // When the runtime has ended, no caller is left to get the answers.
        let _ = answers.send(do_group(&mut engine, group.drain(..)));
    }
}

/// Adds the jobs that are queued already to the group. The lists that are too many for it come
/// `later`, in their order.
fn gather(queue: &mut mpsc::Receiver<Job>, group: &mut Vec<Job>, later: &mut VecDeque<Job>) {
    let is_list = |it: &Job| matches!(it, Job::List(..));
    let room = LISTS_MAX.saturating_sub(group.iter().filter(|it| is_list(it)).count());
    group.extend(later.drain(..room.min(later.len())));
    let mut lists = group.iter().filter(|it| is_list(it)).count();
    while group.len() < GROUP_MAX
        && later.len() < WAITING_MAX
        && let Ok(next) = queue.try_recv()
    {
        match is_list(&next) {
            true if lists >= LISTS_MAX => later.push_back(next),
            is_list => {
                lists += usize::from(is_list);
                group.push(next);
            }
        }
    }
}

/// Does the jobs of a group. Reads are answered first, from what is committed; then all commits are
/// made in the same transaction. A caller never reads while it waits for its own commit, so the
/// order within a group does not matter.
///
/// If the file is no longer the one that was opened, every job is refused. Otherwise a memo could
/// be announced that does not exist after the next restart.
fn do_group(engine: &mut Engine, group: impl Iterator<Item = Job>) -> Vec<Reply> {
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
            Job::Read(..) | Job::List(..) | Job::Tally(..) => looks.push(job),
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
    // If no transaction could be begun, the reads are still open. They need no transaction.
    answers.extend(looks.drain(..).filter_map(|it| seen(engine, it)));
    match ends {
        Ok(ends) => {
            let told = waiting.into_iter().zip(ends).map(|(it, end)| Reply::Commit(it, Ok(end)));
            answers.extend(told);
        }
        Err(error) => {
            let told = waiting.into_iter().map(|it| Reply::Commit(it, Err(error.clone())));
            answers.extend(told);
        }
    }
    answers
}

/// The answer to a job that only looks. `None` if nobody waits for it any more, so that a client
/// who asks and goes away costs nothing.
fn seen(engine: &Engine, job: Job) -> Option<Reply> {
    match job {
        Job::Read(_, it) if it.is_closed() => None,
        Job::List(.., it) if it.is_closed() => None,
        Job::Tally(.., it) if it.is_closed() => None,
        Job::Read(keys, answer) => Some(Reply::Read(answer, engine.read(&keys))),
        Job::List(find, start, limit, answer) => {
            Some(Reply::List(answer, engine.list(&find, &start, limit)))
        }
        Job::Tally(before_ms, limit, answer) => {
            Some(Reply::Tally(answer, engine.tally(before_ms, limit)))
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
        // Waits until the thread has ended.
        drop(store);
        let problem = watch.problem().unwrap();
        assert!(problem.contains("died of a bug"), "{problem}");
    }

    #[test]
    fn a_list_that_nobody_waits_for_is_not_read_and_few_lists_come_before_a_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.db");
        let mut engine = Engine::open(&path, RoleName::Status, Durability::ProcessDeath).unwrap();
        let list = || {
            let (answer, answered) = oneshot::channel();
            (Job::List(Find::Stalest, Start::First, 500, answer), answered)
        };
        let (abandoned, gone) = list();
        drop(gone);
        let (wanted, _waits) = list();
        assert_eq!(do_group(&mut engine, [abandoned, wanted].into_iter()).len(), 1);

        let (jobs, mut queue) = mpsc::channel(WAITING_MAX);
        let asked: Vec<_> = (0..3 * LISTS_MAX).map(|_| list()).collect();
        asked.into_iter().for_each(|(it, _)| assert!(jobs.try_send(it).is_ok()));
        let (commit, _) = oneshot::channel();
        assert!(jobs.try_send(Job::Commit(Vec::new(), commit)).is_ok());
        let (mut group, mut later) = (Vec::new(), VecDeque::new());
        for _ in 0..2 {
            gather(&mut queue, &mut group, &mut later);
            assert_eq!((group.len(), later.len()), (LISTS_MAX + 1, 2 * LISTS_MAX));
            assert!(matches!(group.last(), Some(Job::Commit(..))), "it waits for no other list");
        }
        group.clear();
        gather(&mut queue, &mut group, &mut later);
        assert_eq!((group.len(), later.len()), (LISTS_MAX, LISTS_MAX), "their turn comes");
    }
}
