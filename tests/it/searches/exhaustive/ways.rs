//! What one delivery does, in all the ways it can go.
//!
//! A delivery depends on nothing but its message, its role's rows and the role's clock: the real
//! worker is run once for each different combination, and what came of it is remembered.

use std::rc::Rc;

use booking::{
    domain::RoleName,
    roles::{PaymentRole, ReceiptRole, SeatsRole, StatusRole},
    wire::Incoming,
};
use jiff::Timestamp;

use super::{
    hand::{self, Cell, Fault, Operation, Reads, Run, Step},
    known::check_step,
    model::{HOLD_LIMIT, Model, Turn},
    outside::{CHARGE, REFUND},
};

/// One way in which a turn can go.
#[derive(Clone, Debug)]
pub struct Effect {
    pub written: u16,
    pub suspended: u16,
    pub published: u64,
    pub gone: bool,
    /// How it went, as a violation's path tells it.
    pub words: String,
}

impl Model {
    /// All the ways in which this turn can go.
    ///
    /// # Errors
    /// When one of them breaks an invariant.
    pub fn effects(
        &mut self,
        cell: usize,
        written: u16,
        late: bool,
        turn: Turn,
    ) -> Result<Rc<[Effect]>, String> {
        // Nobody but seats looks at the time.
        let late = late && cell == 0;
        let key = (cell as u8, written, late, turn);
        if let Some(effects) = self.turns.get(&key) {
            return Ok(Rc::clone(effects));
        }
        let mut effects = match turn {
            Turn::Forget => self.changed(cell, written, "its keys are too old", Cell::forget)?,
            Turn::CatchUp => {
                self.changed(cell, written, "the charge is there", |it| it.unseen = false)?
            }
            Turn::Deliver(message) => self.ways(cell, written, late, message, &[])?,
            Turn::Resume(number) => {
                let it = &self.drawers[cell].suspended[usize::from(number) - 1];
                let (message, steps) = (it.message, it.steps.clone());
                self.ways(cell, written, late, message, &steps)?
            }
        };
        let mut different: Vec<Effect> = Vec::new();
        for effect in effects.drain(..) {
            let same = |it: &Effect| {
                (it.written, it.suspended, it.published, it.gone)
                    == (effect.written, effect.suspended, effect.published, effect.gone)
            };
            if !different.iter().any(same) {
                different.push(effect);
            }
        }
        let different: Rc<[Effect]> = different.into();
        self.turns.insert(key, Rc::clone(&different));
        Ok(different)
    }

    /// Lets the worker finish; stops it after each operation; suspends it where somebody could come
    /// in between; and lets each operation fail, done and not done.
    fn ways(
        &mut self,
        cell: usize,
        written: u16,
        late: bool,
        message: u8,
        before: &[Step],
    ) -> Result<Vec<Effect>, String> {
        let run = |model: &Model, stop_at, fault| {
            let from = &model.drawers[cell].written[usize::from(written)].0;
            model.run(cell, from, late, message, before, stop_at, fault)
        };
        let whole = run(self, usize::MAX, None);
        if before.is_empty() {
            self.check_ends(cell, late, message, &whole)?;
        }
        let named = |at: usize| -> String {
            let operation = whole.steps[at].operation;
            let of_kind = |it: &&Step| it.operation == operation;
            let nth = whole.steps[..=at].iter().filter(of_kind).count();
            match operation {
                Operation::Publish => format!("publish {}", whole.published[nth - 1].kind),
                Operation::Effect(name) => name.to_owned(),
                Operation::Read | Operation::Commit if nth > 1 => {
                    format!("{operation:?} no. {nth}")
                }
                _ => format!("{operation:?}"),
            }
            .to_lowercase()
        };
        let mut effects = Vec::new();
        for stop_at in before.len() + 1..whole.steps.len() {
            let stopped = run(self, stop_at, None);
            let (last, next) = (named(stop_at - 1), named(stop_at));
            if stopped.can_be_overtaken() {
                let suspended = self.suspend(cell, message, &stopped.steps);
                let words = format!("suspended after {last}, before {next}");
                effects.push(self.effect(cell, written, message, &stopped, suspended, words)?);
            }
            let words = format!("dies after {last}, before {next}");
            effects.push(self.effect(cell, written, message, &stopped, 0, words)?);
        }
        // How a worker takes a failure is seen with the deliveries from the start: once is enough.
        let fail = if before.is_empty() { 0..whole.steps.len() } else { 0..0 };
        for at in fail {
            let asks = [Operation::Effect(CHARGE), Operation::Effect(REFUND)];
            let can_keep = asks.contains(&whole.steps[at].operation);
            let repeats = self.provider.repeats_failures && can_keep;
            for (done, kept) in [(false, false), (true, false), (false, true), (true, true)] {
                if kept && !repeats {
                    continue;
                }
                let failed = run(self, usize::MAX, Some(Fault { at, done, kept }));
                let how = if done { "is done, but its answer lost" } else { "fails" };
                let repeated = if kept { ", and that is repeated" } else { "" };
                let words = format!("{} {how}{repeated}", named(at));
                effects.push(self.effect(cell, written, message, &failed, 0, words)?);
            }
        }
        effects.insert(0, self.effect(cell, written, message, &whole, 0, "to the end".into())?);
        Ok(effects)
    }

    /// H10, A1: a delivery that is let finish comes to its end within a few tries, and the same
    /// message again is then a no-op that says nothing new. If the gateway repeats a failure, the
    /// end comes when it has forgotten that.
    fn check_ends(&self, cell: usize, late: bool, message: u8, whole: &Run) -> Result<(), String> {
        let again = |from: &Cell| self.run(cell, from, late, message, &[], usize::MAX, None);
        let tried = |from: &Cell| {
            let mut last = again(from);
            for _ in 0..2 {
                if last.deleted && whole.deleted {
                    break;
                }
                last = again(&last.cell);
            }
            last
        };
        let mut last = tried(&whole.cell);
        if !last.deleted && last.cell.is_stuck() {
            last.cell.forget();
            last = tried(&last.cell);
        }
        if !last.deleted {
            return Err("H10 it is never dealt with, however often it is tried".to_owned());
        }
        let repeated = again(&last.cell);
        if format!("{:?}", repeated.cell.rows) != format!("{:?}", last.cell.rows)
            || repeated.published != last.published
        {
            return Err("A1 the second delivery is not a no-op".to_owned());
        }
        Ok(())
    }

    /// The gateway changes by itself.
    fn changed(
        &mut self,
        cell: usize,
        written: u16,
        words: &str,
        change: impl FnOnce(&mut Cell),
    ) -> Result<Vec<Effect>, String> {
        let mut after = self.drawers[cell].written[usize::from(written)].0.clone();
        change(&mut after);
        let written = self.write_down(cell, after)?;
        let words = words.to_owned();
        Ok(vec![Effect { written, suspended: 0, published: 0, gone: false, words }])
    }

    #[expect(clippy::too_many_arguments, reason = "a delivery and how it goes")]
    fn run(
        &self,
        cell: usize,
        from: &Cell,
        late: bool,
        message: u8,
        steps: &[Step],
        stop_at: usize,
        fault: Option<Fault>,
    ) -> Run {
        let incoming = &self.letters[usize::from(message)].incoming;
        self.deliver(cell, from, late, incoming, steps, stop_at, fault)
    }

    #[expect(clippy::too_many_arguments, reason = "a delivery and how it goes")]
    pub fn deliver(
        &self,
        cell: usize,
        from: &Cell,
        late: bool,
        incoming: &Incoming,
        steps: &[Step],
        stop_at: usize,
        fault: Option<Fault>,
    ) -> Run {
        let role = Model::role_of(cell);
        let from = (from, now_ms(role, late));
        let it = (incoming, Reads::Events(&self.hostile, self.provider));
        match role {
            RoleName::Seats => {
                let seats = |_| SeatsRole(self.seats.clone());
                hand::run(seats, from, it, steps, stop_at, fault)
            }
            RoleName::Payment => hand::run(PaymentRole, from, it, steps, stop_at, fault),
            RoleName::Receipt => hand::run(ReceiptRole, from, it, steps, stop_at, fault),
            RoleName::Status => hand::run(|_| StatusRole, from, it, steps, stop_at, fault),
        }
    }

    fn effect(
        &mut self,
        cell: usize,
        before: u16,
        message: u8,
        run: &Run,
        suspended: u16,
        words: String,
    ) -> Result<Effect, String> {
        let written =
            self.write_down(cell, run.cell.clone()).map_err(|it| format!("{it} ({words})"))?;
        let drawer = &self.drawers[cell].written;
        let (before, after) = (&drawer[usize::from(before)].1, &drawer[usize::from(written)].1);
        let letter = &self.letters[usize::from(message)];
        check_step(self.conflicts, before, after, letter, run)
            .map_err(|it| format!("{it} ({words})"))?;
        let published = self.bits(&run.published);
        Ok(Effect { written, suspended, published, gone: run.deleted, words })
    }
}

fn now_ms(role: RoleName, late: bool) -> i64 {
    let start: Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
    let later = late && role == RoleName::Seats;
    start.as_millisecond() + if later { 2 * HOLD_LIMIT.as_millis() as i64 } else { 0 }
}
