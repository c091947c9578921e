//! What must hold in every world of the state machine, and how bookings end in a world at rest.

use booking::domain::{
    RoleName,
    ids::BookingId,
    payment::Payment,
    receipt::Join,
    seats::{Hold, Row},
    status::Record,
};
use serde::de::DeserializeOwned;

use super::{
    asl::At,
    world::{IDLE, Model, World},
};
use crate::searches::exhaustive::known::{Checked, broken, check_seats, own_row, payment, receipt};

impl Model {
    /// The holds of the bookings, as seats has them.
    pub fn holds(&self, world: &World) -> Vec<Option<Hold>> {
        let cell = self.cell(world, RoleName::Seats, 0);
        let hold = |id: &BookingId| match own_row(cell, &format!("booking/{id}"), &mut Vec::new()) {
            Some(Row::Booking(hold)) => Some(hold),
            Some(Row::Seat { .. }) | None => None,
        };
        self.bookings.iter().map(hold).collect()
    }

    fn row<T: DeserializeOwned>(&self, world: &World, role: RoleName, booking: usize) -> Option<T> {
        let key = format!("booking/{}", self.bookings[booking]);
        own_row(self.cell(world, role, booking), &key, &mut Vec::new())
    }

    /// What must hold in every world: H1, H2, H4, and that no seat is freed that is paid for.
    ///
    /// # Errors
    /// What is broken.
    pub fn check(&mut self, world: &World) -> Checked {
        if self.checked.insert(world.written) { self.check_written(world) } else { Ok(()) }
    }

    fn check_written(&self, world: &World) -> Checked {
        let holds = self.holds(world);
        check_seats(&self.bookings, self.cell(world, RoleName::Seats, 0), &holds)?;
        for (booking, hold) in holds.iter().enumerate() {
            let cell = self.cell(world, RoleName::Payment, booking);
            payment(self.row::<Payment>(world, RoleName::Payment, booking), cell)?;
            if matches!(hold, Some(Hold::Released { .. })) && self.keeps_money(world, booking) {
                return broken("H3 charged, and the seats were released");
            }
            let cell = self.cell(world, RoleName::Receipt, booking);
            receipt(self.row::<Join>(world, RoleName::Receipt, booking), cell)?;
        }
        Ok(())
    }

    fn keeps_money(&self, world: &World, booking: usize) -> bool {
        let ledger = &self.cell(world, RoleName::Payment, booking).ledger;
        ledger.iter().filter(|it| !it.refund).count() > ledger.iter().filter(|it| it.refund).count()
    }

    /// Whether nothing is to come but duplicates.
    pub fn rests(&self, world: &World) -> bool {
        let over = |(number, _): &(u16, u8)| {
            matches!(self.executions[usize::from(*number)].at, At::Succeeded | At::Failed(_))
        };
        world.sent & !world.gone & !self.of_status() == 0 && world.machines.iter().all(over)
    }

    /// How the bookings ended, in a world at rest.
    ///
    /// # Errors
    /// When one of them has not, or money, seat and receipt do not agree.
    pub fn ending(&self, world: &World) -> Result<String, String> {
        let mut texts = Vec::new();
        for (number, _) in world.machines {
            let execution = &self.executions[usize::from(number)];
            let known = self.bookings.iter().any(|it| it.as_str() == execution.name);
            if !known && execution.name != IDLE {
                return broken(format!(
                    "J5 a second execution for one request: {:?}",
                    execution.at
                ));
            }
        }
        for (booking, hold) in self.holds(world).iter().enumerate() {
            let id = self.bookings[booking].as_str();
            let mut machines = world.machines.iter().map(|it| &self.executions[usize::from(it.0)]);
            let failed = machines.find_map(|it| match &it.at {
                At::Failed(error) if it.name == id => Some(error.as_str()),
                _ => None,
            });
            let status = self.status(world, booking);
            let record: Option<Record> =
                own_row(&status, &format!("booking/{id}"), &mut Vec::new());
            let standing = record.unwrap_or_default().standing();
            let join: Option<Join> = self.row(world, RoleName::Receipt, booking);
            let sent = self.cell(world, RoleName::Receipt, booking).mails.len() == 1;
            let valid = join.is_some_and(|it| it.valid());
            let money = self.keeps_money(world, booking);
            let seated = matches!(hold, Some(Hold::Confirmed { .. }));
            if failed.is_none() && (money != seated || (sent && valid) != seated) {
                return broken(format!("G {id}: money {money}, seat {seated}, receipt {valid}"));
            }
            let lost = matches!(hold, Some(Hold::Refused { .. } | Hold::Released { .. }));
            if lost && (money || (sent && valid)) {
                return broken(format!(
                    "G {id} has lost its seats, money {money}, receipt {valid}"
                ));
            }
            if failed.is_none() && !standing.is_final {
                return broken(format!("G {id} is not at its end: {standing:?}"));
            }
            let void = if sent && !valid { " (receipt void)" } else { "" };
            let machine = failed.map(|it| format!(" ({it})")).unwrap_or_default();
            texts.push(format!("{}{void}{machine}", standing.phase));
        }
        Ok(texts.join(" | "))
    }

    /// What is written down and where the executions are, for a person.
    pub fn describe(&self, world: &World) -> String {
        let machines = world.machines.iter().map(|it| &self.executions[usize::from(it.0)].at);
        format!(
            "{:?} {:?} {:?}",
            machines.collect::<Vec<_>>(),
            self.holds(world),
            (0..self.bookings.len())
                .map(|it| self.row::<Payment>(world, RoleName::Payment, it))
                .collect::<Vec<_>>(),
        )
    }
}
