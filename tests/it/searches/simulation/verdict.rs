//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use booking::{
    audit::Evidence,
    domain::{RoleName, ids::BookingId, request::Request, seat::Seating, status::Phase},
    store::Write,
};

use super::{driver::Run, faults::Tally, guards::Guard, hostile, world::Sent};

/// How one run came out.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub seed: u64,
    pub bookings: u64,
    pub deliveries: u64,
    pub tally: Tally,
    pub sent: Sent,
    pub endings: BTreeMap<Phase, usize>,
    pub violations: Vec<String>,
    pub hash: u64,
    pub trace: Vec<String>,
}

/// Every so many seeds, all messages come once more at the end.
const ECHO_EVERY: u64 = 8;

/// Plays one seed to the end.
pub fn judge(seed: u64, bookings: usize, without: Option<Guard>, told: bool) -> Verdict {
    let mut run = Run::new(seed, bookings, without, told);
    run.play();
    let mut endings = BTreeMap::new();
    if run.sim.lock().watch.violations.is_empty() {
        endings = run.audit();
        if seed.is_multiple_of(ECHO_EVERY) {
            run.echo(seed % (2 * ECHO_EVERY) == ECHO_EVERY);
        }
    }
    let world = &mut *run.sim.lock();
    Verdict {
        seed,
        bookings: run.plan.bookings.len() as u64,
        deliveries: world.deliveries,
        tally: world.tally.clone(),
        sent: world.sent,
        endings,
        violations: std::mem::take(&mut world.watch.violations),
        hash: world.trace.hash(),
        trace: std::mem::take(&mut world.trace.lines),
    }
}

impl Run {
    fn violates(&self, invariant: &str, found: String) {
        self.sim.lock().watch.violates(invariant, found);
    }

    fn evidence(&self) -> Evidence {
        let world = self.sim.lock();
        let letters = world.mailbox.sent.keys().cloned().collect();
        let stored = |role: RoleName| self.stores[&role].engine().all();
        Evidence::gather(stored, world.gateway.ledger.clone(), letters).expect("rows can be read")
    }

    /// The auditor of the demo, and what only the simulation can know.
    fn audit(&self) -> BTreeMap<Phase, usize> {
        let evidence = self.evidence();
        for it in evidence.violations() {
            self.violates(it.invariant, format!("{}: {}", it.about, it.found));
        }
        let records: BTreeMap<&BookingId, _> = evidence.records().collect();
        for booking in &self.plan.bookings {
            match records.get(booking).map(|it| it.standing()) {
                None => self.violates("H10 nothing disappears", format!("{booking} is unknown")),
                Some(it) if !it.is_final => {
                    let found =
                        format!("{booking} is {} and waits for {:?}", it.phase, it.waiting_for);
                    self.violates("H8 every booking ends", found);
                }
                Some(it) if it.conflict && !self.plan.twins.contains(booking) => {
                    self.violates("H8 every booking ends", format!("{booking} is in conflict"));
                }
                Some(_) => {}
            }
        }
        self.check_honest(&evidence);
        let world = self.sim.lock();
        let mut aside = Vec::new();
        for (role, dead) in &world.queues.dead {
            for it in dead.iter().filter(|it| it.letter.junk.is_none()) {
                let booking = it.letter.about.as_ref().map(|it| &it.booking);
                if booking.is_none_or(|it| !self.plan.twins.contains(it)) {
                    aside.push(format!("{role} set {booking:?} aside: {:?}", it.why));
                }
            }
        }
        drop(world);
        for it in aside {
            self.violates("H10 nothing disappears", it);
        }
        evidence.endings().0
    }

    /// I4, I7: a booking is told by its own request; and one that nobody else competes with
    /// completes, whatever the hostile client does.
    fn check_honest(&self, evidence: &Evidence) {
        let says = self.plan.says.iter().filter(|it| it.junk.is_none());
        let asked: Vec<(&BookingId, String, Request)> = says
            .clone()
            .filter_map(|it| {
                let (digest, request) = hostile::request_of(&it.text)?;
                Some((&it.about.as_ref()?.booking, digest, request))
            })
            .collect();
        let by_digest: BTreeMap<String, Request> =
            asked.iter().map(|(_, digest, request)| (digest.clone(), request.clone())).collect();
        let mut wanted = BTreeMap::<_, BTreeSet<&BookingId>>::new();
        for (booking, _, request) in &asked {
            let Seating { flight, seats, .. } = &request.seating;
            for it in seats {
                wanted.entry((flight, *it)).or_default().insert(booking);
            }
        }
        let records: BTreeMap<&BookingId, _> = evidence.records().collect();
        let first = self.sim.lock().without == Some(Guard::Answered);
        for booking in &self.plan.bookings {
            let Some(record) = records.get(booking) else { continue };
            if let Some(found) = hostile::mistold(booking, record, &by_digest, first) {
                self.violates("I4 told by its own request", found);
            }
        }
        for (booking, _, request) in &asked {
            let Some(record) = records.get(booking) else { continue };
            let Seating { flight, seats, .. } = &request.seating;
            let alone = seats.iter().all(|it| wanted[&(flight, *it)].len() == 1);
            let honest = !self.plan.twins.contains(booking)
                && request.payment.token.reveal() == "tok_visa"
                && flight.as_str() != "ZZ404";
            let phase = record.standing().phase;
            if alone && honest && phase != Phase::Completed {
                let found = format!("{booking} wants what nobody else does, and is {phase}");
                self.violates("I7 an honest booking is nobody else's business", found);
            }
        }
    }

    /// Every message once more, days later, and with or without the memos: nothing changes (A24,
    /// A25).
    fn echo(&mut self, wiped: bool) {
        if wiped {
            self.wipe_memos();
        }
        let before = self.rows();
        let (ledger, sent) = {
            let world = &mut *self.sim.lock();
            let ever = std::mem::take(&mut world.queues.ever);
            for (role, letters) in ever {
                letters.into_values().for_each(|it| world.put(role, it));
            }
            world.now_ms += 3 * 24 * 3_600_000;
            (world.gateway.ledger.clone(), world.mailbox.times)
        };
        self.settle_down(1_000_000);
        let after = self.rows();
        for row in after.difference(&before) {
            self.violates("A25 late is nothing new", format!("a row became {row:?}"));
        }
        let world = &mut *self.sim.lock();
        if world.gateway.ledger != ledger || world.mailbox.times != sent {
            world.watch.violates("A24 late is nothing new", "money or mail moved".to_owned());
        }
    }

    fn rows(&self) -> BTreeSet<(RoleName, String, String)> {
        let mut rows = BTreeSet::new();
        for (role, store) in &self.stores {
            let all = store.engine().all().expect("rows can be read");
            // As values: who writes a row again may order its fields anew.
            let value = |body: &str| serde_json::from_str::<serde_json::Value>(body);
            let value = |body: &str| value(body).expect("a row is JSON").to_string();
            rows.extend(all.into_iter().map(|(key, body)| (*role, key, value(&body))));
        }
        rows
    }

    fn wipe_memos(&self) {
        for store in self.stores.values() {
            let mut engine = store.engine();
            for (key, body) in engine.all().expect("rows can be read") {
                let mut kept: serde_json::Value = serde_json::from_str(&body).expect("JSON");
                kept.as_object_mut().expect("an object").remove("memos");
                let version = engine.read(std::slice::from_ref(&key)).expect("readable");
                let read_version = version[0].as_ref().map_or(0, |it| it.version);
                let write = Write { key, read_version, body: kept.to_string(), listing: None };
                engine.commit_all(&[&[write]]).expect("a row can be written");
            }
        }
    }
}
