//! How a service is joined to the others: by SNS topics, or by the tasks of a state machine.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;
use tokio::task::JoinSet;

use super::{aws_fault, canary_key, seal_key};
use crate::{
    aws::{Clients, Names, step_functions},
    bus::{
        BusError, Desk, Outbox,
        aws::{AwsBus, AwsDesk, BesideMachine},
    },
    config::{Integration, ServiceArgs},
    domain::RoleName,
    fault::Fault,
    metrics::RequestCount,
    wire::{CanaryKey, Incoming, Intake, Message, SealKey},
};

/// The road that a service was told to take, before AWS is asked for anything.
pub struct Chosen(Kind);

enum Kind {
    Topics { canaries: Option<CanaryKey> },
    Tasks(SealKey),
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
    Topics(AwsBus),
    Beside(BesideMachine),
}

impl Outbox for AnyOutbox {
    async fn send(&self, cause: &Incoming, message: &Message) -> Result<(), BusError> {
        match self {
            AnyOutbox::Topics(it) => it.send(cause, message).await,
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
            Integration::Choreography => Kind::Topics { canaries: canary_key(&args.canary)? },
            Integration::StepFunctions if args.raw.raw_delivery => {
                return Err(Fault::Config(
                    "--raw-delivery says how SNS delivers, and --integration step-functions has no \
                     SNS: leave out one of them"
                        .to_owned(),
                ));
            }
            Integration::StepFunctions => Kind::Tasks(seal_key(&args.integration)?),
        }))
    }

    /// The names of the queues on this road.
    #[must_use]
    pub fn names(&self, names: &Names) -> Names {
        match self.0 {
            Kind::Topics { .. } => names.clone(),
            Kind::Tasks(_) => names.of_tasks(),
        }
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
        let names = self.names(&Names::new(&args.aws.prefix));
        let connecting = AwsBus::connect_traced(&clients, &names, role, deletes_linger, traced);
        let (queue, home, drivers) = connecting.await.map_err(aws_fault)?;
        Ok(match self.0 {
            Kind::Topics { canaries } => {
                let intake = Intake::enveloped(home.topic_arns(&names))
                    .or_raw(args.raw.raw_delivery)
                    .and_canaries(canaries);
                let outbox = AnyOutbox::Topics(queue.clone());
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
