//! Counts requests by service and operation, and computes what AWS charges for them. A free tier
//! must never be part of that.

use std::collections::BTreeMap;

/// USD for a million publish requests to SNS. Deliveries from SNS to SQS are free. SNS counts one
/// request for every 64 KiB. Ten of our events are smaller, so a `PublishBatch` is one request.
const SNS_USD_PER_MILLION: f64 = 0.50;
/// USD for a million requests of up to 64 KiB to standard queues, after the free first million.
const SQS_USD_PER_MILLION: f64 = 0.40;

pub const RECEIVE: &str = "sqs.ReceiveMessage";

/// Numbers of requests by name, such as `sqs.ReceiveMessage` and `sns.PublishBatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub fn add(&mut self, name: &str, more: u64) {
        match self.0.get_mut(name) {
            Some(it) => *it += more,
            None => drop(self.0.insert(name.to_owned(), more)),
        }
    }

    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// The requests since `before`.
    pub fn since(&self, before: &Counts) -> Counts {
        let more = |(name, count): (&str, u64)| (name.to_owned(), count - before.of(name));
        Counts(self.iter().map(more).filter(|it| it.1 > 0).collect())
    }

    /// The sum of several counts.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Counts {
        let mut sum = Counts::default();
        for (name, count) in all.into_iter().flat_map(Counts::iter) {
            sum.add(name, count);
        }
        sum
    }

    /// Reads the counts from the text of `/metrics`.
    pub fn of_metrics(text: &str) -> Counts {
        let mut counts = Counts::default();
        for line in text.lines() {
            let Some(labels) = line.strip_prefix("booking_aws_requests_total{") else { continue };
            let Some((labels, count)) = labels.split_once("} ") else { continue };
            let label = |name: &str| {
                let value =
                    labels.split(',').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
                value.unwrap_or_default().trim_matches('"')
            };
            counts.add(
                &format!("{}.{}", label("service"), label("operation")),
                count.trim().parse().unwrap_or(0),
            );
        }
        counts
    }

    pub fn usd(&self) -> f64 {
        let price = |name: &str| match name.split_once('.') {
            Some(("sns", _)) => SNS_USD_PER_MILLION,
            _ => SQS_USD_PER_MILLION,
        };
        self.iter().map(|(name, count)| count as f64 * price(name) / 1e6).sum()
    }
}
