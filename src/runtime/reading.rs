//! Reads the bytes of a message, on a thread where that may take its time. A role has one thread
//! which polls, beats and answers `/health`, and no message may ever occupy it for long.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::{runtime::Handle, sync::Semaphore};
use tracing::{Span, field, info_span};

use super::CANARY;
use crate::{
    domain::{ServiceName, event::Kind, ids::BookingId},
    traces,
    wire::{Content, Incoming, Intake},
};

/// The largest body that is read on the role's own thread, in bytes.
///
/// The cost of reading is at most linear in the size of the body (see `cost_tests`), about ten
/// nanoseconds a byte. So no message occupies that thread for more than a few hundred microseconds,
/// or a few milliseconds on a fraction of a core. A booking in its envelope has at most 2 KiB. It
/// never moves to another thread, which would cost more than reading it.
pub(super) const AT_ONCE_BYTES_MAX: usize = 16 * 1024;
/// How many larger bodies one role reads at the same time. Reading one takes milliseconds, and no
/// booking needs such a body. A flood of them takes one core, and the memory of one more copy.
const READERS_MAX: usize = 1;

/// A bug ended the reading of a message. The message is given back, and after enough deliveries SQS
/// moves it to the dead-letter queue, where it can be looked at and redriven once the bug is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message could not be read because of a bug: see the panic in the log before this line"
)]
pub(super) struct ReadingFailed;

/// Reads the bodies of one role's messages. Its permits are for bodies that are too large for the
/// role's own thread.
#[derive(Debug)]
pub(super) struct Readers(Arc<Semaphore>);

impl Default for Readers {
    fn default() -> Self {
        Readers(Arc::new(Semaphore::new(READERS_MAX)))
    }
}

impl Readers {
    /// Returns `work(incoming, intake)`. For a small body, `work` runs at once. For a large one, it
    /// runs on another thread when its turn comes. Without a tokio runtime there is no other
    /// thread, and it always runs at once.
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
            // Held until the reading ends, even if its future was dropped before.
            let _turn = turn;
            caught(|| work(&incoming, &intake))
        });
        reading.await.unwrap_or(Err(ReadingFailed))
    }
}

/// Runs `work` and catches its panic. Unwind safe, since reading changes nothing.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, ReadingFailed> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| ReadingFailed)
}

/// What was read of a message: its content, unless a bug ended the reading.
pub(super) type Opened = Result<Content, ReadingFailed>;

/// The name of the event in logs and metrics, if it could be read.
pub(super) fn name_of(opened: &Opened) -> Option<&'static str> {
    match opened {
        Ok(Content::Event(event)) => Some(event.kind().topic()),
        Ok(Content::Task(task)) => task.kind().map(Kind::topic),
        Ok(Content::Canary(_) | Content::StrangeCanary) => Some(CANARY),
        Ok(Content::Refused(refusal)) => refusal.kind.map(Kind::topic),
        Err(ReadingFailed) => None,
    }
}

/// The span of one delivery, for every log line about it. A client may choose any text as an event
/// id, so the id is logged only if it has the form of a booking id. What most deliveries have in
/// common is left out, since logs are paid by the byte: an id that is the booking's, and a first
/// attempt.
/// `traced` is the same delivery for traces.
pub(super) fn span_of(
    opened: &Opened,
    role: ServiceName,
    attempt: u32,
    traced: &traces::Span,
) -> Span {
    let canary;
    let (id, booking) = match opened {
        Ok(Content::Event(it)) => (Some(&*it.cause.id), Some(&it.booking)),
        Ok(Content::Task(it)) => (None, it.booking()),
        Ok(Content::Canary(it)) => {
            canary = it.id.to_string();
            (Some(&*canary), None)
        }
        Ok(Content::Refused(it)) => (None, it.requested()),
        Ok(Content::StrangeCanary) | Err(ReadingFailed) => (None, None),
    };
    let own = |it: &&str| {
        BookingId::parse(it).is_ok() && booking.is_none_or(|booking| booking.as_str() != *it)
    };
    info_span!(
        "delivery",
        role = %role,
        event.kind = name_of(opened),
        event.id = id.filter(own),
        booking.id = booking.map(field::display),
        delivery.attempt = (attempt > 1).then_some(attempt),
        trace_id = traced.trace_id().map(field::display),
        span_id = traced.span_id().map(field::display),
    )
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
            hop: None,
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

    /// Whether the role's own thread did other work while a message was read.
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
        // As when a lease is lost: a reading that has begun continues, and keeps its permit.
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
