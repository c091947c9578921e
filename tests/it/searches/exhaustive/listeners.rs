//! Worlds at rest, and what receipt and status can make of them when they are explored apart.

use std::rc::Rc;

use booking::domain::RoleName;

use super::{
    invariants::{self, ReceiptEnd, StatusEnd},
    model::{CELLS, World},
    search::{AtRest, Found, Search},
};

/// How receipt and status end.
pub type End = (ReceiptEnd, StatusEnd);

impl<'a> Search<'a> {
    /// The endings of a world at rest: of each booking all that are possible, in every combination.
    pub fn rest(&mut self, world: &World) -> Result<Vec<String>, String> {
        let mut endings = vec![String::new()];
        for booking in 0..self.model.bookings.len() {
            let ends = if self.scenario.listeners_apart {
                self.ends_apart(world, booking)?
            } else {
                let receipt = invariants::receipt_end(&self.model, world, booking)?;
                [(receipt, invariants::status_end(&self.model, world, booking)?)].into()
            };
            let mut longer = Vec::new();
            for (receipt, status) in ends.iter() {
                let end = invariants::ending(&self.model, world, booking, receipt, status)?;
                let gap = if booking == 0 { "" } else { " | " };
                longer.extend(endings.iter().map(|it| format!("{it}{gap}{end}")));
            }
            endings = longer;
        }
        Ok(endings)
    }

    /// All that receipt and then status can make of what was said about a booking, in whatever
    /// order they hear it.
    fn ends_apart(&mut self, world: &World, booking: usize) -> Result<Rc<[End]>, String> {
        let said = self.model.about(world.published, booking);
        if let Some(ends) = self.ends.get(&(booking, said)) {
            return Ok(Rc::clone(ends));
        }
        self.walk_apart(RoleName::Receipt, said, |search, world| {
            let booking = search.model.booking_of(world.published);
            let end = invariants::receipt_end(&search.model, world, booking)?;
            search.met.push((*world, end));
            Ok(Vec::new())
        })?;
        let mut ends: Vec<End> = Vec::new();
        for (world, receipt) in std::mem::take(&mut self.met) {
            let found = self.walk_apart(RoleName::Status, world.published, |search, world| {
                let booking = search.model.booking_of(world.published);
                let end = invariants::status_end(&search.model, world, booking)?;
                search.met.push((*world, ReceiptEnd::default()));
                Ok(vec![format!("{end:?}")])
            })?;
            if found.endings.len() != 1 {
                return Err(format!("F1 order changes what status says: {:?}", found.endings));
            }
            let met = std::mem::take(&mut self.met);
            let end = (receipt, invariants::status_end(&self.model, &met[0].0, booking)?);
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        let ends: Rc<[End]> = ends.into();
        self.ends.insert((booking, said), Rc::clone(&ends));
        Ok(ends)
    }

    fn walk_apart(
        &mut self,
        role: RoleName,
        said: u64,
        at_rest: AtRest<'a>,
    ) -> Result<Found, String> {
        let (written, suspended) = ([0; CELLS], [0; CELLS]);
        let start = World { written, suspended, published: said, gone: [0; 4], late: false };
        let found = self.walk(start, &[role], at_rest)?;
        self.apart.states += found.size.states;
        self.apart.transitions += found.size.transitions;
        Ok(found)
    }
}
