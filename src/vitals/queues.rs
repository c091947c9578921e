//! The watch over SQS: the depths of the queues, from their attributes alone. It must never
//! receive a message, since that would hide the message and show what is in it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{ServiceVitals, Vitals, Watch, kept::Kept};
use crate::{
    aws::{AwsError, Clients, DeadQueue, Names, QueueOf},
    clock::Clock,
    domain::RoleName,
    runtime::Chain,
};

/// How long looking at a queue may take. Finding out that there are no credentials takes seconds.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A watch over the queues of all services. It needs the rights `sqs:GetQueueUrl` and
/// `sqs:GetQueueAttributes` on each of them.
#[must_use]
pub fn of_queues(clients: &Clients, names: &Names, clock: Clock) -> Arc<dyn Watch> {
    let queue = |of: QueueOf| Queue { of, name: of.name(names), url: OnceLock::new() };
    let queues = names.queues().map(queue).collect();
    let watch = Queues { clients: clients.clone(), queues, clock: clock.clone() };
    Arc::new(Kept::new(watch, clock, LOOK_MAX))
}

struct Queues {
    clients: Clients,
    queues: Vec<Queue>,
    clock: Clock,
}

struct Queue {
    of: QueueOf,
    name: String,
    /// Its URL, once it is known. A queue that is made anew has the same.
    url: OnceLock<String>,
}

/// How many messages are on a queue, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Depth {
    visible: u64,
    /// Received, and neither deleted nor given back yet.
    hidden: u64,
}

impl Watch for Queues {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        Box::pin(async {
            let looks: Vec<_> = self.queues.iter().map(|it| self.depth(it)).collect();
            let seen = join_all(looks).await;
            let of = |role| {
                let own = self.queues.iter().zip(&seen).filter(|(it, _)| it.of.role == role);
                vitals(role, own.map(|(it, seen)| (it.of.dead, seen)))
            };
            Vitals { read: self.clock.now(), services: RoleName::ALL.map(of).into() }
        })
    }
}

impl Queues {
    /// The depth of one queue, or why it is not known.
    async fn depth(&self, queue: &Queue) -> Result<Depth, String> {
        match timeout(LOOK_MAX, self.ask(queue)).await {
            Ok(seen) => seen.map_err(|it| Chain(&it).to_string()),
            Err(_) => Err(format!(
                "SQS did not say within {} s how many messages are on `{}`",
                LOOK_MAX.as_secs(),
                queue.name
            )),
        }
    }

    async fn ask(&self, queue: &Queue) -> Result<Depth, AwsError> {
        let url = match queue.url.get() {
            Some(known) => known,
            None => {
                let found = self.clients.queue_url(&queue.name).await?;
                queue.url.get_or_init(|| found)
            }
        };
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let wanted = [visible.clone(), hidden.clone()];
        let said = self.clients.queue_attributes(&queue.name, url, &wanted).await?;
        let number = |name| said.get(name).and_then(|it| it.parse().ok()).unwrap_or_default();
        Ok(Depth { visible: number(&visible), hidden: number(&hidden) })
    }
}

/// What is known of one service, from what is known of its queues. If one of them cannot be looked
/// at, no figure is shown: a 0 beside real figures would be taken for one.
fn vitals<'a>(
    role: RoleName,
    queues: impl Iterator<Item = (Option<DeadQueue>, &'a Result<Depth, String>)>,
) -> ServiceVitals {
    let nothing = ServiceVitals::nothing(role);
    let mut known = nothing.clone();
    for (dead, seen) in queues {
        let depth = match seen {
            Ok(it) => it,
            Err(problem) => return ServiceVitals { problem: Some(problem.clone()), ..nothing },
        };
        match dead {
            None => (known.waiting, known.in_flight) = (depth.visible, depth.hidden),
            // Those that somebody looks at just now are hidden, and still there.
            Some(DeadQueue::Dlq) => known.dead = depth.visible + depth.hidden,
            Some(DeadQueue::Undelivered) => known.undelivered = depth.visible + depth.hidden,
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_the_sum_of_its_queues_and_unknown_if_one_of_them_is() {
        let depth = |visible, hidden| Ok(Depth { visible, hidden });
        let (own, dead, lost) = (depth(7, 3), depth(2, 1), depth(0, 4));
        let of = |lost: &Result<Depth, String>| {
            let [dlq, undelivered] = [DeadQueue::Dlq, DeadQueue::Undelivered].map(Some);
            vitals(RoleName::Seats, [(None, &own), (dlq, &dead), (undelivered, lost)].into_iter())
        };
        let seen = of(&lost);
        assert_eq!((seen.waiting, seen.in_flight), (7, 3));
        assert_eq!((seen.dead, seen.undelivered, seen.problem), (3, 4, None));
        let unknown = of(&Err("SQS is away".to_owned()));
        assert_eq!(unknown.problem.as_deref(), Some("SQS is away"));
        assert_eq!((unknown.waiting, unknown.in_flight, unknown.dead), (0, 0, 0));
    }
}
