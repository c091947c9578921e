//! Ends a connection whose client takes no more bytes. TCP itself waits for such a client for a
//! quarter of an hour or more, and a stream would keep its place for as long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Sleep, sleep};

/// A connection whose writes fail when none of them makes progress for the limit.
#[derive(Debug)]
pub(super) struct WriteLimited<T> {
    inner: T,
    limit: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> WriteLimited<T> {
    pub(super) fn new(inner: T, limit: Duration) -> WriteLimited<T> {
        WriteLimited { inner, limit, stalled: None }
    }

    /// The result of a write, or an error if the client has taken nothing for too long.
    fn limited(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: Read + Unpin> Read for WriteLimited<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for WriteLimited<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.limited(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.limited(context, written)
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
        let mut wire = WriteLimited::new(TokioIo::new(own), limit);
        let mut write =
            async || poll_fn(|it| Pin::new(&mut wire).poll_write(it, b"12345678")).await;
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
