//! The dead letters of a role, for operators: finds them, explains them, puts them back or deletes
//! them. A message must be deleted only after the role's queue has it again, or if an operator says
//! so.

mod lots;
pub(crate) mod mask;
mod page;
mod queues;
mod scan;
pub(crate) mod why;
pub(crate) mod words;

pub use lots::{Filed, Lot};
pub use queues::{Dead, DeadLetters, NamedQueue};
pub use scan::Scan;
