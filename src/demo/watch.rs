//! How the services of the demo are doing, as far as the queues of the memory bus tell.

use std::{collections::BTreeMap, future::Future, pin::Pin};

use crate::{
    bus::memory::Exchange,
    clock::Clock,
    domain::RoleName,
    vitals::{DeadReason, ServiceVitals, Vitals, Watch},
};

/// What a redrive would do with the dead letters of the demo, which nobody can ever read.
const REDRIVE: &str = "would be set aside again";

/// Watches the queues of an exchange.
#[derive(Clone, Debug)]
pub struct OfExchange {
    pub exchange: Exchange,
    pub clock: Clock,
}

impl Watch for OfExchange {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        let services = RoleName::ALL.into_iter().map(|it| self.service(it)).collect();
        Box::pin(std::future::ready(Vitals { read: self.clock.now(), services }))
    }
}

impl OfExchange {
    fn service(&self, role: RoleName) -> ServiceVitals {
        let (waiting, there) = (self.exchange.waiting(role), self.exchange.depth(role));
        let dead = self.exchange.dead(role);
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for letter in &dead {
            let reason = letter.attributes.iter().find(|it| it.0 == "reason");
            *reasons.entry(reason.map_or("received too often", |it| &it.1)).or_default() += 1;
        }
        let reasons = reasons.into_iter().map(|(reason, count)| DeadReason {
            reason: reason.to_owned(),
            count,
            redrive: REDRIVE.to_owned(),
        });
        ServiceVitals {
            waiting: waiting as u64,
            in_flight: there.saturating_sub(waiting) as u64,
            dead: dead.len() as u64,
            reasons: reasons.collect(),
            ..ServiceVitals::nothing(role)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bus::{DeadLetter, Queue, memory::Unkindness};

    #[tokio::test]
    async fn what_waits_is_in_flight_or_was_set_aside_is_counted_by_service() {
        let (role, clock) = (RoleName::Payment, Clock::Machine);
        let exchange = Exchange::new(clock.clone(), "", 1, Unkindness::default());
        for _ in 0..5 {
            exchange.put_raw(role, "a message");
        }
        let bus = exchange.bus(role);
        let received = bus.receive(3, Duration::ZERO, Duration::from_mins(1)).await.unwrap();
        let why = DeadLetter { attributes: vec![("reason", "expected a seat".to_owned())] };
        bus.set_aside(&received[0], &why).await.unwrap();
        bus.delete(&received[0].receipt_handle).await.unwrap();

        let vitals = OfExchange { exchange, clock }.look().await;
        let figures = |it: &ServiceVitals| (it.waiting, it.in_flight, it.dead, it.undelivered);
        for it in &vitals.services {
            let wanted = if it.role == role { (2, 2, 1, 0) } else { (0, 0, 0, 0) };
            assert_eq!(figures(it), wanted, "{}", it.role);
        }
        let of_role = vitals.services.iter().find(|it| it.role == role).unwrap();
        let reasons: Vec<_> = of_role.reasons.iter().map(|it| (&*it.reason, it.count)).collect();
        assert_eq!(reasons, [("expected a seat", 1)]);
    }
}
