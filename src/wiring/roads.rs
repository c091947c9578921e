//! How a service is joined to the others: by events on SNS topics or on an event bus, or by the
//! tasks of a state machine.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use tokio::task::JoinSet;

use super::{aws_fault, canary_key, seal_key};
use crate::{
    aws::{Clients, Home, Names, event_bridge, step_functions},
    bus::{
        BusError, Desk, Outbox,
        aws::{AwsBus, AwsDesk, AwsPublisher, BesideMachine},
    },
    config::{DeliveryArgs, Events, EventsArgs, Integration, ServiceArgs},
    domain::RoleName,
    fault::Fault,
    metrics::RequestCount,
    wire::{CanaryKey, Incoming, Intake, Message, SealKey},
};

/// The road that a service was told to take, before AWS is asked for anything.
pub struct Chosen(Kind);

enum Kind {
    Events { canaries: Option<CanaryKey> },
    Tasks(SealKey),
}

/// What a role accepts on its queue, by how events come to it.
///
/// # Errors
/// If the settings contradict each other.
pub fn intake(delivery: DeliveryArgs, home: &Home, names: &Names) -> Result<Intake, Fault> {
    agrees(delivery)?;
    Ok(match delivery.events.events {
        Events::Sns if names.are_fifo() => {
            Intake::of_fifo_topics(home.topic_arns(names)).or_raw(delivery.raw_delivery)
        }
        Events::Sns => Intake::enveloped(home.topic_arns(names)).or_raw(delivery.raw_delivery),
        Events::EventBridge => Intake::of_event_bus(home.account(), home.region()),
    })
}

/// The names of topics and queues, by what carries the events.
///
/// # Errors
/// If the settings contradict each other.
pub fn names(prefix: &str, events: EventsArgs) -> Result<Names, Fault> {
    if events.fifo && events.events == Events::EventBridge {
        return Err(Fault::Config(
            "--fifo says that topics are FIFO, and --events eventbridge has no topics: leave out \
             one of them"
                .to_owned(),
        ));
    }
    Ok(Names::new(prefix).and_fifo(events.fifo))
}

fn agrees(delivery: DeliveryArgs) -> Result<(), Fault> {
    if delivery.raw_delivery && delivery.events.events == Events::EventBridge {
        return Err(Fault::Config(
            "--raw-delivery says how SNS delivers, and --events eventbridge has no SNS: leave out \
             one of them"
                .to_owned(),
        ));
    }
    Ok(())
}

/// A role's queue, and where it publishes, which is known to be there. The result is that of
/// [`AwsBus::connect`].
///
/// # Errors
/// If the queue or the event bus does not exist or may not be used, or AWS cannot be reached.
pub async fn connect(
    (events, config, count): (Events, &SdkConfig, &RequestCount),
    clients: &Clients,
    names: &Names,
    role: RoleName,
    deletes_linger: Duration,
    traced: bool,
) -> Result<(AwsBus, Home, JoinSet<()>), Fault> {
    let bus = (events == Events::EventBridge).then(|| event_bridge(config, count.clone()));
    let connecting = AwsBus::connect_by(clients, names, role, deletes_linger, traced, bus);
    let (bus, home, drivers) = connecting.await.map_err(aws_fault)?;
    bus.requests().publisher().must_exist().await.map_err(|it| Fault::bus(&it))?;
    Ok((bus, home, drivers))
}

/// Where a client publishes: on the topics, or on the event bus.
///
/// # Errors
/// If there is no event bus, or AWS cannot be reached.
pub async fn publisher(
    events: Events,
    (config, count): (&SdkConfig, &RequestCount),
    clients: &Clients,
    names: &Names,
    home: &Home,
) -> Result<AwsPublisher, Fault> {
    let publisher = match events {
        Events::Sns => AwsPublisher::topics(clients, names.clone(), home.clone()),
        Events::EventBridge => {
            let client = event_bridge(config, count.clone());
            AwsPublisher::event_bus(client, names.clone(), home.clone())
        }
    };
    publisher.must_exist().await.map_err(|it| Fault::bus(&it))?;
    Ok(publisher)
}

/// A service's way in and out.
pub struct Road {
    /// Its queue.
    pub queue: AwsBus,
    /// They send the batches of the queue.
    pub drivers: JoinSet<()>,
    pub outbox: AnyOutbox,
    pub intake: Intake,
    /// Where it answers tasks, if it has any.
    pub desk: Option<Arc<dyn Desk>>,
}

/// Where a service's announcements go.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum AnyOutbox {
    Published(AwsBus),
    Beside(BesideMachine),
}

impl Outbox for AnyOutbox {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        match self {
            AnyOutbox::Published(it) => it.send(cause, message).await,
            // Boxed, so that it takes no room in the future of every delivery.
            AnyOutbox::Beside(it) => Box::pin(it.send(cause, message)).await,
        }
    }
}

impl Chosen {
    /// The road of these settings.
    ///
    /// # Errors
    /// If a key that it needs is missing or cannot be read, or if settings contradict each other.
    pub fn read(args: &ServiceArgs) -> Result<Chosen, Fault> {
        Ok(Chosen(match args.integration.integration {
            Integration::Choreography => {
                agrees(args.delivery)?;
                Kind::Events { canaries: canary_key(&args.canary)? }
            }
            Integration::StepFunctions if args.delivery.raw_delivery => {
                return Err(Fault::Config(
                    "--raw-delivery says how SNS delivers, and --integration step-functions has no \
                     SNS: leave out one of them"
                        .to_owned(),
                ));
            }
            Integration::StepFunctions if args.delivery.events.are_named() => {
                return Err(no_events());
            }
            Integration::StepFunctions => Kind::Tasks(seal_key(&args.integration)?),
        }))
    }

    /// The names of the queues on this road.
    ///
    /// # Errors
    /// If the settings contradict each other.
    pub fn names(&self, args: &ServiceArgs) -> Result<Names, Fault> {
        let names = names(&args.aws.prefix, args.delivery.events)?;
        Ok(match self.0 {
            Kind::Events { .. } => names,
            Kind::Tasks(_) => names.of_tasks(),
        })
    }

    /// Opens the road for a role: finds its queue, and the topics or queues that it sends to. A
    /// delete waits `deletes_linger` for others to share its request. If `traced`, each delivery
    /// brings the context of its trace.
    ///
    /// # Errors
    /// If a queue does not exist or may not be used, or AWS cannot be reached.
    pub async fn open(
        self,
        args: &ServiceArgs,
        role: RoleName,
        (config, count): (&SdkConfig, &RequestCount),
        deletes_linger: Duration,
        traced: bool,
    ) -> Result<Road, Fault> {
        let clients = Clients::within_limits(config, count.clone()).map_err(aws_fault)?;
        let names = self.names(args)?;
        let (queue, home, drivers) = match self.0 {
            Kind::Events { .. } => {
                let ways = (args.delivery.events.events, config, count);
                connect(ways, &clients, &names, role, deletes_linger, traced).await?
            }
            Kind::Tasks(_) => {
                AwsBus::connect_by(&clients, &names, role, deletes_linger, traced, None)
                    .await
                    .map_err(aws_fault)?
            }
        };
        Ok(match self.0 {
            Kind::Events { canaries } => {
                let intake = intake(args.delivery, &home, &names)?.and_canaries(canaries);
                let outbox = AnyOutbox::Published(queue.clone());
                Road { queue, drivers, outbox, intake, desk: None }
            }
            Kind::Tasks(key) => {
                let beside = BesideMachine::connect(&clients, &names, &home, role);
                let outbox = AnyOutbox::Beside(beside.await.map_err(aws_fault)?);
                let desk =
                    Some(Arc::new(AwsDesk::new(step_functions(config, count.clone())))
                        as Arc<dyn Desk>);
                Road { queue, drivers, outbox, intake: Intake::tasks(key), desk }
            }
        })
    }
}

/// That `--events` or `--fifo` and `--integration step-functions` contradict each other.
#[must_use]
pub fn no_events() -> Fault {
    Fault::Config(
        "--events and --fifo say what carries events, and --integration step-functions has no \
         events: leave out one of them"
            .to_owned(),
    )
}
