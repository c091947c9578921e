//! What one delivery of a task does, in all the ways it can go, with the real worker.

use std::rc::Rc;

use booking::{
    domain::RoleName,
    roles::{PaymentRole, ReceiptRole, SeatsRole, StatusRole},
    runtime::Ended,
    topics,
};
use jiff::Timestamp;

use super::{
    scenarios::Guard,
    world::{Delivery, Effect, Letter, Model, World},
};
use crate::{
    harness::incoming,
    searches::exhaustive::{
        hand::{self, Cell, Fault, Reads, Run},
        known::broken,
        model::HOLD_LIMIT,
    },
};

impl Model {
    /// Lets the real worker deal with a message: to the end; stopped after each operation; and with
    /// each operation failing, done and not done.
    ///
    /// # Errors
    /// When one of them breaks what must hold.
    pub fn effects(
        &mut self,
        world: &World,
        number: usize,
    ) -> Result<(Delivery, Rc<[Effect]>), String> {
        let Letter { role, cell, token, .. } = &self.letters[number];
        let (role, cell) = (*role, *cell);
        let awaited = token
            .as_ref()
            .is_some_and(|token| world.machines.iter().any(|it| self.waits(it.0, token)));
        let (written, late) = (world.written[cell], world.late && cell == 0);
        let key = (cell, written, late, awaited, number);
        if let Some(effects) = self.effects.get(&key) {
            return Ok((key, Rc::clone(effects)));
        }
        let body = self.letters[number].body.clone();
        let run = |model: &Model, stop_at, fault| {
            let from = &model.cells[cell][usize::from(written)];
            model.run(role, from, (late, awaited), &body, stop_at, fault)
        };
        let whole = run(self, usize::MAX, None);
        // Without that guard, an execution has a name for which nothing was sealed.
        if whole.set_aside.is_some() && self.guard != Some(Guard::NameAsId) {
            return broken(format!("H10 set aside: {:?}", whole.set_aside));
        }
        if whole.ended == Some(Ended::Done) {
            let again = self.run(role, &whole.cell, (late, awaited), &body, usize::MAX, None);
            let same = format!("{:?}", again.cell) == format!("{:?}", whole.cell);
            if !same || again.published != whole.published {
                return broken("A1 the second delivery is not a no-op");
            }
            if again.answered != whole.answered {
                return broken("J4 the second answer is another");
            }
        }
        let mut effects = vec![self.effect(cell, &whole, "to the end".to_owned())];
        let steps = if self.failing.contains(&role) { whole.steps.len() } else { 0 };
        for stop_at in 1..steps {
            let stopped = run(self, stop_at, None);
            let before = whole.steps[stop_at].operation;
            effects.push(self.effect(cell, &stopped, format!("dies before {before:?}")));
        }
        for at in 0..steps {
            for done in [false, true] {
                let failed = run(self, usize::MAX, Some(Fault { at, done, kept: false }));
                let how = if done { "is done, but its answer lost" } else { "fails" };
                let words = format!("{:?} {how}", whole.steps[at].operation);
                effects.push(self.effect(cell, &failed, words));
            }
        }
        let mut different: Vec<Effect> = Vec::new();
        for effect in effects {
            let same = |it: &Effect| {
                (it.written, it.sent, it.gone, &it.answered)
                    == (effect.written, effect.sent, effect.gone, &effect.answered)
            };
            if !different.iter().any(same) {
                different.push(effect);
            }
        }
        let different: Rc<[Effect]> = different.into();
        self.effects.insert(key, Rc::clone(&different));
        Ok((key, different))
    }

    /// What status makes of all that it is told of a booking.
    pub fn status(&self, world: &World, booking: usize) -> Cell {
        let of = Model::cell_of(RoleName::Status, booking);
        let told = self.letters.iter().enumerate().filter(|(at, it)| {
            it.cell == of && it.role == RoleName::Status && world.sent & 1 << at != 0
        });
        told.fold(Cell::default(), |cell, (_, it)| {
            let run = self.run(RoleName::Status, &cell, (false, false), &it.body, usize::MAX, None);
            assert!(run.deleted, "status deals with what it is told");
            run.cell
        })
    }

    fn run(
        &self,
        role: RoleName,
        from: &Cell,
        (late, awaited): (bool, bool),
        body: &str,
        stop_at: usize,
        fault: Option<Fault>,
    ) -> Run {
        let start: Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
        let later = if late { 2 * HOLD_LIMIT.as_millis() as i64 } else { 0 };
        let from = (from, start.as_millisecond() + later);
        let incoming = incoming(body.to_owned());
        let remembers = self.guard != Some(Guard::Memo);
        let it = (&incoming, Reads::Tasks { key: &self.key, remembers, awaited });
        match role {
            RoleName::Seats => {
                hand::run(|_| SeatsRole(self.seats.clone()), from, it, &[], stop_at, fault)
            }
            RoleName::Payment => hand::run(PaymentRole, from, it, &[], stop_at, fault),
            RoleName::Receipt => hand::run(ReceiptRole, from, it, &[], stop_at, fault),
            RoleName::Status => hand::run(|_| StatusRole, from, it, &[], stop_at, fault),
        }
    }

    fn effect(&mut self, cell: usize, run: &Run, words: String) -> Effect {
        let written = self.write_down(cell, run.cell.clone());
        let mut sent = 0;
        for message in &run.published {
            let body = message.told();
            let hears = |it: &RoleName| topics::subscriptions(*it).contains(&message.kind);
            for role in RoleName::ALL.into_iter().filter(hears) {
                sent |= self.letter(role, &body);
            }
        }
        let answered = run.answered.iter().map(|(_, answer)| {
            let known = self.answers.iter().position(|it| it == answer);
            known.unwrap_or_else(|| {
                self.answers.push(answer.clone());
                self.answers.len() - 1
            })
        });
        let answered = answered.collect();
        Effect { written, sent, answered, gone: run.deleted, words }
    }
}
