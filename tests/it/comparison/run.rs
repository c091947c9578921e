//! The stretches of one road, one after the other. A road whose audit finds something, or whose
//! bookings ended as they must not, has no figures.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use booking::{
    audit::Evidence,
    clock::Clock,
    domain::{
        RoleName,
        ids::BookingId,
        status::{Phase, Record},
    },
};
use jiff::{Timestamp, civil::date};

use super::{
    asked::{Asked, happy, may_end, mixed},
    client::{Begun, ask_all},
    results::{Latency, Measured, Outage, Stretch},
    road::Road,
    stage::{ROUND_TRIP, Stage},
    tally::Tally,
};
use crate::harness::say;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub mix: usize,
    pub happy: usize,
    pub slow: usize,
    pub outage: usize,
    pub idle: Duration,
    /// The time between two bookings that complete, two of the mix, and two in an outage.
    pub every_happy: Duration,
    pub every_mixed: Duration,
    pub every: Duration,
}

/// Bookings that nothing is counted of: connections and caches are there afterwards.
pub const WARM: usize = 5;
/// The round trip of the stretch that tells how many requests follow each other.
pub const SLOW_ROUND_TRIP: Duration = Duration::from_millis(60);
/// How long something is stopped, and when.
pub const STOPPED_FOR: Duration = Duration::from_secs(30);
pub const STOPPED_AFTER: Duration = Duration::from_secs(10);
/// How long an audit may see open bookings after the queues are empty.
const LATE_MAX: usize = 40;

/// A run of one road.
struct Run {
    stage: Stage,
    plan: Plan,
    /// All bookings until now.
    ids: Vec<BookingId>,
}

/// Measures one road.
pub async fn measure(road: Road, plan: Plan) -> Measured {
    let began = Instant::now();
    let stage = Stage::begin(road).await;
    say(&format!("compare {}: all four poll after {:.0?}", road.as_str(), began.elapsed()));
    let mut run = Run { stage, plan, ids: Vec::new() };
    run.stretch(happy("warm", WARM, date(2027, 6, 1)), plan.every_happy).await;
    let simple = happy("happy", plan.happy, date(2027, 4, 1));
    let simple = run.stretch(simple, plan.every_happy).await;
    let idle = run.idle().await;
    let slow = match plan.slow {
        0 => None,
        count => Some(run.slowly(happy("slow", count, date(2027, 6, 2))).await),
    };
    let asked = mixed(plan.mix, plan.seed, date(2027, 3, 1));
    let mix = run.stretch(asked.clone(), plan.every_mixed).await;
    for (id, expected) in may_end(&asked) {
        let ended = mix.endings[id.as_str()];
        assert!(expected.endings(road).contains(&ended), "{id} ended as {ended}: {expected:?}");
    }
    let mut outages = Vec::new();
    if plan.outage > 0 {
        let roles = RoleName::ALL.into_iter().map(Some).chain([None]);
        for (nth, role) in roles.enumerate() {
            outages.push(run.outage(nth, role).await);
        }
    }
    let evidence = run.stage.evidence(&run.ids).await;
    let violations = evidence.violations();
    let measured = Measured {
        road,
        date: Clock::Machine.now().to_string()[..10].to_owned(),
        seed: plan.seed,
        per_s: 1.0 / plan.every_happy.as_secs_f64(),
        mix_per_s: 1.0 / plan.every_mixed.as_secs_f64(),
        happy: simple,
        slow,
        idle,
        idle_s: plan.idle.as_secs_f64(),
        mix,
        outages,
        violations: violations.iter().map(|it| format!("{it:?}")).collect(),
        audited: run.ids.len(),
        took_s: began.elapsed().as_secs_f64(),
    };
    assert_eq!(measured.violations, Vec::<String>::new());
    measured
}

impl Run {
    /// Asks for bookings, and waits for their ends.
    async fn stretch(&mut self, asked: Asked, every: Duration) -> Stretch {
        let before = self.stage.tally();
        let ids: Vec<BookingId> = asked.iter().map(|it| it.0.clone()).collect();
        let first = ids.first().map(ToString::to_string).unwrap_or_default();
        let began = Instant::now();
        let begun = ask_all(Arc::clone(&self.stage.client), asked, every).await;
        let asked_in = began.elapsed();
        self.stage.drain().await;
        let tally = self.stage.tally().since(&before);
        let evidence = self.ended(&ids).await;
        let (endings, latency) = tell(&evidence, &begun);
        say(&format!(
            "compare {}: {} from {first} on, asked in {asked_in:.0?}, ended in {:.0?}: {latency:?}",
            self.stage.road.as_str(),
            ids.len(),
            began.elapsed(),
        ));
        let transitions = self.stage.transitions(&ids).await;
        self.ids.extend(ids);
        Stretch { bookings: endings.len(), tally, transitions, endings, latency }
    }

    /// What these have left behind, once all of them have ended.
    async fn ended(&self, ids: &[BookingId]) -> Evidence {
        for _ in 0..LATE_MAX {
            let evidence = self.stage.evidence(ids).await;
            let (endings, open) = evidence.endings();
            if open == 0 && endings.values().sum::<usize>() == ids.len() {
                return evidence;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("{:?} of {} bookings", self.stage.evidence(ids).await.endings(), ids.len());
    }

    /// What it takes to wait for a booking. A figure over time, so it takes time.
    async fn idle(&self) -> Tally {
        let before = self.stage.tally();
        tokio::time::sleep(self.plan.idle).await;
        self.stage.tally().since(&before)
    }

    /// The same bookings over a longer way.
    async fn slowly(&mut self, asked: Asked) -> Latency {
        self.stage.add(SLOW_ROUND_TRIP);
        let stretch = self.stretch(asked, self.plan.every_happy).await;
        self.stage.add(ROUND_TRIP);
        stretch.latency[&Phase::Completed]
    }

    /// Stops a role, or what stands in the middle, while bookings are asked for.
    async fn outage(&mut self, nth: usize, role: Option<RoleName>) -> Outage {
        let stopped = role.map_or(self.stage.road.middle().to_owned(), |it| it.to_string());
        let seed = self.plan.seed + 1 + nth as u64;
        let day = date(2027, 7, 1).checked_add(jiff::Span::new().days(nth as i64)).unwrap();
        let asked = mixed(self.plan.outage, seed, day);
        let ids: Vec<BookingId> = asked.iter().map(|it| it.0.clone()).collect();
        let dead_before = self.stage.dead_letters().await;
        let failed_before = self.stage.failed_executions().await;
        let client = Arc::clone(&self.stage.client);
        let asking = tokio::spawn(ask_all(client, asked, self.plan.every));
        tokio::time::sleep(STOPPED_AFTER).await;
        let from = Clock::Machine.now();
        self.stop(role, true).await;
        tokio::time::sleep(STOPPED_FOR).await;
        self.stop(role, false).await;
        let until = Clock::Machine.now();
        let begun = asking.await.unwrap();
        self.stage.drain().await;
        let evidence = self.ended(&ids).await;
        let told = OutageTold { from, until, begun: &begun, evidence: &evidence }.told();
        let (endings, _) = evidence.endings();
        let outage = Outage {
            stopped,
            bookings: ids.len(),
            endings,
            dead_letters: self.stage.dead_letters().await - dead_before,
            failed_executions: self.stage.failed_executions().await - failed_before,
            ..told
        };
        say(&format!("compare {}: {outage:?}", self.stage.road.as_str()));
        self.ids.extend(ids);
        outage
    }

    /// Stops it where it stands, or lets it go on.
    async fn stop(&self, role: Option<RoleName>, stopped: bool) {
        match role {
            Some(role) => self.stage.stop(role, stopped).await,
            None => self.stage.refuse_the_middle(stopped),
        }
    }
}

/// What an outage is told by.
struct OutageTold<'a> {
    from: Timestamp,
    until: Timestamp,
    begun: &'a Begun,
    evidence: &'a Evidence,
}

impl OutageTold<'_> {
    /// The part of an outage that the records of status tell.
    fn told(&self) -> Outage {
        let (mut ended_meanwhile, mut decided_meanwhile) = (0, 0);
        let (mut stood, mut last) = (BTreeMap::new(), self.until);
        for (_, record) in self.evidence.records() {
            let heard = heard_last(record);
            ended_meanwhile += usize::from(heard <= self.until);
            last = last.max(heard);
            let then = as_it_stood(record, self.until);
            if then.timeline().is_empty() {
                continue;
            }
            let then = then.standing();
            if then.is_final {
                decided_meanwhile += 1;
            } else {
                *stood.entry(then.phase.to_string()).or_default() += 1;
            }
        }
        let asked = |from: Timestamp, until: Timestamp| {
            self.begun.at.values().filter(|it| (from..until).contains(it)).count()
        };
        Outage {
            stopped: String::new(),
            bookings: 0,
            asked_before: asked(Timestamp::MIN, self.from),
            asked_meanwhile: asked(self.from, self.until),
            again: self.begun.again,
            decided_meanwhile,
            ended_meanwhile,
            stood,
            last_s: last.duration_since(self.until).as_secs_f64(),
            endings: BTreeMap::new(),
            dead_letters: 0,
            failed_executions: 0,
        }
    }
}

/// How each booking ended, and how long it took.
fn tell(evidence: &Evidence, begun: &Begun) -> (BTreeMap<String, Phase>, BTreeMap<Phase, Latency>) {
    let (mut endings, mut times) = (BTreeMap::new(), BTreeMap::<Phase, Vec<f64>>::new());
    for (id, record) in evidence.records() {
        let phase = record.standing().phase;
        endings.insert(id.to_string(), phase);
        let took = heard_last(record).duration_since(begun.at[id]);
        times.entry(phase).or_default().push(took.as_secs_f64() * 1000.0);
    }
    (endings, times.into_iter().map(|(phase, ms)| (phase, Latency::of(ms))).collect())
}

/// When status heard the last event of a booking.
fn heard_last(record: &Record) -> Timestamp {
    record.timeline().iter().map(|it| it.heard).max().unwrap()
}

/// What the services had said of a booking at a moment, whether or not status had heard it.
fn as_it_stood(record: &Record, at: Timestamp) -> Record {
    let mut stored = serde_json::to_value(record).unwrap();
    let facts = stored["facts"].as_array_mut().unwrap();
    facts.retain(|it| it["time"].as_str().unwrap().parse::<Timestamp>().unwrap() <= at);
    serde_json::from_value(stored).unwrap()
}
