//! What tells a service to stop.

use std::{future::Future, io, task::Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::fault::Fault;

/// The signals that ask a service to stop: SIGTERM, as ECS sends it, SIGINT, as a person does,
/// SIGHUP and SIGQUIT, as a terminal does.
///
/// Listen before anything else is begun. What comes later is kept until it is asked for, and a
/// process that is PID 1 of a container would not even be ended by what it does not listen to. What
/// this process was begun to ignore, it ignores: `nohup` keeps it over the end of a terminal.
#[derive(Debug)]
pub(super) struct Signals(Vec<Signal>);

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn listen() -> Result<Signals, Fault> {
        let ignored = ignored();
        let terminal = [SignalKind::hangup(), SignalKind::quit()].into_iter();
        let terminal = terminal.filter(|it| !ignored.contains(&it.as_raw_value()));
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()].into_iter().chain(terminal);
        let all = kinds.map(signal).collect::<io::Result<_>>();
        all.map(Signals).map_err(|it| Fault::Config(format!("cannot listen to signals: {it}")))
    }

    /// Returns with the next one, or with one that came since it was last asked.
    pub(super) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.0.iter_mut().any(|it| it.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// What comes of a start; none when it is told to stop first.
    pub(super) async fn or<T>(
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

/// The numbers of the signals that this process was begun to ignore, where the system says that.
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or_default();
    (1..64).filter(|number| mask & (1 << (number - 1)) != 0).collect()
}
