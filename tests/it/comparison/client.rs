//! The program that asks for bookings: on each road as that road is asked. It must never ask for
//! the same booking under two ids.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use booking::{
    clock::Clock,
    domain::{
        event::{Event, Kind},
        ids::BookingId,
    },
    wire,
};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{asked::Asked, road::Road};
use crate::harness::{Account, Machine, PATIENCE, emulator::config, requested};

/// An attempt without an answer by then has failed.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The pause before the next one.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks at one door.
pub struct Client {
    road: Road,
    topic: String,
    bus: String,
    sns: aws_sdk_sns::Client,
    events: aws_sdk_eventbridge::Client,
    machine: Option<Machine>,
}

/// When each booking was first asked for, and how often one had to be asked for again.
pub struct Begun {
    pub at: BTreeMap<BookingId, Timestamp>,
    pub again: usize,
}

impl Client {
    pub async fn at(
        door: &str,
        road: Road,
        account: &Account,
        machine: Option<&Machine>,
    ) -> Client {
        let config = config(door).await;
        Client {
            road,
            topic: account.topic_arn(Kind::BookingRequested),
            bus: account.names.event_bus(),
            sns: aws_sdk_sns::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            machine: machine.map(|it| Machine {
                arn: it.arn.clone(),
                sfn: aws_sdk_sfn::Client::new(&config),
                names: it.names.clone(),
            }),
        }
    }

    /// Asks once. Whether it was taken.
    async fn ask(&self, event: &Event) -> bool {
        let text = wire::encode(event).unwrap().body;
        let publish = self.sns.publish().topic_arn(&self.topic).message(&text);
        match self.road {
            Road::Sns | Road::Lambda => publish.send().await.is_ok(),
            Road::Fifo => {
                let group = publish.message_group_id(event.booking.as_str());
                group.message_deduplication_id(&event.cause.id).send().await.is_ok()
            }
            Road::EventBridge => {
                let entry = PutEventsRequestEntry::builder().event_bus_name(&self.bus);
                let entry = entry.source("booking.client").detail(text);
                let entry = entry.detail_type(Kind::BookingRequested.topic()).build();
                let put = self.events.put_events().entries(entry).send().await;
                put.is_ok_and(|it| it.failed_entry_count() == 0)
            }
            Road::StepFunctions => self.machine.as_ref().unwrap().start(event).await,
        }
    }

    /// Asks until it is taken; returns how often it asked again.
    async fn until_taken(&self, event: &Event) -> usize {
        let patience = Instant::now() + PATIENCE;
        let mut again = 0;
        while Instant::now() < patience {
            if let Ok(true) = tokio::time::timeout(ATTEMPT, self.ask(event)).await {
                return again;
            }
            again += 1;
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{} was not taken in {again} tries", event.booking);
    }
}

/// Asks for all of them at a steady rate whatever happens, each until it is taken.
pub async fn ask_all(client: Arc<Client>, asked: Asked, every: Duration) -> Begun {
    let mut beat = tokio::time::interval(every);
    let (mut at, mut asking) = (BTreeMap::new(), JoinSet::new());
    for it in asked {
        beat.tick().await;
        let event = requested(&it.0, it.1);
        at.insert(it.0, Clock::Machine.now());
        let client = Arc::clone(&client);
        asking.spawn(async move { client.until_taken(&event).await });
    }
    Begun { at, again: asking.join_all().await.into_iter().sum() }
}
