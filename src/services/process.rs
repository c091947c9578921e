//! A service as a process of its own: it polls its queue and answers HTTP until it is told to stop.
//! Must not know any role.

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{fault::Fault, runtime::EndedByItself};

/// Waits until a service is told to stop, lets its worker finish, and says how it ended. `told`
/// returns at the next signal.
///
/// Neither the HTTP server nor the worker nor a driver of batches may end by itself. If one does,
/// the process ends, so that its supervisor starts another one.
pub(super) async fn until_ended(
    mut listening: JoinHandle<()>,
    mut working: JoinHandle<Result<(), EndedByItself>>,
    mut drivers: JoinSet<()>,
    stop: CancellationToken,
    mut told: impl AsyncFnMut(),
) -> Result<(), Fault> {
    let ended_by_itself = tokio::select! {
        biased;
        () = told() => None,
        _ = &mut listening => Some("the HTTP server"),
        ended = &mut working => return worker_ended(ended),
        // Polled after the worker: when the worker ends, its bus ends, and with it the drivers.
        Some(_) = drivers.join_next() => Some("a sender of batches"),
    };
    stop.cancel();
    let finished = async {
        let ended = working.await;
        // Open HTTP requests had the time of the worker; they get no further time.
        listening.abort();
        ended
    };
    tokio::select! {
        biased;
        ended = finished => match (worker_ended(ended), ended_by_itself) {
            (Ok(()), Some(part)) => Err(Fault::Internal(format!(
                "{part} of this service ended by itself: see the panic in the log before this line"
            ))),
            (other, _) => other,
        },
        () = told() => Err(Fault::Interrupted),
    }
}

fn worker_ended(ended: Result<Result<(), EndedByItself>, JoinError>) -> Result<(), Fault> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(part)) => Err(Fault::Internal(part.to_string())),
        // The text of a panic may quote a message, so it is not repeated.
        Err(_) => Err(Fault::Internal(
            "the worker ended by itself: see the panic in the log before this line".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, process::ExitCode};

    use super::*;

    /// A part that runs until it is told to stop, as the HTTP server and the worker do.
    async fn part(stop: CancellationToken) {
        stop.cancelled().await;
    }

    async fn worker(stop: CancellationToken) -> Result<(), EndedByItself> {
        stop.cancelled().await;
        Ok(())
    }

    /// The fault of a service with these parts that gets no signal.
    async fn alone(
        http: impl Future<Output = ()> + Send + 'static,
        worker: impl Future<Output = Result<(), EndedByItself>> + Send + 'static,
        stop: CancellationToken,
    ) -> Fault {
        let parts = (tokio::spawn(http), tokio::spawn(worker));
        let drivers = JoinSet::new();
        until_ended(parts.0, parts.1, drivers, stop, async || pending().await).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_service_of_which_a_part_ends_by_itself_ends_with_70_and_says_which() {
        let secret = "Ada ada@example.com tok_visa";
        let seen = |fault: Fault, part: &str| {
            assert_eq!(format!("{:?}", fault.exit_code()), format!("{:?}", ExitCode::from(70)));
            let told = fault.to_string();
            assert!(told.contains(part) && told.contains("ended by itself"), "{told}");
            assert!(!told.contains("Ada"), "{told}");
        };
        let stop = CancellationToken::new();
        let dies = async move { panic!("{secret}") };
        seen(alone(dies, worker(stop.clone()), stop.clone()).await, "HTTP server");
        assert!(stop.is_cancelled(), "the worker finished what it had in hand");

        let stop = CancellationToken::new();
        seen(alone(async {}, worker(stop.clone()), stop).await, "HTTP server");

        let stop = CancellationToken::new();
        let dies = async move { panic!("{secret}") };
        seen(alone(part(stop.clone()), dies, stop).await, "worker");

        let stop = CancellationToken::new();
        let dies = async { Err(EndedByItself("a receive")) };
        seen(alone(part(stop.clone()), dies, stop).await, "a receive of the worker");
    }

    /// Without the driver, every publish and every delete would fail, while polling went on.
    /// Failure matrix: A30.
    #[tokio::test]
    async fn a_service_whose_batches_are_not_sent_any_more_ends_with_70() {
        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(worker(stop.clone())));
        let mut drivers = JoinSet::new();
        drivers.spawn(pending());
        drivers.spawn(async { panic!("Ada") });
        let ended = until_ended(parts.0, parts.1, drivers, stop, async || pending().await).await;
        let told = ended.unwrap_err().to_string();
        assert!(told.contains("a sender of batches of this service ended by itself"), "{told}");
        assert!(!told.contains("Ada"), "{told}");
    }

    #[tokio::test]
    async fn told_once_it_ends_well_and_told_twice_at_once() {
        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(worker(stop.clone())));
        let mut times = 0;
        let once = async || {
            times += 1;
            if times > 1 {
                pending::<()>().await;
            }
        };
        assert_eq!(until_ended(parts.0, parts.1, JoinSet::new(), stop, once).await, Ok(()));

        let stop = CancellationToken::new();
        let parts = (tokio::spawn(part(stop.clone())), tokio::spawn(pending()));
        let ended = until_ended(parts.0, parts.1, JoinSet::new(), stop, async || {}).await;
        assert_eq!(ended, Err(Fault::Interrupted));
    }
}
