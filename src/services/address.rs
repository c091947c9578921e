//! The default HTTP address of each service. No two services may have the same one.

use crate::domain::RoleName;

/// The default address of a role's HTTP server.
#[must_use]
pub const fn default_http(role: RoleName) -> &'static str {
    match role {
        RoleName::Status => "127.0.0.1:8080",
        RoleName::Seats => "127.0.0.1:8081",
        RoleName::Payment => "127.0.0.1:8082",
        RoleName::Receipt => "127.0.0.1:8083",
    }
}
