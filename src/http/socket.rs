//! What hyper reads from and writes to instead of the socket. It gives words to answers of hyper
//! that have none, and it fails when the client takes no more bytes: TCP itself waits for such a
//! client for a quarter of an hour or more, and a stream would keep its place for as long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Sleep, sleep};

use super::unreadable::instead_of;

/// A connection that adds a JSON body to an error without one, and whose writes fail when none of
/// them makes progress for a limit.
#[derive(Debug)]
pub(super) struct Socket<T> {
    inner: T,
    stalled: Stalled,
    /// The bytes that replace hyper's own answer, and how many of them are written.
    instead: Option<(Vec<u8>, usize)>,
}

/// How long the writes of a connection make no progress.
#[derive(Debug)]
struct Stalled {
    limit: Duration,
    /// Runs while the client takes nothing.
    since: Option<Pin<Box<Sleep>>>,
}

impl<T> Socket<T> {
    pub(super) fn new(inner: T, limit: Duration) -> Socket<T> {
        Socket { inner, stalled: Stalled { limit, since: None }, instead: None }
    }
}

impl Stalled {
    /// The result of a write, or an error if the client has taken nothing for too long.
    fn limited(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.since = None;
            return written;
        }
        let limit = self.limit;
        let since = self.since.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(since.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: Read + Unpin> Read for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Socket<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Socket { inner, stalled, instead } = self.get_mut();
        let mut write = |bytes: &[u8]| {
            let written = Pin::new(&mut *inner).poll_write(context, bytes);
            stalled.limited(context, written)
        };
        if instead.is_none() {
            *instead = instead_of(bytes).map(|it| (it, 0));
        }
        let Some((answer, written)) = instead else { return write(bytes) };
        while *written < answer.len() {
            match ready!(write(&answer[*written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An answer of hyper's own is always a single slice.
        if let [only] = slices {
            return self.poll_write(context, only);
        }
        let Socket { inner, stalled, .. } = self.get_mut();
        let written = Pin::new(inner).poll_write_vectored(context, slices);
        stalled.limited(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_client_that_takes_nothing_for_the_limit_is_given_up() {
        let limit = Duration::from_secs(30);
        let (own, mut client) = duplex(8);
        let mut socket = Socket::new(TokioIo::new(own), limit);
        let mut write =
            async || poll_fn(|it| Pin::new(&mut socket).poll_write(it, b"12345678")).await;
        assert_eq!(write().await.unwrap(), 8);
        // The buffer is full. A client that takes something just in time goes on.
        for _ in 0..3 {
            let take = async {
                sleep(limit - Duration::from_secs(1)).await;
                client.read_exact(&mut [0; 8]).await.unwrap();
            };
            let (written, ()) = tokio::join!(write(), take);
            assert_eq!(written.unwrap(), 8);
        }
        let began = tokio::time::Instant::now();
        assert_eq!(write().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), limit);
    }
}
