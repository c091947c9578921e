//! The contract of one topic, as a file of `topics/` has it, ours or another. The other one is what
//! a stranger wrote, so it has a topic and roles that we may not know.

use serde::Deserialize;
use serde_json::Value;

use crate::topics;

/// The most topics that a set of contracts may have.
pub const TOPICS_MAX: usize = 64;
/// The most characters of what the JSON parser says, which may quote the file.
const WORDS_CHARS_MAX: usize = 200;

/// One topic: who publishes it, who hears it, and what its events look like.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Contract {
    /// The name of the topic, which is the type of its events.
    pub topic: String,
    /// The publisher: a role, or `client`.
    pub publisher: String,
    /// The services that hear it.
    pub subscribers: Vec<Hears>,
    /// The JSON Schema of `data`.
    pub data: Value,
    /// An example of the whole CloudEvent.
    pub example: Value,
}

/// One service that hears a topic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hears {
    /// Its name: one of our roles, or a service of somebody else, as each guest is.
    #[serde(alias = "guest")]
    pub role: String,
}

/// The text does not have the contracts of topics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected what `booking topics --format json` prints, or a file of topics/: {0}")]
pub struct NoContract(String);

/// Reads the output of `booking topics --format json`, or one file of `topics/`.
///
/// # Errors
/// If the text is not JSON, lacks a part, or has a topic twice or more than [`TOPICS_MAX`] topics.
pub fn parse(text: &str) -> Result<Vec<Contract>, NoContract> {
    let unreadable =
        |it: serde_json::Error| NoContract(it.to_string().chars().take(WORDS_CHARS_MAX).collect());
    let contracts = match serde_json::from_str(text).map_err(unreadable)? {
        Value::Array(all) => all,
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![one],
    };
    if contracts.len() > TOPICS_MAX {
        return Err(NoContract(format!("it has more than {TOPICS_MAX} topics")));
    }
    let contracts: Result<Vec<Contract>, _> =
        contracts.into_iter().map(serde_json::from_value).collect();
    let contracts = contracts.map_err(unreadable)?;
    once_each(contracts)
}

/// The same contracts, if no topic is there twice.
///
/// # Errors
/// If one is.
pub fn once_each(contracts: Vec<Contract>) -> Result<Vec<Contract>, NoContract> {
    let mut names: Vec<&str> = contracts.iter().map(|it| it.topic.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|it| it[0] == it[1]) {
        Some(it) => {
            let name: String = it[0].chars().take(WORDS_CHARS_MAX).collect();
            Err(NoContract(format!("the topic `{name}` is there twice")))
        }
        None => Ok(contracts),
    }
}

/// The contracts of this program.
#[must_use]
pub fn ours() -> Vec<Contract> {
    parse(&topics::json()).expect("topics/ is compiled in and tested")
}
