//! One SQLite file a role. [`Engine`] is the plain file; [`Sqlite`] wraps it in one writer thread
//! that commits many concurrent settles in one transaction, so that they share one flush to disk.

mod engine;
mod identity;
mod inline;
mod keys;
mod list;
mod open;
mod schema;
mod watch;
mod writer;

pub use engine::Engine;
pub use inline::Inline;
pub use watch::Watch;
pub use writer::Sqlite;
