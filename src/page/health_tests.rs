//! The section tells how long bookings wait for each service, with the queues and without them.

use std::time::Duration;

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

    let services =
        RoleName::ALL.map(|role| ServiceVitals { waiting: 7, ..ServiceVitals::nothing(role) });
    let vitals = Vitals { read: at(1_000.0), services: services.into() };
    let told = Health::of(&desk.queues, Some(Arc::new(vitals)), Some(&look)).render().unwrap();
    assert!(told.contains("payment</span></th><td>5 min</td>\n<td>7</td>"), "{told}");

    // If the bookings cannot be read, nothing is said of them.
    let told = Health::of(&desk.queues, None, None).render().unwrap();
    assert!(told.contains(&wait("payment", "?")), "{told}");
}

#[tokio::test]
async fn what_a_fifo_queue_holds_up_is_told_beside_what_is_in_flight() {
    let (desk, ..) = desk(at(1_000.0));
    let told = |held_up| {
        let one =
            ServiceVitals { in_flight: 3, held_up, ..ServiceVitals::nothing(RoleName::Seats) };
        let vitals = Vitals { read: at(1_000.0), services: vec![one] };
        Health::of(&desk.queues, Some(Arc::new(vitals)), None).render().unwrap()
    };
    let held_up = |bookings| Some(Ok(HeldUp { bookings, longest: Duration::from_secs(130) }));
    for nothing in [None, held_up(0)] {
        assert!(told(nothing).contains("<td>0</td><td>3</td>"));
    }
    let bad = "<td>3<br><span class=\"bad\">1 booking held up for 2 min</span></td>";
    assert!(told(held_up(1)).contains(bad), "{}", told(held_up(1)));
    assert!(told(held_up(2)).contains("2 bookings held up for 2 min"));
    // Escaped, whoever wrote it.
    let silent = told(Some(Err("<b>".to_owned())));
    assert!(silent.contains("3<br><span>&#60;b&#62;</span>"), "{silent}");
}
