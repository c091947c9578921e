//! What a change of the contracts breaks: other files of `topics/` are compared with ours, and what
//! their publishers would say is given to the real decoder and the real rules of each role. Nobody
//! may declare by hand what a change breaks. It must never trust the other files, nor reach
//! anything outside of this process.
//!
//! [`diff`] finds the changes (`compare`), makes values of which only the other contract speaks
//! (`values`), puts them into the events of a few bookings (`alter`), and plays these bookings
//! through all four roles (`play`).

mod alter;
mod compare;
mod contract;
mod judge;
mod play;
mod values;

pub use alter::{Alteration, Path};
pub use compare::{Change, TooMany, Try};
pub use contract::{Contract, Hears, NoContract, TOPICS_MAX, once_each, ours, parse};
pub use judge::{Turn, Verdict, diff};
pub use play::{Played, STORIES, Story, played};
