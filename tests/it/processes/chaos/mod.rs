//! Four real processes under a nemesis that kills, stops and freezes, while bookings come in at a
//! steady rate. Afterwards everything that was written down is held against what was asked for.
//!
//! The schedule of the nemesis is in real time, as its victims live in it; all else waits for
//! conditions. BOOKING_CHAOS_BOOKINGS and BOOKING_CHAOS_SEED set length and seed: `just chaos`.
//! BOOKING_CHAOS_STORE=sqlite, dynamodb, step-functions or lambda leaves out the others: on files,
//! on tables, with a state machine, and as functions.

mod cast;
mod evidence;
mod functions;
mod outside;

use std::{
    collections::BTreeMap,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sfn::types::ExecutionStatus;
use booking::{
    audit::Evidence,
    demo::{Wish, wishes},
    domain::{RoleName, event::Event, ids::BookingId},
    wire,
};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::{
    Account, DynamoDbLocal, Folder, LocalStack, Machine, PATIENCE, Service, Tables, drained,
    eventually, requested, say, skipped,
};

use self::{cast::*, evidence::*, outside::*};

/// How many bookings CI asks for.
const BOOKINGS: usize = 320;
/// How many it asks for where each costs a payment provider of Python more than a ledger.
const BOOKINGS_OUTSIDE: usize = 300;
/// How many it asks for where each costs an emulated table more than a file.
const BOOKINGS_ON_TABLES: usize = 96;
/// How many where each costs the emulator of a state machine a second of its one core.
const BOOKINGS_OF_THE_MACHINE: usize = 100;
/// One booking of a state machine every so often.
const START_EVERY: Duration = Duration::from_millis(500);
/// One booking every so often.
const PUBLISH_EVERY: Duration = Duration::from_millis(125);
/// A client that has no answer by then says it again.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);
/// An unpaid hold is safe for so long: short enough that a frozen emulator makes some expire.
const HOLD_LIMIT: &str = "10s";

/// One round of the nemesis, in seconds. It ends with a whole round.
const ROUND_S: u64 = 46;
const KILL_EVERY_S: u64 = 2;
/// When a role is stopped, alone or with a stand-in that takes its work over.
const STOP_AT_S: [(u64, bool); 2] = [(3, false), (36, true)];
/// Longer than a received message is hidden: 5 s, and 8 s over tables or with a mail server.
const STOP_FOR_S: u64 = 9;
const FREEZE_AT_S: u64 = 12;
const FREEZE_FOR_S: u64 = 20;
/// When the tables stand still, while the queues do not: longer than one operation may take.
const FREEZE_TABLES_AT_S: u64 = 34;
const FREEZE_TABLES_FOR_S: u64 = 10;

/// One run at a time: what they time must not be each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_booking_is_lost_or_doubled_by_kills_stops_and_a_frozen_emulator() {
    if !skipped("chaos") && wanted("sqlite") {
        chaos(Nemesis::default(), BOOKINGS).await;
    }
}

/// With the money at a payment provider and the receipts by a mail server, each a process of its
/// own: what they have is what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_booking_is_lost_or_charged_twice_at_stripe_and_no_mail_is_another_one() {
    if !skipped("chaos") && !skipped("stripe") && wanted("sqlite") {
        let outside = Some(Outside::start());
        chaos(Nemesis { outside, ..Nemesis::default() }, BOOKINGS_OUTSIDE).await;
    }
}

/// Two of every role, with tables that they share and that stand still in their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_booking_is_lost_or_doubled_by_two_replicas_of_every_role_on_dynamodb() {
    if !skipped("chaos") && !skipped("dynamodb") && wanted("dynamodb") {
        let dynamodb = Some(DynamoDbLocal::start());
        chaos(Nemesis { dynamodb, ..Nemesis::default() }, BOOKINGS_ON_TABLES).await;
    }
}

/// With a state machine that says whose turn it is. The emulator's takes about four bookings a
/// second, so they come at half the rate of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_booking_of_the_state_machine_is_lost_or_doubled() {
    if !skipped("chaos") && wanted("step-functions") {
        let nemesis = Nemesis { machine: true, ..Nemesis::default() };
        chaos(nemesis, BOOKINGS_OF_THE_MACHINE).await;
    }
}

/// What a run is about, besides four services over files.
#[derive(Default)]
struct Nemesis {
    dynamodb: Option<DynamoDbLocal>,
    outside: Option<Outside>,
    machine: bool,
}

fn wanted(store: &str) -> bool {
    std::env::var("BOOKING_CHAOS_STORE").map_or(true, |it| it == store)
}

async fn chaos(Nemesis { dynamodb, outside, machine }: Nemesis, bookings: usize) {
    let _alone = ALONE.lock().await;
    let (bookings, seed) = (set("BOOKINGS", bookings), set("SEED", fastrand::u64(..1_000_000)));
    let on = match (&dynamodb, &outside) {
        (None, None) if machine => "SQLite, with a state machine",
        (Some(_), _) => "DynamoDB, two of every role",
        (None, Some(_)) => "SQLite, with Stripe and a mail server",
        (None, None) => "SQLite",
    };
    say(&format!("chaos on {on}: {bookings} bookings, BOOKING_CHAOS_SEED={seed}"));
    let began = Instant::now();
    let (localstack, folder) = (LocalStack::start(), Folder::new());
    let account = Arc::new(Account::make_at(&localstack.config().await, false).await);
    let tables = match &dynamodb {
        Some(it) => Some(Tables::make_in(it, &account.prefix).await),
        None => None,
    };
    let machine = match machine {
        true => Some(Arc::new(Machine::make(&localstack, &account, |_| ()).await)),
        false => None,
    };
    let asked = wishes(bookings, seed);
    let _evidently = Evidently(&folder);

    let mut cast = Cast {
        localstack: &localstack,
        dynamodb: dynamodb.as_ref(),
        outside: outside.as_ref(),
        machine: machine.as_deref(),
        prefix: &account.prefix,
        data: folder.path(),
        services: BTreeMap::new(),
        restarts: 0,
    };
    cast.begin();
    for one in cast.everyone() {
        cast.of(one).polls().await;
    }
    let publishing = tokio::spawn(publish(Arc::clone(&account), machine.clone(), asked.clone()));
    let struck = strike(&mut cast, seed, || publishing.is_finished()).await;
    let again = publishing.await.unwrap();
    let (restarts, drained) = (cast.restarts, drain(&mut cast, &account).await);
    let names = machine.as_ref().map_or(&account.names, |it| &it.names);
    for role in RoleName::ALL {
        let dead = account.depth_of(&names.dead_letter_queue(role)).await;
        assert_eq!(dead, (0, 0), "dead letters of {role}");
    }
    drop(cast);
    if let Some(machine) = &machine {
        // Status has heard of the last step before the execution is over.
        eventually("the last execution to be over", async || {
            (machine.count(ExecutionStatus::Running).await == 0).then_some(())
        })
        .await;
        let ended = machine.count(ExecutionStatus::Succeeded).await;
        assert_eq!(ended, bookings, "each booking has one execution, and each of them succeeded");
    }

    let logs = Logs::read(folder.path());
    let evidence = match (&tables, &outside) {
        // By the keys of what was asked for: nothing is scanned, so nothing invented would show.
        (Some(it), _) => {
            let ids: Vec<BookingId> = asked.iter().map(|(id, _)| id.clone()).collect();
            it.evidence(&ids, folder.path()).await
        }
        (None, Some(it)) => it.evidence(folder.path()).await,
        (None, None) => Evidence::read(folder.path()).unwrap(),
    };
    let (letters, sent) = match &outside {
        Some(it) => {
            let mails = it.mails();
            (mails.numbers(), mails.check(struck.of_receipt + restarts))
        }
        None => {
            let (letters, scraps) = letters(folder.path());
            (letters, format!("{scraps} half-written"))
        }
    };
    let held = format!("{}, {sent}", check(&evidence, &letters, &asked));
    say(&format!(
        "chaos on {on}: {bookings} bookings in {} s ({} s of it to drain): {} SIGKILLs, {} SIGSTOPs \
         of {STOP_FOR_S} s, emulator frozen {} times for {FREEZE_FOR_S} s, tables {} times for \
         {FREEZE_TABLES_FOR_S} s; {again} requests said again, {restarts} services ended by \
         themselves, {} lines of what went well, at most {} deliveries of one message, {} decisions recalled; {held}; 0 lost, \
         0 doubled charges, 0 receipts announced twice, 0 doubly held seats, 0 dead letters",
        began.elapsed().as_secs(),
        drained.as_secs(),
        struck.kills,
        struck.stops,
        struck.freezes,
        struck.freezes_of_tables,
        logs.settled,
        logs.attempts_max,
        logs.recalled,
    ));
    assert!(struck.kills >= 20 && struck.stops >= 2 && struck.freezes >= 1, "{struck:?}");
    assert_eq!(struck.freezes_of_tables >= 1, dynamodb.is_some());
}

fn set<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str, otherwise: T) -> T {
    let set = std::env::var(format!("BOOKING_CHAOS_{name}"));
    set.map_or(otherwise, |it| it.parse().expect("BOOKING_CHAOS_BOOKINGS and _SEED are numbers"))
}

/// Keeps the evidence of a run that fails.
struct Evidently<'a>(&'a Folder);

impl Drop for Evidently<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let to = std::env::temp_dir().join(format!("booking-chaos-{}", std::process::id()));
            let copied = Command::new("cp").arg("-r").arg(self.0.path()).arg(&to).status();
            say(&format!("chaos: stores, logs and receipts are in {} ({copied:?})", to.display()));
        }
    }
}

/// A service: its role, and which of its replicas.
type One = (RoleName, usize);

#[derive(Debug, Default)]
struct Struck {
    kills: usize,
    stops: usize,
    freezes: usize,
    freezes_of_tables: usize,
    /// How many of the kills and stops were against receipt.
    of_receipt: usize,
}

/// A service that stands still, until when, and who does its work meanwhile.
struct Stopped {
    one: One,
    until_s: u64,
    stand_in: Option<Service>,
}

/// Strikes by the schedule, whole rounds of it, until `enough`.
async fn strike(cast: &mut Cast<'_>, seed: u64, enough: impl Fn() -> bool) -> Struck {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut struck = Struck::default();
    let mut stopped: Option<Stopped> = None;
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for now_s in 0.. {
        seconds.tick().await;
        let at_s = now_s % ROUND_S;
        if at_s == 0 && now_s > 0 && enough() {
            break;
        }
        if let Some(it) = stopped.take_if(|it| it.until_s == now_s) {
            cast.of(it.one).signal("CONT");
            // Both are there for a moment: one of them with leases that it lost while it slept.
            let killed = usize::from(it.stand_in.is_some());
            struck.kills += killed;
            struck.of_receipt += if it.one.0 == RoleName::Receipt { killed } else { 0 };
            drop(it.stand_in);
        }
        if let Some((_, replaced)) = STOP_AT_S.iter().find(|it| it.0 == at_s) {
            let everyone = cast.everyone();
            let one = everyone[rng.usize(..everyone.len())];
            cast.of(one).signal("STOP");
            struck.of_receipt += usize::from(one.0 == RoleName::Receipt);
            let stand_in = replaced.then(|| cast.spawn(one));
            stopped = Some(Stopped { one, until_s: now_s + STOP_FOR_S, stand_in });
            struck.stops += 1;
        }
        if at_s == FREEZE_AT_S {
            cast.localstack.freeze();
            let localstack = cast.localstack;
            eventually("the emulator to stand still", async || {
                (!localstack.answers().await).then_some(())
            })
            .await;
            struck.freezes += 1;
        }
        if at_s == FREEZE_AT_S + FREEZE_FOR_S {
            cast.localstack.thaw();
        }
        if let Some(tables) = cast.dynamodb {
            if at_s == FREEZE_TABLES_AT_S {
                tables.freeze();
                struck.freezes_of_tables += 1;
            }
            if at_s == FREEZE_TABLES_AT_S + FREEZE_TABLES_FOR_S {
                tables.thaw();
            }
        }
        if at_s.is_multiple_of(KILL_EVERY_S) {
            let mut victims = cast.everyone();
            victims.retain(|it| stopped.as_ref().is_none_or(|stopped| stopped.one != *it));
            let victim = victims[rng.usize(..victims.len())];
            cast.restart(victim);
            struck.kills += 1;
            struck.of_receipt += usize::from(victim.0 == RoleName::Receipt);
        }
        cast.tend();
    }
    assert!(stopped.is_none(), "a round ends with everybody awake");
    struck
}

/// Publishes at a steady rate whatever happens, each booking until it is taken. Returns how many
/// requests were said again.
async fn publish(
    account: Arc<Account>,
    machine: Option<Arc<Machine>>,
    asked: Vec<(BookingId, Wish)>,
) -> usize {
    let every = if machine.is_some() { START_EVERY } else { PUBLISH_EVERY };
    let mut beat = tokio::time::interval(every);
    let mut clients = JoinSet::new();
    for (id, wish) in asked {
        beat.tick().await;
        let (account, event) = (Arc::clone(&account), requested(&id, wish.request()));
        let machine = machine.clone();
        clients.spawn(async move { until_taken(&account, machine.as_deref(), &event).await });
    }
    clients.join_all().await.into_iter().sum()
}

/// Says it until it is taken; returns how often it said it again.
async fn until_taken(account: &Account, machine: Option<&Machine>, event: &Event) -> usize {
    let text = wire::encode(event).unwrap().body;
    let say = async || match machine {
        Some(machine) => machine.start(event).await,
        None => account.try_publish(&text).await.is_ok(),
    };
    let patience = Instant::now() + PATIENCE;
    let mut again = 0;
    while Instant::now() < patience {
        if let Ok(true) = tokio::time::timeout(CLIENT_PATIENCE, say()).await {
            return again;
        }
        again += 1;
    }
    panic!("nothing was taken in {again} tries");
}

/// Waits until nothing is left to do; says how long that took.
async fn drain(cast: &mut Cast<'_>, account: &Account) -> Duration {
    let (began, names) = (Instant::now(), cast.machine.map_or(&account.names, |it| &it.names));
    drained(account, names, async || {
        cast.tend();
        nobody_waits(cast).await
    })
    .await;
    began.elapsed()
}

/// Whether status answers, and has no open booking.
async fn nobody_waits(cast: &mut Cast<'_>) -> bool {
    let url = format!("http://{}/bookings?order=stalest", cast.of((RoleName::Status, 0)).address);
    let Ok(answer) = reqwest::get(url).await else { return false };
    answer.json::<Value>().await.is_ok_and(|it| it["bookings"] == Value::Array(Vec::new()))
}
