//! The runtime: turns a message into a committed decision. It is the same for all four roles, and
//! must never contain a rule of one of them.
//!
//! ```text
//! receive → open → recall or decide → [claim → outside effect → decide] → settle
//!         → send → delete
//! ```
//!
//! [`UnitOfWork`] goes from the decision to the commit, [`Attendant`] from a message to its
//! verdict, [`Worker`] from a queue back to the queue. In a service, only the runtime sends and
//! deletes. It commits before it sends, and sends before it deletes. If the process dies anywhere
//! in between, the message is still on its queue: the redelivery finds the memo and sends the same
//! again.

mod ages;
mod amend;
mod attendant;
mod batch;
mod breaker;
mod canary;
mod canary_duty;
mod counted;
mod delay;
mod error;
mod filing;
mod groups;
mod guesses;
mod in_flight;
mod in_turn;
mod lane;
mod lease;
mod limits;
mod pace;
mod poll_health;
mod preview;
mod reading;
mod receive;
mod row;
mod share;
mod spans;
mod tasks;
mod told;
mod unit_of_work;
mod view;
mod window;
mod worker;

pub use amend::{Amended, amend};
pub use attendant::{Attendant, Attended, Poison, Verdict};
pub use breaker::{Breaker, Dependency, Permission, Trial, Trip};
pub use canary::sightings;
pub use delay::{give_back_delay, pause};
pub use error::{Unreadable, WorkError};
pub use groups::{BlockedGroups, Groups};
pub use in_flight::{InFlight, Received};
pub use lease::{Beat, Lease, LeaseLost, Leases};
pub use limits::{Contradiction, DELETES_LINGER_MIN, HIDDEN_MAX, Limits};
pub use poll_health::{Health, PollHealth};
pub use preview::{Preview, preview};
pub use row::{Memo, StoredRow, look_up};
pub use share::LogShare;
pub use tasks::said;
pub use unit_of_work::{Outcome, UnitOfWork};
pub use worker::{Ended, EndedByItself, Worker};

use std::{error::Error, fmt};

/// The name of all canaries in logs and metrics.
const CANARY: &str = "canary";

/// Prints an error and all of its sources on one line.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
