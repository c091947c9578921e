//! The ROLE argument of commands that take one role, several, or all. Says nothing about what a
//! role is or does.

use std::str::FromStr;

use super::healthcheck::role;
use crate::domain::RoleName;

/// Roles, each once, in the order in which they were named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roles(Vec<RoleName>);

impl Roles {
    pub(super) fn iter(&self) -> impl Iterator<Item = RoleName> {
        self.0.iter().copied()
    }

    /// The number of roles: at least one.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Roles, String> {
        if text == "all" {
            return Ok(Roles(RoleName::ALL.to_vec()));
        }
        let mut roles = Vec::new();
        for name in text.split(',') {
            let role = role(name).map_err(|it| format!("{it}, several with commas, or all"))?;
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        Ok(Roles(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_one_by_one_or_all_at_once_and_each_counts_once() {
        let read = |it: &str| it.parse::<Roles>().map(|it| it.iter().collect::<Vec<_>>());
        assert_eq!(read("payment"), Ok(vec![RoleName::Payment]));
        let two = vec![RoleName::Receipt, RoleName::Seats];
        assert_eq!(read("receipt,seats,receipt"), Ok(two));
        assert_eq!(read("all"), Ok(RoleName::ALL.to_vec()));
        for wrong in ["", "pilots", "seats,", "seats payment", "all,seats"] {
            assert!(
                read(wrong).is_err_and(|it| it.starts_with("expected seats, payment")),
                "{wrong}"
            );
        }
    }
}
