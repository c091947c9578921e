//! The one consumer: the same for all four roles.
//!
//! ```text
//! receive → decode → recall or decide → [claim → outside effect → decide] → one settle
//!         → publish → delete
//! ```
//!
//! Only the runtime publishes and deletes. A commit comes before every publish, every publish
//! before the delete: dying anywhere in between leaves the message on its queue, and its redelivery
//! finds the memo and says the same again.

mod ages;
mod amend;
mod attendant;
mod breaker;
mod canary;
mod delay;
mod error;
mod filing;
mod lease;
mod limits;
mod pace;
mod preview;
mod pulse;
mod reading;
mod receive;
mod row;
mod unit_of_work;
mod view;
mod worker;

pub use amend::{Amended, amend};
pub use attendant::{Attendant, Attended, Poison, Verdict};
pub use breaker::{Breaker, Depends, Gate, Trip};
pub use canary::sightings;
pub use delay::{give_back_delay, pause};
pub use error::{Unreadable, WorkError};
pub use lease::{Beat, Lease, LeaseLost, Leases};
pub use limits::{Contradiction, Limits};
pub use preview::{Preview, preview};
pub use pulse::{Health, Pulse};
pub use receive::Received;
pub use row::{Memo, StoredRow, look_up};
pub use unit_of_work::{Outcome, UnitOfWork};
pub use worker::{Ended, EndedByItself, Worker};

use std::{error::Error, fmt};

/// What a canary is called in logs and metrics.
const CANARY: &str = "canary";

/// Prints an error and everything that caused it, on one line.
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
