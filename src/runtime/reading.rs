//! What a delivery is, and on which thread that is found out: a role is one thread that polls,
//! beats and answers `/health`, and no message may keep it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::{runtime::Handle, sync::Semaphore};
use tracing::{Span, field, info_span};

use super::CANARY;
use crate::{
    domain::{
        RoleName,
        canary::Canary,
        event::{Event, Kind},
        ids::BookingId,
    },
    wire::{self, Caught, Incoming, Intake, Refusal},
};

/// The largest body that is read on the role's own thread, in bytes. What reading costs is at most
/// linear in them (`cost_tests`), some ten nanoseconds each: so no message keeps that thread for
/// more than a few hundred microseconds, or milliseconds on a fraction of a core. A booking in its
/// envelope has two KiB at most and never changes threads, which would cost more than reading it.
const AT_ONCE_BYTES_MAX: usize = 16 * 1024;
/// How many larger bodies one role reads at once. One takes milliseconds, and only who sends what
/// no booking needs waits for another: a flood of them takes one core and the memory of one
/// message.
const READERS_MAX: usize = 1;

/// What a delivery is.
pub(super) enum Read {
    Event(Box<Event>),
    /// No rule and no row ever sees one.
    Canary(Canary),
    /// A canary that somebody else made.
    StrangeCanary,
    Refused(Box<Refusal>),
    /// Nobody knows: our own mistake.
    Failed(ReadingFailed),
}

/// A bug ended the reading of a message. It is given back and in the end set aside by SQS, so that
/// it can be looked at and put back once the bug is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message could not be read because of a bug: see the panic in the log before this line"
)]
pub(super) struct ReadingFailed;

/// Who reads the bodies that are too large for the role's own thread.
#[derive(Debug)]
pub(super) struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        Readers(Arc::new(Semaphore::new(READERS_MAX)))
    }
}

impl Readers {
    /// What `work` makes of a delivery that came in by `intake`. A small one at once; a large one
    /// on another thread, as soon as one is free. Without a runtime, so without other threads, all
    /// at once.
    ///
    /// # Errors
    /// When `work` panics.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        incoming: &Incoming,
        intake: &Intake,
        work: fn(&Incoming, &Intake) -> T,
    ) -> Result<T, ReadingFailed> {
        let small = incoming.body.len() <= AT_ONCE_BYTES_MAX;
        let (false, Ok(runtime)) = (small, Handle::try_current()) else {
            return caught(|| work(incoming, intake));
        };
        let turn = Arc::clone(&self.0).acquire_owned().await;
        let (incoming, intake) = (incoming.clone(), intake.clone());
        let reading = runtime.spawn_blocking(move || {
            // Until it ends, also when nobody waits for it any more.
            let _turn = turn;
            caught(|| work(&incoming, &intake))
        });
        reading.await.unwrap_or(Err(ReadingFailed))
    }
}

/// What panics while it reads has changed nothing yet.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, ReadingFailed> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| ReadingFailed)
}

impl Read {
    pub(super) fn of(incoming: &Incoming, intake: &Intake) -> Read {
        match wire::read_canary(incoming, intake) {
            Some(Caught::Ours(canary)) => return Read::Canary(canary),
            Some(Caught::Strange) => return Read::StrangeCanary,
            None => {}
        }
        match wire::decode(incoming, intake) {
            Ok(event) => Read::Event(event.into()),
            Err(refusal) => Read::Refused(refusal.into()),
        }
    }

    /// As logs and metrics name it, if it could be made out.
    pub(super) fn named(&self) -> Option<&'static str> {
        match self {
            Read::Event(event) => Some(event.kind().topic()),
            Read::Canary(_) | Read::StrangeCanary => Some(CANARY),
            Read::Refused(refusal) => refusal.kind.map(Kind::topic),
            Read::Failed(ReadingFailed) => None,
        }
    }

    /// What every log line about it says. An id that a client made up may be anything, so it is
    /// only told when it has the form of a booking id.
    pub(super) fn span(&self, role: RoleName, attempt: u32) -> Span {
        let harmless = |it: &&str| BookingId::parse(it).is_ok();
        let canary;
        let (id, booking) = match self {
            Read::Event(it) => (Some(&*it.cause.id), Some(&it.booking)),
            Read::Canary(it) => {
                canary = it.id.to_string();
                (Some(&*canary), None)
            }
            Read::Refused(it) => (None, it.requested()),
            Read::StrangeCanary | Read::Failed(ReadingFailed) => (None, None),
        };
        info_span!(
            "delivery",
            role = %role,
            event.kind = self.named(),
            event.id = id.filter(harmless),
            booking.id = booking.map(field::display),
            delivery.attempt = attempt,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Condvar, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Poll, Waker},
        thread::{self, ThreadId},
        time::Duration,
    };

    use jiff::Timestamp;

    use super::*;

    /// How long the other thread may wait for this one before the test fails.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn incoming(bytes: usize) -> Incoming {
        Incoming {
            body: "1 ".repeat(bytes.div_ceil(2)),
            kind_attribute: None,
            sent_at: Timestamp::UNIX_EPOCH,
            attempt: 1,
        }
    }

    fn intake() -> Intake {
        Intake::enveloped("arn:aws:sns:eu-central-1:000000000000:")
    }

    fn here(_: &Incoming, _: &Intake) -> ThreadId {
        thread::current().id()
    }

    #[tokio::test]
    async fn only_what_is_large_is_read_on_another_thread() {
        let (readers, me) = (Readers::default(), thread::current().id());
        let small = readers.read(&incoming(AT_ONCE_BYTES_MAX), &intake(), here).await;
        assert_eq!(small, Ok(me));
        let large = readers.read(&incoming(AT_ONCE_BYTES_MAX + 2), &intake(), here).await;
        assert!(large.is_ok_and(|it| it != me));
    }

    #[test]
    fn without_a_runtime_all_is_read_at_once() {
        let (readers, large, intake) = (Readers::default(), incoming(1 << 20), intake());
        let reading = pin!(readers.read(&large, &intake, here));
        let read = reading.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(read, Poll::Ready(Ok(thread::current().id())));
    }

    /// Whether the role's own thread went on while a message was read.
    static WENT_ON: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    #[tokio::test]
    async fn the_roles_own_thread_goes_on_while_a_large_message_is_read() {
        let (readers, large, intake) = (Readers::default(), incoming(1 << 20), intake());
        let reading = readers.read(&large, &intake, |_, _| {
            let waiting = WENT_ON.0.lock().unwrap();
            let waited = WENT_ON.1.wait_timeout_while(waiting, PATIENCE, |it| !*it);
            !waited.unwrap().1.timed_out()
        });
        let going_on = async {
            *WENT_ON.0.lock().unwrap() = true;
            WENT_ON.1.notify_all();
        };
        let (read, ()) = tokio::join!(reading, going_on);
        assert_eq!(read, Ok(true));
    }

    static READING: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);

    #[tokio::test]
    async fn a_flood_of_large_messages_is_read_one_after_the_other_also_when_nobody_waits() {
        let (readers, large, intake) = (Readers::default(), incoming(1 << 20), intake());
        let read = async || {
            let reading = readers.read(&large, &intake, |_, _| {
                MOST.fetch_max(READING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                READING.fetch_sub(1, Ordering::SeqCst);
            });
            reading.await
        };
        // As when a lease is lost: what was begun goes on, and keeps its turn.
        tokio::select! { biased; _ = read() => {}, () = tokio::task::yield_now() => {} }
        let all = futures_util::future::join_all((0..32).map(|_| read())).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(MOST.load(Ordering::SeqCst), READERS_MAX);
    }

    #[tokio::test]
    async fn a_bug_in_the_reading_is_told_and_takes_no_turn_with_it() {
        let readers = Readers::default();
        for bytes in [1, 1 << 20, 1 << 20] {
            let bug = |_: &Incoming, _: &Intake| -> () { panic!("as a test wants it") };
            let read = readers.read(&incoming(bytes), &intake(), bug).await;
            assert_eq!(read, Err(ReadingFailed));
        }
    }
}
