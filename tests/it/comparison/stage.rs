//! One road, set up: topics or an event bus or a state machine, queues, tables, and four services
//! as processes or functions, each behind doors of its own. What is not counted goes beside the
//! doors.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_sfn::types::ExecutionStatus;
use booking::{
    audit::Evidence,
    domain::{RoleName, ids::BookingId},
};

use super::{client::Client, door::Door, road::Road, tally::Tally};
use crate::harness::{
    Account, DynamoDbLocal, Folder, LocalStack, Machine, MiniStack, Service, Tables, drained,
};

/// What stands for the network: added to each request of services and clients.
pub const ROUND_TRIP: Duration = Duration::from_millis(10);

/// The settings that a harness makes short for its tests, as they are by default.
const DEFAULTS: [(&str, &str); 5] = [
    ("BOOKING_DRAIN", "25s"),
    ("BOOKING_LONG_POLL", "20s"),
    ("BOOKING_VISIBILITY", "60s"),
    ("BOOKING_EFFECT_TIMEOUT", "10s"),
    ("BOOKING_STORE", "dynamodb"),
];

/// How long a queue of functions hides a message: six times what a function may take, by default.
const HIDDEN_S: u32 = 180;

/// What works.
enum Workers {
    /// A process for each role.
    Processes(Vec<Service>),
    /// A function for each role.
    Functions(MiniStack),
}

/// A road with everything under it.
pub struct Stage {
    pub road: Road,
    pub client: Arc<Client>,
    workers: Workers,
    pub machine: Option<Machine>,
    pub account: Account,
    tables: Tables,
    folder: Folder,
    /// To the emulator of everything but tables: one for each role, in the order of their names,
    /// and one for the client.
    doors: Vec<Door>,
    /// To the tables: one for each role.
    table_doors: Vec<Door>,
}

impl Stage {
    /// Makes it, and waits until all services poll.
    pub async fn begin(road: Road) -> Stage {
        let (localstack, dynamodb) = (LocalStack::running(), DynamoDbLocal::running());
        let folder = Folder::new();
        let ministack = (road == Road::Lambda).then(|| MiniStack::start(folder.path()));
        let account = match (road, &ministack) {
            (_, Some(it)) => Account::make_at(&it.config().await, false).await,
            (Road::Sns | Road::Lambda | Road::StepFunctions, None) => Account::make(false).await,
            (Road::EventBridge, None) => Account::on_event_bus().await,
            (Road::Fifo, None) => Account::fifo().await,
        };
        let machine = match road {
            Road::StepFunctions => Some(Machine::make(localstack, &account, |_| ()).await),
            Road::Sns | Road::EventBridge | Road::Fifo | Road::Lambda => None,
        };
        let tables = Tables::make_in(dynamodb, &account.prefix).await;
        let (mut doors, mut table_doors) = (Vec::new(), Vec::new());
        let emulator = ministack.as_ref().map_or(&localstack.endpoint, |it| &it.endpoint);
        for _ in RoleName::ALL {
            doors.push(Door::to(emulator, ROUND_TRIP).await);
            table_doors.push(Door::to(&dynamodb.endpoint, ROUND_TRIP).await);
        }
        doors.push(Door::to(emulator, ROUND_TRIP).await);
        let client = Client::at(&doors[4].endpoint, road, &account, machine.as_ref()).await;
        let workers = match ministack {
            Some(it) => functions(it, &account, &doors, &table_doors).await,
            None => {
                let mut all = processes(road, &account.prefix, &folder, &doors, &table_doors);
                for it in &mut all {
                    it.polls().await;
                }
                Workers::Processes(all)
            }
        };
        let client = Arc::new(client);
        Stage { road, client, workers, machine, account, tables, folder, doors, table_doors }
    }

    /// Stops a role, or lets it go on: a process stands still where it is, and a function gets no
    /// more batches.
    pub async fn stop(&self, role: RoleName, stopped: bool) {
        match &self.workers {
            Workers::Processes(all) => {
                let one = all.iter().find(|it| it.role == role).unwrap();
                one.signal(if stopped { "STOP" } else { "CONT" });
            }
            Workers::Functions(it) => it.enable(role, !stopped).await,
        }
    }

    /// What was counted until now.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let senders = RoleName::ALL.map(|it| it.to_string()).into_iter().chain(["client".into()]);
        for (sender, door) in senders.zip(&self.doors) {
            tally.add(&sender, door.passed());
        }
        for (role, door) in RoleName::ALL.into_iter().zip(&self.table_doors) {
            tally.add(role.as_str(), door.passed());
        }
        for role in RoleName::ALL {
            let log = self.folder.join(&format!("{role}.log"));
            let log = std::fs::read(log).unwrap_or_default();
            tally.add_log(role.as_str(), &String::from_utf8_lossy(&log));
        }
        tally
    }

    /// Adds this round trip to each request from now on.
    pub fn add(&self, round_trip: Duration) {
        for door in self.doors.iter().chain(&self.table_doors) {
            door.add(round_trip);
        }
    }

    /// Refuses everything that is asked of the middle, or nothing more.
    pub fn refuse_the_middle(&self, refused: bool) {
        for door in &self.doors {
            door.refuse(refused.then(|| self.road.middle_service()));
        }
    }

    /// Waits until no queue has anything, visible or in flight, and nothing is executed.
    pub async fn drain(&self) {
        drained(&self.account, self.names(), async || match &self.machine {
            Some(machine) => machine.count(ExecutionStatus::Running).await == 0,
            None => true,
        })
        .await;
    }

    /// What was set aside, by all roles together.
    pub async fn dead_letters(&self) -> u64 {
        let mut dead = 0;
        for role in RoleName::ALL {
            let (visible, hidden) =
                self.account.depth_of(&self.names().dead_letter_queue(role)).await;
            dead += visible + hidden;
        }
        dead
    }

    /// How many executions did not succeed.
    pub async fn failed_executions(&self) -> usize {
        let Some(machine) = &self.machine else { return 0 };
        let mut failed = 0;
        for status in [ExecutionStatus::Failed, ExecutionStatus::TimedOut, ExecutionStatus::Aborted]
        {
            failed += machine.count(status).await;
        }
        failed
    }

    /// Everything that was stored, charged and sent for these bookings.
    pub async fn evidence(&self, ids: &[BookingId]) -> Evidence {
        self.tables.evidence(ids, self.folder.path()).await
    }

    /// The transitions of each booking's execution, and the messages that it sent, as its history
    /// has them.
    pub async fn transitions(&self, ids: &[BookingId]) -> BTreeMap<String, Transitions> {
        let mut all = BTreeMap::new();
        let Some(machine) = &self.machine else { return all };
        for id in ids {
            let (states, sent) = machine.transitions(id).await;
            all.insert(id.to_string(), Transitions { states, sent });
        }
        all
    }

    /// The names of the queues from which the services work.
    fn names(&self) -> &booking::aws::Names {
        self.machine.as_ref().map_or(&self.account.names, |it| &it.names)
    }
}

/// What one execution is charged for.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Transitions {
    /// States that were entered, repetitions included.
    pub states: u64,
    /// Messages that it put on queues.
    pub sent: u64,
}

/// Makes a function for each role, with the mapping of its queue.
async fn functions(
    ministack: MiniStack,
    account: &Account,
    doors: &[Door],
    table_doors: &[Door],
) -> Workers {
    let settings = |role: RoleName| {
        let at = RoleName::ALL.iter().position(|it| *it == role).unwrap();
        vec![
            ("AWS_ENDPOINT_URL_SNS", doors[at].endpoint.clone()),
            ("AWS_ENDPOINT_URL_SQS", doors[at].endpoint.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB", table_doors[at].endpoint.clone()),
            ("BOOKING_EFFECT_TIMEOUT", "10s".to_owned()),
            // It says how long each invocation took. These lines are not counted as bytes.
            ("RUST_LOG", "info,booking::services::function=debug".to_owned()),
        ]
    };
    ministack.deploy(account, HIDDEN_S, settings).await;
    Workers::Functions(ministack)
}

/// Starts a process for each role.
fn processes(
    road: Road,
    prefix: &str,
    folder: &Folder,
    doors: &[Door],
    table_doors: &[Door],
) -> Vec<Service> {
    let start = |(at, role): (usize, RoleName)| {
        let environment = LocalStack::environment_of(&doors[at].endpoint);
        Service::spawn_at(environment, role, prefix, folder.path(), |it| {
            it.envs(DEFAULTS).env_remove("BOOKING_GATEWAY_PATIENCE");
            it.env("AWS_ENDPOINT_URL_DYNAMODB", &table_doors[at].endpoint);
            it.envs(road.settings().iter().copied());
        })
    };
    RoleName::ALL.into_iter().enumerate().map(start).collect()
}
