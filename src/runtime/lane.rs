//! Lanes: the deliveries of one receive that are dealt with one after the other, because they are
//! of one group of a FIFO queue. Must not deal with any of them.

use std::collections::BTreeMap;

use super::InFlight;
use crate::bus::Delivery;

/// How often a delivery may have been received and still go back unread. Each receive counts, and
/// after `max_receive_count` of them SQS moves a message to the dead-letter queue. The roles need
/// no order, so a message is rather dealt with out of turn than lost.
const UNREAD_MAX: u32 = 3;

/// What is dealt with one after the other.
#[expect(clippy::large_enum_variant, reason = "the large one is the common one")]
pub(super) enum Lane {
    /// A delivery that has no group.
    One(Delivery, InFlight),
    /// The deliveries of one group, in their order.
    Group(Vec<(Delivery, InFlight)>),
}

/// The deliveries of one receive in their lanes.
pub(super) fn lanes(deliveries: Vec<(Delivery, InFlight)>) -> Vec<Lane> {
    let mut lanes = Vec::with_capacity(deliveries.len());
    let mut groups = BTreeMap::<String, Vec<_>>::new();
    for (delivery, in_flight) in deliveries {
        match delivery.group.clone() {
            None => lanes.push(Lane::One(delivery, in_flight)),
            Some(group) => {
                let lane = groups.entry(group).or_default();
                let in_flight = if lane.is_empty() { in_flight } else { in_flight.waiting() };
                lane.push((delivery, in_flight));
            }
        }
    }
    lanes.extend(groups.into_values().map(Lane::Group));
    lanes
}

/// Whether a delivery goes back unread because one before it has to come again.
pub(super) fn goes_back_unread(delivery: &Delivery) -> bool {
    delivery.incoming.attempt <= UNREAD_MAX
}
