//! Plays one decision to its ends on rows in memory, for those who ask what the rules would do. No
//! store, no memo and nothing outside takes part. It must never contain a rule.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    decision::{Key, Rows, Rules, Step},
    event::Event,
};

/// More steps than this, over all answers, are rules that come to no end.
const STEPS_MAX: usize = 64;

/// One way in which a decision ends.
#[derive(Clone, Debug)]
pub struct End<S> {
    /// All rows, as they are then.
    pub rows: BTreeMap<Key, S>,
    /// What is announced, or why the event is set aside.
    pub said: Result<Vec<Event>, String>,
}

/// Each way in which a decision about this event can end: one for each series of the answers that
/// `ask` gives to the effects.
///
/// # Panics
/// When the rules come to no end, which their tests rule out.
pub fn ends<R: Rules>(
    rules: &R,
    rows: &BTreeMap<Key, R::State>,
    event: &Event,
    now: Timestamp,
    ask: &dyn Fn(&R::Effect) -> Vec<R::Answer>,
) -> Vec<End<R::State>> {
    let own = Key::Booking(event.booking.clone());
    let mut read = Rows::default();
    read.insert(own.clone(), rows.get(&own).cloned());
    let (mut open, mut ends) = (vec![(rows.clone(), read, Vec::new())], Vec::new());
    let mut steps = 0;
    while let Some((mut rows, mut read, answers)) = open.pop() {
        steps += 1;
        assert!(steps <= STEPS_MAX, "the rules of {} come to no end", R::SERVICE);
        match rules.decide(&read, event, &answers, now) {
            Step::Read(keys) => {
                for key in keys {
                    let row = rows.get(&key).cloned();
                    read.insert(key, row);
                }
                open.push((rows, read, answers));
            }
            Step::Ask { claim, effect } => {
                if let Some(claim) = claim {
                    read.insert(own.clone(), Some(claim.clone()));
                    rows.insert(own.clone(), claim);
                }
                for answer in ask(&effect) {
                    let answers = answers.iter().cloned().chain([answer]).collect();
                    open.push((rows.clone(), read.clone(), answers));
                }
            }
            Step::Nothing => ends.push(End { rows, said: Ok(Vec::new()) }),
            Step::Settle(decision) => {
                rows.insert(own.clone(), decision.own);
                rows.extend(decision.others);
                ends.push(End { rows, said: Ok(decision.announce) });
            }
            Step::SetAside(reason) => ends.push(End { rows, said: Err(reason) }),
        }
    }
    ends
}
