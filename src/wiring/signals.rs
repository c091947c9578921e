//! What tells a service to stop.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::fault::Fault;

/// The signals that ask a service to stop: SIGTERM, as ECS sends it, SIGINT, as a person does, SIGHUP and
/// SIGQUIT, as a terminal does.
///
/// Listen before anything else is begun. What comes later is kept until it is asked for, and a process that
/// is PID 1 of a container would not even be ended by what it does not listen to.
#[derive(Debug)]
pub(super) struct Signals([Signal; 4]);

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(super) fn listen() -> Result<Signals, Fault> {
        let all = || -> io::Result<Signals> {
            Ok(Signals([
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::quit())?,
            ]))
        };
        all().map_err(|it| Fault::Config(format!("cannot listen to signals: {it}")))
    }

    /// Returns with the next one, or with one that came since it was last asked.
    pub(super) async fn next(&mut self) {
        let [terminate, interrupt, hangup, quit] = &mut self.0;
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
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
