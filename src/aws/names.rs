//! The names and ARNs of topics, queues and tables in an account. They must agree with the names
//! that terraform/ gives.

use super::partition;
use crate::domain::{RoleName, ServiceName, event::Kind, named};

/// The names with one prefix. With different prefixes, several copies of the product can share an
/// account.
#[derive(Clone, Debug, Default)]
pub struct Names {
    prefix: String,
    /// Whether the queues are those of tasks.
    tasks: bool,
    /// Whether topics and queues are FIFO.
    fifo: bool,
}

/// The end of the name of each FIFO topic and queue, as AWS demands it.
pub(crate) const FIFO: &str = ".fifo";

impl Names {
    /// Names that begin with `prefix`, which may be empty.
    #[must_use]
    pub fn new(prefix: &str) -> Names {
        Names { prefix: prefix.to_owned(), tasks: false, fifo: false }
    }

    /// The same names, but the queues are those of the tasks that a state machine puts there.
    #[must_use]
    pub fn of_tasks(&self) -> Names {
        Names { tasks: true, ..self.clone() }
    }

    /// The same names, but topics and queues are FIFO, if `fifo` says so.
    #[must_use]
    pub fn and_fifo(self, fifo: bool) -> Names {
        Names { fifo, ..self }
    }

    /// Whether topics and queues are FIFO.
    #[must_use]
    pub fn are_fifo(&self) -> bool {
        self.fifo
    }

    /// The prefix, which may be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of a topic.
    #[must_use]
    pub fn topic(&self, kind: Kind) -> String {
        self.ended(format!("{}{kind}", self.prefix))
    }

    /// The name of a service's queue.
    #[must_use]
    pub fn queue(&self, service: impl Into<ServiceName>) -> String {
        self.queue_named(service.into().as_str())
    }

    /// The name of the queue of the service with this name, as `topics/` has it.
    #[must_use]
    pub fn queue_named(&self, service: &str) -> String {
        self.queue_ending(service, "")
    }

    fn queue_ending(&self, service: &str, end: &str) -> String {
        let tasks = if self.tasks { "-tasks" } else { "" };
        self.ended(format!("{}booking-{service}{tasks}{end}", self.prefix))
    }

    fn ended(&self, name: String) -> String {
        if self.fifo { name + FIFO } else { name }
    }

    /// The queues that there are under these names: nothing but SNS has a queue for what it could
    /// not deliver.
    pub fn queues(&self) -> impl Iterator<Item = QueueOf> {
        let tasks = self.tasks;
        QueueOf::all().filter(move |it| !tasks || it.dead != Some(DeadQueue::Undelivered))
    }

    /// The name of the event bus.
    #[must_use]
    pub fn event_bus(&self) -> String {
        format!("{}booking", self.prefix)
    }

    /// The name of the rule by which the service with this name hears this kind of event.
    #[must_use]
    pub fn rule(&self, service: &str, kind: Kind) -> String {
        format!("{}booking-{service}-{kind}", self.prefix)
    }

    /// The name of the state machine.
    #[must_use]
    pub fn state_machine(&self) -> String {
        format!("{}booking", self.prefix)
    }

    /// The name of a role's table, if its rows are in DynamoDB.
    #[must_use]
    pub fn table(&self, role: RoleName) -> String {
        format!("{}booking-{role}", self.prefix)
    }

    /// The name of the queue for messages that the service set aside or that SQS moved there.
    #[must_use]
    pub fn dead_letter_queue(&self, service: impl Into<ServiceName>) -> String {
        self.queue_ending(service.into().as_str(), "-dlq")
    }

    /// The name of the queue for messages that SNS could not deliver to the service's queue.
    #[must_use]
    pub fn undelivered_queue(&self, service: impl Into<ServiceName>) -> String {
        self.queue_ending(service.into().as_str(), "-undelivered")
    }
}

named! {
    /// One of a role's two dead-letter queues.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum DeadQueue {
        /// Messages that the role set aside, and that SQS moved there after too many receives.
        Dlq = "dlq",
        /// Messages that SNS could not deliver to the role's queue.
        Undelivered = "undelivered",
    }
}

/// One of a role's three queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueOf {
    pub role: RoleName,
    /// One of the role's dead-letter queues; `None` for the queue that the role works from.
    pub dead: Option<DeadQueue>,
}

impl QueueOf {
    /// All twelve queues.
    pub fn all() -> impl Iterator<Item = QueueOf> {
        let of = |role| {
            let dead = DeadQueue::ALL.map(|it| QueueOf { role, dead: Some(it) });
            [QueueOf { role, dead: None }].into_iter().chain(dead)
        };
        RoleName::ALL.into_iter().flat_map(of)
    }

    /// The name of the queue.
    #[must_use]
    pub fn name(self, names: &Names) -> String {
        match self.dead {
            None => names.queue(self.role),
            Some(DeadQueue::Dlq) => names.dead_letter_queue(self.role),
            Some(DeadQueue::Undelivered) => names.undelivered_queue(self.role),
        }
    }
}

/// The place of topics and queues: partition, region and account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    partition: String,
    region: String,
    account: String,
}

impl Home {
    /// The home of a queue, from its ARN. `None` if the text is no ARN.
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

    /// Uses the partition that STS names, unless the region is known to be in another partition
    /// than `aws`. STS knows regions that are newer than this binary; emulators call every
    /// partition `aws`.
    #[must_use]
    pub(super) fn or_in_partition(self, named: Option<&str>) -> Home {
        match named.filter(|it| !it.is_empty() && self.partition == "aws") {
            Some(named) => Home { partition: named.to_owned(), ..self },
            None => self,
        }
    }

    /// The 12 digits of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The name of the region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The common beginning of the ARNs of all topics.
    #[must_use]
    pub fn topic_arns(&self, names: &Names) -> String {
        let Home { partition, region, account } = self;
        format!("arn:{partition}:sns:{region}:{account}:{}", names.prefix())
    }

    /// The ARN of a topic.
    #[must_use]
    pub fn topic_arn(&self, names: &Names, kind: Kind) -> String {
        let Home { partition, region, account } = self;
        format!("arn:{partition}:sns:{region}:{account}:{}", names.topic(kind))
    }

    /// The ARN of the event bus.
    #[must_use]
    pub fn event_bus_arn(&self, names: &Names) -> String {
        let (Home { partition, region, account }, bus) = (self, names.event_bus());
        format!("arn:{partition}:events:{region}:{account}:event-bus/{bus}")
    }

    /// The ARN of the rule by which the service with this name hears this kind of event.
    #[must_use]
    pub fn rule_arn(&self, names: &Names, service: &str, kind: Kind) -> String {
        let (Home { partition, region, account }, bus) = (self, names.event_bus());
        let rule = names.rule(service, kind);
        format!("arn:{partition}:events:{region}:{account}:rule/{bus}/{rule}")
    }

    /// The ARN of the state machine.
    #[must_use]
    pub fn state_machine_arn(&self, names: &Names) -> String {
        let (Home { partition, region, account }, name) = (self, names.state_machine());
        format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}")
    }

    /// The ARN of the queue with this name.
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
        let machine = home.state_machine_arn(&Names::new("s-"));
        assert_eq!(machine, "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:s-booking");
    }

    #[test]
    fn an_event_bus_has_a_rule_for_each_subscription() {
        let (home, names) = (Home::new("eu-central-1", "123456789012"), Names::new("s-"));
        let bus = home.event_bus_arn(&names);
        assert_eq!(bus, "arn:aws:events:eu-central-1:123456789012:event-bus/s-booking");
        let rule = home.rule_arn(&names, "status", Kind::SeatBooked);
        let named = "s-booking/s-booking-status-seat-booked";
        assert_eq!(rule, format!("arn:aws:events:eu-central-1:123456789012:rule/{named}"));
    }

    #[test]
    fn queues_of_tasks_stand_beside_the_others() {
        let names = Names::new("s-").of_tasks();
        assert_eq!(names.queue(RoleName::Seats), "s-booking-seats-tasks");
        assert_eq!(names.dead_letter_queue(RoleName::Seats), "s-booking-seats-tasks-dlq");
        assert_eq!(names.table(RoleName::Seats), "s-booking-seats");
    }

    #[test]
    fn names_of_fifo_topics_and_queues_end_as_aws_demands_it() {
        let names = Names::new("s-").and_fifo(true);
        assert_eq!(names.topic(Kind::SeatBooked), "s-seat-booked.fifo");
        assert_eq!(names.queue(RoleName::Seats), "s-booking-seats.fifo");
        assert_eq!(names.dead_letter_queue(RoleName::Seats), "s-booking-seats-dlq.fifo");
        assert_eq!(names.undelivered_queue(RoleName::Seats), "s-booking-seats-undelivered.fifo");
        assert_eq!(names.table(RoleName::Seats), "s-booking-seats");
        let home = Home::new("eu-central-1", "123456789012");
        let arn = home.topic_arn(&names, Kind::SeatBooked);
        assert_eq!(arn, "arn:aws:sns:eu-central-1:123456789012:s-seat-booked.fifo");
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
        // An emulator knows no other partition.
        assert_eq!(arn("cn-north-1", Some("aws")), "arn:aws-cn:sqs:cn-north-1:123456789012:q");
    }
}
