//! The signals that tell a service to stop. Must not stop anything itself: it only says that a
//! signal came.

use std::{future::Future, io, task::Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::fault::Fault;

/// The signals that ask a service to stop: SIGTERM, which ECS sends; SIGINT, which a person sends;
/// SIGHUP and SIGQUIT, which a terminal sends.
///
/// Create this before anything else. A signal that comes later is kept until it is asked for. PID 1
/// of a container ignores every signal that it does not listen to. SIGHUP and SIGQUIT stay ignored
/// if they were at the start, so that `nohup` works.
#[derive(Debug)]
pub(crate) struct Signals(Vec<Signal>);

impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn listen() -> Result<Signals, Fault> {
        let ignored = ignored();
        let terminal = [SignalKind::hangup(), SignalKind::quit()].into_iter();
        let terminal = terminal.filter(|it| !ignored.contains(&it.as_raw_value()));
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()].into_iter().chain(terminal);
        let all = kinds.map(signal).collect::<io::Result<_>>();
        all.map(Signals).map_err(|it| Fault::Config(format!("cannot listen to signals: {it}")))
    }

    /// Returns at the next signal, or at once if one has come since the last call.
    pub(crate) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.0.iter_mut().any(|it| it.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The result of `start`; `None` if a signal comes first.
    pub(crate) async fn or<T>(
        &mut self,
        start: impl Future<Output = Result<T, Fault>>,
    ) -> Result<Option<T>, Fault> {
        tokio::select! {
            biased;
            () = self.next() => {
                info!("told to stop before it was ready");
                Ok(None)
            }
            it = start => it.map(Some),
        }
    }
}

/// The numbers of the signals that this process was started to ignore. Empty where the operating
/// system does not say.
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or_default();
    (1..64).filter(|number| mask & (1 << (number - 1)) != 0).collect()
}
