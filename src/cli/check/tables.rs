//! The tables, for an account whose services keep their state in DynamoDB.

use super::{CheckArgs, compare::Finding};
use crate::cli::Fault;

/// Everything that is wrong with the tables. SQLite has none, and it is the only store there is: with
/// another one, its tables are compared here.
pub(super) async fn check_tables(_: &CheckArgs) -> Result<Vec<Finding>, Fault> {
    Ok(Vec::new())
}
