//! What things are called in an account: topics, queues and tables.

use crate::{
    aws::partition,
    domain::{RoleName, event::Kind},
    wire::Intake,
};

/// The names under one prefix: several copies of the product can share an account.
#[derive(Clone, Debug, Default)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names that begin with `prefix`, which may be empty.
    #[must_use]
    pub fn new(prefix: &str) -> Names {
        Names { prefix: prefix.to_owned() }
    }

    /// The prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A topic.
    #[must_use]
    pub fn topic(&self, kind: Kind) -> String {
        format!("{}{kind}", self.prefix)
    }

    /// A role's queue.
    #[must_use]
    pub fn queue(&self, role: RoleName) -> String {
        format!("{}booking-{role}", self.prefix)
    }

    /// A role's table, when its rows are in DynamoDB.
    #[must_use]
    pub fn table(&self, role: RoleName) -> String {
        format!("{}booking-{role}", self.prefix)
    }

    /// What the role set aside, and what SQS moved there.
    #[must_use]
    pub fn dead_letter_queue(&self, role: RoleName) -> String {
        format!("{}booking-{role}-dlq", self.prefix)
    }

    /// What SNS could not deliver to the role's queue.
    #[must_use]
    pub fn undelivered_queue(&self, role: RoleName) -> String {
        format!("{}booking-{role}-undelivered", self.prefix)
    }
}

/// Where an account's topics are: partition, region and account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    partition: String,
    region: String,
    account: String,
}

impl Home {
    /// The home of a queue, from its ARN.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Home> {
        match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
            ["arn", partition, _, region, account, _] => Some(Home {
                partition: partition.to_owned(),
                region: region.to_owned(),
                account: account.to_owned(),
            }),
            _ => None,
        }
    }

    /// The home of an account in a region. The partition follows from the region.
    #[must_use]
    pub fn new(region: &str, account: &str) -> Home {
        Home {
            partition: partition(region).to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        }
    }

    /// In the partition that STS names, where nothing says that the region is in another: it knows
    /// those that are newer than this binary. Emulators call all of them `aws`.
    #[must_use]
    pub(super) fn or_in_partition(self, named: Option<&str>) -> Home {
        match named.filter(|it| !it.is_empty() && self.partition == "aws") {
            Some(named) => Home { partition: named.to_owned(), ..self },
            None => self,
        }
    }

    /// The 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What comes in from the topics that live here; with `raw` also without an envelope.
    #[must_use]
    pub fn intake(&self, names: &Names, raw: bool) -> Intake {
        let Home { partition, region, account } = self;
        let prefix = names.prefix();
        Intake::enveloped(format!("arn:{partition}:sns:{region}:{account}:{prefix}")).or_raw(raw)
    }

    /// The ARN of a topic.
    #[must_use]
    pub fn topic_arn(&self, names: &Names, kind: Kind) -> String {
        let Home { partition, region, account } = self;
        format!("arn:{partition}:sns:{region}:{account}:{}", names.topic(kind))
    }

    /// The ARN of a queue, by its name.
    #[must_use]
    pub fn queue_arn(&self, queue: &str) -> String {
        let Home { partition, region, account } = self;
        format!("arn:{partition}:sqs:{region}:{account}:{queue}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_found_from_the_queue_beside_it() {
        let home = Home::of_arn("arn:aws-cn:sqs:cn-north-1:123456789012:s-booking-seats").unwrap();
        assert_eq!(home, Home::new("cn-north-1", "123456789012"));
        let arn = home.topic_arn(&Names::new("s-"), Kind::SeatBooked);
        assert_eq!(arn, "arn:aws-cn:sns:cn-north-1:123456789012:s-seat-booked");
        assert_eq!(Home::of_arn("booking-seats"), None);
    }

    #[test]
    fn sts_names_the_partition_of_a_region_that_is_newer_than_this_binary() {
        let arn = |region: &str, named| {
            let home = Home::new(region, "123456789012").or_in_partition(named);
            home.queue_arn("q")
        };
        assert_eq!(arn("xx-new-1", Some("aws-xx")), "arn:aws-xx:sqs:xx-new-1:123456789012:q");
        for silent in [None, Some("")] {
            assert_eq!(arn("xx-new-1", silent), "arn:aws:sqs:xx-new-1:123456789012:q");
        }
        // An emulator, which knows no other.
        assert_eq!(arn("cn-north-1", Some("aws")), "arn:aws-cn:sqs:cn-north-1:123456789012:q");
    }
}
