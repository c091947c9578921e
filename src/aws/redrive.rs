//! The redrive policy of a queue, in the JSON of SQS. Only reads it; terraform/ writes it.

use serde_json::Value;

/// Where SQS moves messages that were received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The ARN of the dead-letter queue.
    pub to: String,
    /// The number of receives after which SQS moves a message.
    pub receives_max: u64,
}

impl Redrive {
    /// Parses the text of a policy; `None` if it is no policy.
    #[must_use]
    pub fn of_policy(text: &str) -> Option<Redrive> {
        let policy: Value = serde_json::from_str(text).ok()?;
        let count = &policy["maxReceiveCount"];
        // Accounts have it as a number and as a number in quotes.
        let receives_max = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
        Some(Redrive { to: policy["deadLetterTargetArn"].as_str()?.to_owned(), receives_max })
    }
}
