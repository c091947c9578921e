//! The section tells how long bookings wait for each service, with the queues and without them.

use super::*;
use crate::page::testing::{at, desk, keep, stuck};

#[tokio::test]
async fn how_long_bookings_wait_is_told_also_if_nobody_looks_at_the_queues() {
    let (desk, store, _) = desk(at(1_000.0));
    keep(&store, &stuck("b-1", 700.0)).await;
    let look = desk.look().await.unwrap();
    let told = Health::of(&desk.queues, None, Some(&look)).render().unwrap();
    let wait = |role, wait| format!("{role}</span></th><td>{wait}</td></tr>");
    for (role, waits) in [("seats", "–"), ("payment", "5 min"), ("receipt", "–"), ("status", "–")]
    {
        assert!(told.contains(&wait(role, waits)), "{role}: {told}");
    }
    assert!(told.contains("--watch-queues") && !told.contains("In flight"), "{told}");

    let services = RoleName::ALL.map(|role| ServiceVitals {
        role,
        waiting: 7,
        in_flight: 0,
        dead: 0,
        undelivered: 0,
        reasons: Vec::new(),
        problem: None,
    });
    let vitals = Vitals { read: at(1_000.0), services: services.into() };
    let told = Health::of(&desk.queues, Some(Arc::new(vitals)), Some(&look)).render().unwrap();
    assert!(told.contains("payment</span></th><td>5 min</td>\n<td>7</td>"), "{told}");

    // If the bookings cannot be read, nothing is said of them.
    let told = Health::of(&desk.queues, None, None).render().unwrap();
    assert!(told.contains(&wait("payment", "?")), "{told}");
}
