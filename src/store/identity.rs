//! The identity of a store, which tells a store that was lost from one that never had any rows. A
//! missing store must never be read as an empty one, so a store is created by one command only,
//! which writes an identity into it, and every service checks the identity when it opens its store.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::RoleName;

/// One of the stores of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The rows of a role.
    Rows(RoleName),
    /// The ledger of the simulated gateway, which belongs to payment and is a file of its own.
    Ledger,
}

impl Part {
    /// Its name in files and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Part::Rows(role) => role.as_str(),
            Part::Ledger => "gateway",
        }
    }

    /// The role that uses it.
    #[must_use]
    pub const fn role(self) -> RoleName {
        match self {
            Part::Rows(role) => role,
            Part::Ledger => RoleName::Payment,
        }
    }

    fn parse(text: &str) -> Option<Part> {
        let rows = RoleName::ALL.into_iter().map(Part::Rows);
        rows.chain([Part::Ledger]).find(|it| it.as_str() == text)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a store got its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From `booking init`, which created the store.
    Begun,
    /// The store was created by a version without identities, and taken over later.
    Adopted,
}

/// The identity of a store. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Identity {
    /// The same in all stores that were created together.
    pub deployment: Uuid,
    pub part: Part,
    pub origin: Origin,
}

impl Identity {
    /// The text that is stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("three short texts")
    }

    /// Reads the text of [`Identity::to_text`]; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Identity> {
        serde_json::from_str(text).ok()
    }
}

#[derive(Serialize, Deserialize)]
struct Text {
    deployment: String,
    part: String,
    origin: Origin,
}

impl From<Identity> for Text {
    fn from(it: Identity) -> Text {
        Text { deployment: it.deployment.to_string(), part: it.part.to_string(), origin: it.origin }
    }
}

impl TryFrom<Text> for Identity {
    type Error = &'static str;

    fn try_from(it: Text) -> Result<Identity, Self::Error> {
        Ok(Identity {
            deployment: it.deployment.parse().map_err(|_| "a deployment is a UUID")?,
            part: Part::parse(&it.part).ok_or("no such part")?,
            origin: it.origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written_and_nothing_else_is_one() {
        for part in [Part::Rows(RoleName::Seats), Part::Ledger] {
            let it = Identity { deployment: Uuid::nil(), part, origin: Origin::Adopted };
            assert_eq!(Identity::parse(&it.to_text()), Some(it));
        }
        for text in ["", "{}", r#"{"deployment":"x","part":"seats","origin":"begun"}"#] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }
}
