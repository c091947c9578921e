//! What a road costs: what was counted, times `prices.json`. What depends on the rate of bookings
//! is read from the documents that measured it there. No price may be written here, and of counts
//! only those of `terraform/` and of AWS, which nothing here could measure.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use super::{
    results::{Functions, Measured},
    road::Road,
};
use crate::harness::root;

/// A list of prices, of one day and region.
#[derive(Debug, Deserialize)]
pub struct Prices {
    pub date: String,
    pub region: String,
    pub prices: Vec<Price>,
}

#[derive(Debug, Deserialize)]
pub struct Price {
    pub name: String,
    pub usd: f64,
    pub per: f64,
    pub unit: String,
    pub source: String,
}

/// A line of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    Sns,
    EventBridge,
    StepFunctions,
    Lambda,
    Sqs,
    Tables,
    Logs,
}

/// USD for a million bookings that complete, by line.
pub type Bill = BTreeMap<Line, f64>;

/// Rates at which the bill is told, in bookings a second.
pub const RATES: [u32; 2] = [5, 50];
const MILLION: f64 = 1_000_000.0;
/// A month, as terraform/README.md has it.
const HOURS_A_MONTH: f64 = 730.0;
/// What terraform/ runs by default: two tasks of each role, each of a quarter of a vCPU and 0.5 GB.
const TASKS: f64 = 8.0;
const TASKS_A_ROLE: f64 = 2.0;
const VCPU: f64 = 0.25;
const GB: f64 = 0.5;
/// The metrics of Container Insights, and of the alarms of services, as terraform/README.md has
/// them: 4 roles × 2 of tasks, 4 of breakers, 4 × 2 × 2 of autoscaling.
const INSIGHTS: f64 = 110.0;
const ALARMS_OF_SERVICES: f64 = 28.0;
/// The same of functions, and the receives of Lambda in a month: five are open for each queue.
const ALARMS_OF_FUNCTIONS: f64 = 16.0;
/// What Lambda writes into the log of a function for each invocation: START, END and REPORT.
const LOG_BYTES_OF_LAMBDA: f64 = 320.0;
/// Requests a minute with which Lambda asks four idle queues.
pub const POLLS_OF_LAMBDA_A_MINUTE: f64 = 4.0 * 5.0 * 3.0;
const POLLS_OF_LAMBDA: f64 = POLLS_OF_LAMBDA_A_MINUTE * 60.0 * HOURS_A_MONTH;

impl Line {
    pub const ALL: [Line; 7] = [
        Line::Sns,
        Line::EventBridge,
        Line::StepFunctions,
        Line::Lambda,
        Line::Sqs,
        Line::Tables,
        Line::Logs,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Line::Sns => "SNS",
            Line::EventBridge => "EventBridge",
            Line::StepFunctions => "Step Functions",
            Line::Lambda => "Lambda",
            Line::Sqs => "SQS",
            Line::Tables => "DynamoDB",
            Line::Logs => "CloudWatch Logs",
        }
    }
}

impl Prices {
    pub fn read() -> Prices {
        serde_json::from_str(include_str!("prices.json")).unwrap()
    }

    /// What so much of something costs.
    pub fn usd(&self, name: &str, amount: f64) -> f64 {
        let price = self.prices.iter().find(|it| it.name == name);
        let price = price.unwrap_or_else(|| panic!("prices.json has no {name}"));
        amount * price.usd / price.per
    }

    /// The bill of a million bookings that complete, at the rate at which they were measured here.
    pub fn measured(&self, of: &Measured) -> Bill {
        let (happy, tally) = (&of.happy, &of.happy.tally);
        let a_million = |count: f64| count / happy.bookings as f64 * MILLION;
        let sent: u64 = happy.transitions.values().map(|it| it.sent).sum();
        let states: u64 = happy.transitions.values().map(|it| it.states).sum();
        let sqs = if of.road == Road::Fifo { "sqs.fifo.request" } else { "sqs.request" };
        // For each invocation, Lambda has received once, and deletes once.
        let by_lambda = 2 * tally.invoked();
        let published = tally.published.values().sum::<u64>() as f64;
        let mut bill = Bill::from([
            (Line::Sqs, self.usd(sqs, a_million((tally.to("sqs") + sent + by_lambda) as f64))),
            (
                Line::Tables,
                self.usd("dynamodb.read", a_million(tally.read_units))
                    + self.usd("dynamodb.write", a_million(tally.write_units)),
            ),
            (Line::Logs, self.usd("logs.gb", a_million(log_bytes(of)) / 1e9)),
        ]);
        let middle = match of.road {
            Road::Sns | Road::Lambda => {
                (Line::Sns, self.usd("sns.request", a_million(tally.to("sns") as f64)))
            }
            Road::Fifo => (Line::Sns, self.fifo_topics(a_million(published), a_million(heard(of)))),
            Road::EventBridge => {
                (Line::EventBridge, self.usd("events.event", a_million(published)))
            }
            Road::StepFunctions => {
                (Line::StepFunctions, self.usd("states.transition", a_million(states as f64)))
            }
        };
        bill.insert(middle.0, middle.1);
        if let Some(it) = Functions::of(tally) {
            let usd = self.usd("lambda.request", a_million(it.invocations as f64))
                + self.usd("lambda.gb-second", a_million(it.gb_s));
            bill.insert(Line::Lambda, usd);
        }
        bill
    }

    fn fifo_topics(&self, published: f64, delivered: f64) -> f64 {
        self.usd("sns.fifo.published", published) + self.usd("sns.fifo.delivered", delivered)
    }

    /// The same at another rate: requests to topics and queues as the documents measured them
    /// there. With a state machine and with functions nobody did, and their queues are asked at
    /// most as often as here.
    pub fn at_rate(&self, of: &Measured, per_s: u32) -> Bill {
        let mut bill = self.measured(of);
        match of.road {
            Road::Sns => {
                let of_rate = Benchmarked::read(per_s);
                bill.insert(Line::Sns, self.usd("sns.request", of_rate.publishes * MILLION));
                bill.insert(Line::Sqs, self.usd("sqs.request", of_rate.to_queues * MILLION));
            }
            Road::EventBridge => {
                let to_queues = Benchmarked::read(per_s).to_queues;
                bill.insert(Line::Sqs, self.usd("sqs.request", to_queues * MILLION));
            }
            Road::Fifo => {
                let topics = bill[&Line::Sns];
                bill.insert(Line::Sqs, fifo_usd(per_s) - topics);
            }
            Road::Lambda | Road::StepFunctions => {}
        }
        bill
    }

    /// USD a month without a booking, by what it is for.
    pub fn at_rest(&self, of: &Measured) -> Vec<(&'static str, f64)> {
        // As terraform/README.md counts the alarms of topics, rules, queues and executions.
        let alarms = match of.road {
            Road::Sns | Road::Fifo | Road::Lambda => 24.0,
            Road::EventBridge => 33.0,
            Road::StepFunctions => 15.0,
        };
        let name = "alarms of topics, rules, queues and executions";
        let alarms_of_middle = (name, self.usd("alarms.metric", alarms));
        if of.road == Road::Lambda {
            return vec![
                alarms_of_middle,
                ("alarms of services", self.usd("alarms.metric", ALARMS_OF_FUNCTIONS)),
                ("polls of idle queues", self.usd("sqs.request", POLLS_OF_LAMBDA)),
            ];
        }
        let hours = TASKS * HOURS_A_MONTH;
        let tasks =
            self.usd("fargate.vcpu-hour", hours * VCPU) + self.usd("fargate.gb-hour", hours * GB);
        let sqs = if of.road == Road::Fifo { "sqs.fifo.request" } else { "sqs.request" };
        let polls = of.idle.to("sqs") as f64 / of.idle_s * 3600.0 * HOURS_A_MONTH * TASKS_A_ROLE;
        vec![
            ("8 tasks on Fargate", tasks),
            ("Container Insights", self.usd("metrics.metric", INSIGHTS)),
            alarms_of_middle,
            ("alarms of services", self.usd("alarms.metric", ALARMS_OF_SERVICES)),
            ("polls of idle queues", self.usd(sqs, polls)),
        ]
    }

    /// What runs at rest, for as long as a million bookings take at a rate.
    pub fn rest_of_a_million(&self, of: &Measured, per_s: u32) -> f64 {
        let month: f64 = self.at_rest(of).iter().map(|it| it.1).sum();
        month / HOURS_A_MONTH / 3600.0 * MILLION / f64::from(per_s)
    }
}

/// Bytes of log lines, of all roles, and of Lambda itself.
pub fn log_bytes(of: &Measured) -> f64 {
    let tally = &of.happy.tally;
    let own = tally.log_bytes.values().sum::<u64>() as f64;
    own + tally.invoked() as f64 * LOG_BYTES_OF_LAMBDA
}

/// Deliveries of the events that were published, by the subscriptions of `topics/`.
fn heard(of: &Measured) -> f64 {
    let tally = &of.happy.tally.published;
    let delivered = booking::topics::all().into_iter().map(|it| {
        let published = tally.get(it.topic.topic()).copied().unwrap_or_default();
        published as usize * it.subscribers.len()
    });
    delivered.sum::<usize>() as f64
}

/// Requests a booking on standard topics and queues at a rate, from docs/BENCHMARKS.md.
struct Benchmarked {
    publishes: f64,
    to_queues: f64,
}

impl Benchmarked {
    fn read(per_s: u32) -> Benchmarked {
        let text = fs::read_to_string(root().join("docs/BENCHMARKS.md")).unwrap();
        let cells = row(&text, &format!("| {per_s}/s target 100 ms |"));
        let [_, _, by_client, batches, receives, deletes, ..] = cells[..] else {
            panic!("docs/BENCHMARKS.md has no figures at {per_s}/s: {cells:?}")
        };
        Benchmarked { publishes: by_client + batches, to_queues: receives + deletes }
    }
}

/// USD a million bookings for FIFO topics and queues at a rate, from docs/FIFO.md.
fn fifo_usd(per_s: u32) -> f64 {
    let text = fs::read_to_string(root().join("docs/FIFO.md")).unwrap();
    row(&text, &format!("| {per_s} a second | USD a million bookings for SNS and SQS |"))[1]
}

/// The numbers of the first row of a table that begins so, each without what is in brackets.
fn row(text: &str, begins: &str) -> Vec<f64> {
    let line = text.lines().find_map(|it| it.strip_prefix(begins));
    let line = line.unwrap_or_else(|| panic!("no row begins with {begins}"));
    let cells = line.trim_end_matches('|').split('|');
    cells.filter_map(|it| it.split_whitespace().next()?.parse().ok()).collect()
}

/// From how many bookings a month on `to` is cheaper than `from`; `None` if that never changes.
pub fn crossover(from: (f64, f64), to: (f64, f64)) -> Option<f64> {
    let ((rest, each), (rest_to, each_to)) = (from, to);
    let bookings = (rest_to - rest) / (each - each_to);
    (bookings.is_finite() && bookings > 0.0 && each > each_to).then_some(bookings)
}

/// Which of these is the cheapest, from how many bookings a month on, beginning with none.
pub fn cheapest(of: &[(f64, f64)]) -> Vec<(f64, usize)> {
    let at_rest = |it: &usize| of[*it];
    let Some(first) = (0..of.len()).min_by(|a, b| at_rest(a).partial_cmp(&at_rest(b)).unwrap())
    else {
        return Vec::new();
    };
    let mut steps = vec![(0.0, first)];
    loop {
        let (_, now) = steps[steps.len() - 1];
        let next = (0..of.len()).filter_map(|it| Some((crossover(of[now], of[it])?, it)));
        match next.min_by(|a, b| a.0.total_cmp(&b.0)) {
            Some(it) => steps.push(it),
            None => return steps,
        }
    }
}

#[test]
fn the_document_of_each_rate_has_the_figures_of_the_bill() {
    for per_s in RATES {
        let of_rate = Benchmarked::read(per_s);
        assert!(of_rate.publishes > 1.0 && of_rate.to_queues > 2.0);
        assert!(fifo_usd(per_s) > 2.0);
    }
}

#[test]
fn roads_cross_where_they_cost_the_same() {
    assert_eq!(crossover((10.0, 2.0), (20.0, 1.0)), Some(10.0));
    assert_eq!(crossover((20.0, 1.0), (10.0, 2.0)), None);
    assert_eq!(crossover((1.0, 1.0), (2.0, 1.0)), None);
}

#[test]
fn the_cheapest_road_is_another_one_where_they_cross() {
    let of = [(10.0, 1.0), (0.0, 3.0), (4.0, 2.0), (20.0, 0.9)];
    let told: Vec<usize> = cheapest(&of).iter().map(|it| it.1).collect();
    assert_eq!(told, [1, 2, 0, 3]);
    assert_eq!(cheapest(&of)[1].0, 4.0);
    assert_eq!(cheapest(&[]), []);
}

#[test]
fn the_benchmark_counts_with_the_same_prices() {
    let prices = Prices::read();
    for (file, constant, name) in [
        ("counts.rs", "SNS_USD_PER_MILLION", "sns.request"),
        ("counts.rs", "SQS_USD_PER_MILLION", "sqs.request"),
        ("fifo.rs", "SQS_USD_PER_MILLION", "sqs.fifo.request"),
        ("fifo.rs", "PUBLISHED_USD_PER_MILLION", "sns.fifo.published"),
        ("fifo.rs", "DELIVERED_USD_PER_MILLION", "sns.fifo.delivered"),
    ] {
        let text = fs::read_to_string(root().join("benches/bench").join(file)).unwrap();
        let said = format!("{constant}: f64 = {:.2};", prices.usd(name, MILLION));
        assert!(text.contains(&said), "{file} has no {said}");
    }
}
