//! The guests in the files of `topics/`: services of other teams, which have a name there and are
//! known nowhere else. A name that is neither a role's nor a guest's must never be read as one of
//! them.

use serde::{Deserialize, Deserializer, de::Error};

use super::{Subscriber, Topic};
use crate::domain::{RoleName, event::Kind, may_be_guest};

/// The subscription of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The name of the service, by which its queues are named.
    pub guest: String,
    /// What the guest does with the event.
    pub does: String,
}

/// The subscribers in a file, as they are told apart.
pub(super) struct Listeners {
    pub(super) roles: Vec<Subscriber>,
    pub(super) guests: Vec<Guest>,
}

/// One entry of a file: a role or a guest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    role: Option<RoleName>,
    guest: Option<String>,
    does: String,
}

impl<'de> Deserialize<'de> for Listeners {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Listeners, D::Error> {
        let (mut roles, mut guests) = (Vec::new(), Vec::new());
        for Entry { role, guest, does } in Vec::<Entry>::deserialize(from)? {
            match (role, guest) {
                (Some(role), None) => roles.push(Subscriber { role, does }),
                (None, Some(guest)) if may_be_guest(&guest) => guests.push(Guest { guest, does }),
                (None, Some(_)) => {
                    return Err(D::Error::custom(
                        "a guest is called by 2 to 24 of a-z and 0-9, and not as somebody else",
                    ));
                }
                (Some(_), Some(_)) | (None, None) => {
                    return Err(D::Error::custom("a subscriber is a role or a guest"));
                }
            }
        }
        Ok(Listeners { roles, guests })
    }
}

impl Topic {
    /// Who hears the event, and what each does with it: the roles, then the guests.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, &str)> {
        let roles = self.subscribers.iter().map(|it| (it.role.as_str(), &*it.does));
        roles.chain(self.guests.iter().map(|it| (&*it.guest, &*it.does)))
    }
}

/// The names of all services: the roles, then the guests of these topics by name.
pub(super) fn names(topics: &[Topic]) -> Vec<&str> {
    let roles = RoleName::ALL.iter().map(|it| it.as_str());
    roles.chain(guests(topics).into_iter().map(|(name, _)| name)).collect()
}

/// The guests of these topics, by name, each with the events that it hears.
#[must_use]
pub fn guests(topics: &[Topic]) -> Vec<(&str, Vec<Kind>)> {
    let mut found = std::collections::BTreeMap::<&str, Vec<Kind>>::new();
    for topic in topics {
        for it in &topic.guests {
            found.entry(&it.guest).or_default().push(topic.topic);
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
#[path = "guests_tests.rs"]
mod tests;
