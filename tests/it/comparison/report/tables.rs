//! The tables of what was counted: requests, transitions, units, times and outages. No price may be
//! looked at here, but in the short form.

use std::collections::{BTreeMap, BTreeSet};

use booking::domain::status::Phase;

use super::{
    bills,
    cells::{figure, head, row, table},
    endings,
};
use crate::comparison::{
    bill::{POLLS_OF_LAMBDA_A_MINUTE, Prices, RATES, log_bytes},
    results::{Measured, Outage},
    road::Road,
    run::SLOW_ROUND_TRIP,
    stage::ROUND_TRIP,
    step::Step,
};

/// The short form: all of it, and the rows that the README has.
pub fn short(all: &[Measured], prices: &Prices, readme: bool) -> String {
    let happy = |it: &Measured| it.happy.latency[&Phase::Completed];
    let rates = RATES.into_iter().take(if readme { 1 } else { RATES.len() });
    let mut rows: Vec<Vec<String>> = rates
        .map(|per_s| {
            let name = format!("USD a million bookings at {per_s}/s, with what runs");
            row(name, all, |it| bills::whole_of(it, prices, per_s))
        })
        .collect();
    rows.extend([
        row("USD a month without a booking", all, |it| {
            format!("{:.0}", prices.at_rest(it).iter().map(|it| it.1).sum::<f64>())
        }),
        row("cheaper than the state machine from this many bookings a month", all, |it| {
            bills::cheaper_than_the_machine(it, all, prices)
        }),
        row("charged and refunded for want of a seat, in a mix that provokes it", all, |it| {
            let refunded = it.mix.endings.values().filter(|it| **it == Phase::Refunded).count();
            format!("{refunded} of {}", it.mix.bookings)
        }),
        row("ms to completed, p50 and p99", all, |it| {
            format!("{:.0}, {:.0}", happy(it).p50_ms, happy(it).p99_ms)
        }),
        row("asked for while one of four services stands still, and ended by then", all, |it| {
            let roles = it.outages.iter().filter(|of| of.stopped != it.road.middle());
            let shares: Vec<_> = roles.map(|of| (of.ended_of_meanwhile(), of)).collect();
            let least = shares.iter().min_by_key(|it| it.0);
            let most = shares.iter().max_by_key(|it| it.0);
            match (least, most) {
                (Some((least, _)), Some((most, of))) => {
                    format!("{least} to {most} of {}", of.asked_meanwhile)
                }
                _ => "–".to_owned(),
            }
        }),
        row("the same while what is in the middle stands still", all, |it| {
            let middle = it.outages.iter().find(|of| of.stopped == it.road.middle());
            middle.map_or("–".to_owned(), |of| {
                format!("{} of {}", of.ended_of_meanwhile(), of.asked_meanwhile)
            })
        }),
        row("lines in shared files for one more step", all, |it| {
            let step = if it.road.is_choreographed() { Step::heard() } else { Step::asked() };
            step.shared_lines.to_string()
        }),
    ]);
    if !readme {
        rows.push(row("violations that the audit finds", all, |it| {
            it.violations.len().to_string()
        }));
        rows.push(row("bookings that end as on SNS, of those in no race", all, |it| {
            endings::as_on_the_first(all, it)
        }));
    }
    table(&head("", all), &rows)
}

/// Requests of a booking that completes, by operation.
pub fn requests(all: &[Measured]) -> String {
    let a_booking = |it: &Measured, count: f64| figure(count / it.happy.bookings as f64);
    let names: BTreeSet<String> =
        all.iter().flat_map(|it| it.happy.tally.all_requests().into_keys()).collect();
    let mut rows: Vec<Vec<String>> = names
        .iter()
        .map(|name| {
            row(format!("`{name}`"), all, |it| match it.happy.tally.all_requests().get(name) {
                Some(count) => a_booking(it, *count as f64),
                None => "–".to_owned(),
            })
        })
        .collect();
    let by_machine = |it: &Measured| it.happy.transitions.values().map(|it| it.sent).sum::<u64>();
    rows.push(row("`sqs.SendMessage` of the state machine itself", all, |it| {
        match by_machine(it) {
            0 => "–".to_owned(),
            sent => a_booking(it, sent as f64),
        }
    }));
    let by_lambda = |it: &Measured| it.happy.tally.invoked();
    for what in ["receives", "deletes"] {
        rows.push(row(format!("{what} of Lambda, one an invocation"), all, |it| {
            match by_lambda(it) {
                0 => "–".to_owned(),
                count => a_booking(it, count as f64),
            }
        }));
    }
    rows.push(row("**everything but tables**", all, |it| {
        let all = it.happy.tally.all_requests();
        let others = all.iter().filter(|it| !it.0.starts_with("dynamodb."));
        let sent = by_machine(it) + 2 * by_lambda(it) + others.map(|it| it.1).sum::<u64>();
        format!("**{}**", a_booking(it, sent as f64))
    }));
    table(&head("requests a booking", all), &rows)
}

/// Transitions of a booking, by its ending.
pub fn transitions(all: &[Measured]) -> String {
    let Some(it) = all.iter().find(|it| !it.mix.transitions.is_empty()) else {
        return "No road with a state machine was measured.\n".to_owned();
    };
    let mut by_ending = BTreeMap::<Phase, Vec<u64>>::new();
    for (id, of) in &it.mix.transitions {
        by_ending.entry(it.mix.endings[id]).or_default().push(of.states);
    }
    let rows: Vec<Vec<String>> = by_ending
        .into_iter()
        .map(|(ending, states)| {
            let (least, most) = (states.iter().min().unwrap(), states.iter().max().unwrap());
            let range =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            vec![ending.to_string(), states.len().to_string(), range]
        })
        .collect();
    table(&["ending", "bookings", "state transitions of each"].map(str::to_owned), &rows)
}

/// Units and bytes of a booking that completes.
pub fn units(all: &[Measured]) -> String {
    let a_booking = |it: &Measured, count: f64| figure(count / it.happy.bookings as f64);
    let mut rows = vec![
        row("read units", all, |it| a_booking(it, it.happy.tally.read_units)),
        row("write units", all, |it| a_booking(it, it.happy.tally.write_units)),
        row("events published", all, |it| match it.happy.tally.published.values().sum::<u64>() {
            0 => "–".to_owned(),
            published => a_booking(it, published as f64),
        }),
        row("invocations of functions", all, |it| match it.happy.tally.invoked() {
            0 => "–".to_owned(),
            count => a_booking(it, count as f64),
        }),
        row("ms that they took together", all, |it| match it.happy.tally.invoked() {
            0 => "–".to_owned(),
            _ => a_booking(it, it.happy.tally.invoked_ms),
        }),
        row("bytes of log lines, with Lambda those of Lambda itself, too", all, |it| {
            a_booking(it, log_bytes(it))
        }),
    ];
    for role in booking::domain::RoleName::ALL {
        rows.push(row(format!("– of {role}"), all, |it| {
            let bytes = it.happy.tally.log_bytes.get(role.as_str()).copied().unwrap_or_default();
            a_booking(it, bytes as f64)
        }));
    }
    table(&head("a booking that completes", all), &rows)
}

/// What is asked without a booking.
pub fn idle(all: &[Measured]) -> String {
    let a_minute = |it: &Measured, count: u64| figure(count as f64 / it.idle_s * 60.0);
    let rows = [
        row("requests to queues", all, |it| match it.road {
            Road::Lambda => format!("{} (AWS says)", figure(POLLS_OF_LAMBDA_A_MINUTE)),
            _ => a_minute(it, it.idle.to("sqs")),
        }),
        row("requests to tables", all, |it| a_minute(it, it.idle.to("dynamodb"))),
    ];
    table(&head("a minute without a booking, all four", all), &rows)
}

/// Times to each ending of the mix.
pub fn latency(all: &[Measured]) -> String {
    let mut rows = Vec::new();
    rows.push(row("completed, one seat and a good card", all, |it| {
        let of = it.happy.latency[&Phase::Completed];
        format!("{:.0}, {:.0} ({})", of.p50_ms, of.p99_ms, of.bookings)
    }));
    for ending in Phase::ENDINGS {
        if all.iter().any(|it| it.mix.latency.contains_key(&ending)) {
            rows.push(row(format!("{ending}, of the mix"), all, |it| {
                it.mix.latency.get(&ending).map_or("–".to_owned(), |of| {
                    format!("{:.0}, {:.0} ({})", of.p50_ms, of.p99_ms, of.bookings)
                })
            }));
        }
    }
    table(&head("ms, p50 and p99 (bookings)", all), &rows)
}

/// How many round trips follow each other, by what a longer one adds.
pub fn hops(all: &[Measured]) -> String {
    let more = (SLOW_ROUND_TRIP - ROUND_TRIP).as_secs_f64() * 1000.0;
    let ms = |it: std::time::Duration| it.as_millis();
    let happy = |it: &Measured| it.happy.latency[&Phase::Completed].p50_ms;
    let slow = |it: &Measured| it.slow.map(|it| it.p50_ms);
    let rows = [
        row(format!("p50 at {} ms a request", ms(ROUND_TRIP)), all, |it| {
            format!("{:.0}", happy(it))
        }),
        row(format!("p50 at {} ms a request", ms(SLOW_ROUND_TRIP)), all, |it| {
            slow(it).map_or("–".to_owned(), |it| format!("{it:.0}"))
        }),
        row("**round trips one after the other**", all, |it| {
            let trips = slow(it).map(|slow| (slow - happy(it)) / more);
            trips.map_or("–".to_owned(), |it| format!("**{it:.1}**"))
        }),
    ];
    table(&head("a booking that completes", all), &rows)
}

/// What became of the bookings while something stood still.
pub fn outages(all: &[Measured]) -> String {
    let head = [
        "stands still",
        "road",
        "asked for before, meanwhile",
        "of both, ended when it came back",
        "known to status then",
        "where the others stood",
        "the last one ended after",
        "requests the client repeated",
        "what a person must do",
    ]
    .map(str::to_owned);
    let mut rows = Vec::new();
    let most = all.iter().map(|it| it.outages.len()).max().unwrap_or_default();
    for nth in 0..most {
        for it in all {
            let Some(of) = it.outages.get(nth) else { continue };
            let mut stood: Vec<String> =
                of.stood.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
            let unknown = of.bookings - of.decided_meanwhile - of.stood.values().sum::<usize>();
            if unknown > 0 {
                stood.push(format!("{unknown} not asked for yet"));
            }
            rows.push(vec![
                of.stopped.clone(),
                it.road.title().to_owned(),
                format!("{}, {}", of.asked_before, of.asked_meanwhile),
                of.decided_meanwhile.to_string(),
                of.ended_meanwhile.to_string(),
                stood.join(", "),
                format!("{:.1} s", of.last_s),
                of.again.to_string(),
                to_do(of),
            ]);
        }
    }
    table(&head, &rows)
}

/// What is left for a person, by what was counted.
fn to_do(of: &Outage) -> String {
    let mut left = Vec::new();
    if of.dead_letters > 0 {
        left.push(format!("put {} dead letters back", of.dead_letters));
    }
    if of.failed_executions > 0 {
        left.push(format!("redrive {} executions", of.failed_executions));
    }
    if left.is_empty() { "nothing".to_owned() } else { left.join("; ") }
}
