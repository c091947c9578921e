//! The names of services: of the four roles, and of guests. A guest is a service of another team,
//! which hears events, announces nothing, and is written in no list here.

use super::RoleName;

/// The name of a service, by which its queues, its store and its logs are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// One of the four.
    Role(RoleName),
    /// A service of another team.
    Guest(GuestName),
}

/// The name of a guest: 2 to 24 lower-case letters and digits, of which the first is a letter, and
/// not a name that means something else here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestName(&'static str);

const GUEST_BYTES_MIN: usize = 2;
/// With it, the longest prefix and `booking-…-undelivered`, SQS has room for the name of a queue.
const GUEST_BYTES_MAX: usize = 24;

/// What a guest must not be called, besides the roles: these have policies of the same form.
const TAKEN: [&str; 2] = ["client", "operator"];

impl ServiceName {
    /// The name of a guest.
    ///
    /// # Panics
    /// When a guest must not be called so. In a constant, this is an error of the compiler.
    #[must_use]
    pub const fn guest(name: &'static str) -> ServiceName {
        assert!(may_be_guest(name), "a guest is called by 2 to 24 of a-z and 0-9, as nobody else");
        ServiceName::Guest(GuestName(name))
    }

    /// The name that is used in the names of queues, in JSON, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ServiceName::Role(role) => role.as_str(),
            ServiceName::Guest(GuestName(name)) => name,
        }
    }
}

impl From<RoleName> for ServiceName {
    fn from(it: RoleName) -> ServiceName {
        ServiceName::Role(it)
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a guest may be called so. Terraform asks the same of the names in `topics/`.
#[must_use]
pub const fn may_be_guest(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.len() < GUEST_BYTES_MIN || bytes.len() > GUEST_BYTES_MAX {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        let letter = bytes[at].is_ascii_lowercase();
        if !letter && (at == 0 || !bytes[at].is_ascii_digit()) {
            return false;
        }
        at += 1;
    }
    let mut at = 0;
    while at < RoleName::ALL.len() {
        if same(bytes, RoleName::ALL[at].as_str().as_bytes()) {
            return false;
        }
        at += 1;
    }
    let mut at = 0;
    while at < TAKEN.len() {
        if same(bytes, TAKEN[at].as_bytes()) {
            return false;
        }
        at += 1;
    }
    true
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_a_short_plain_name_that_is_nobody_elses() {
        for good in ["loyalty", "fraud2", "ab", &"a".repeat(24)] {
            assert!(may_be_guest(good), "{good}");
        }
        let long = "a".repeat(25);
        for bad in ["", "a", "2fast", "Loyalty", "loyalty-dlq", "loyal ty", "größe", &long] {
            assert!(!may_be_guest(bad), "{bad}");
        }
        for taken in RoleName::ALL.map(RoleName::as_str).into_iter().chain(TAKEN) {
            assert!(!may_be_guest(taken), "{taken}");
        }
    }

    #[test]
    fn a_service_is_called_by_its_name_alone() {
        const LOYALTY: ServiceName = ServiceName::guest("loyalty");
        assert_eq!(LOYALTY.to_string(), "loyalty");
        assert_eq!(ServiceName::from(RoleName::Seats).to_string(), "seats");
    }
}
