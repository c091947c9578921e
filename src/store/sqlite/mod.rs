//! One SQLite file for each role. [`Engine`] is the file itself; [`Sqlite`] gives it to one writer
//! thread, which commits many concurrent settles in one transaction, so that they share one flush
//! to disk. A file must never be used by two hosts.

mod columns;
mod engine;
mod identity;
mod inline;
mod keys;
mod list;
mod open;
mod paths;
mod schema;
mod watch;
mod writer;

pub use engine::Engine;
pub use inline::Inline;
pub use watch::Watch;
pub use writer::Sqlite;
