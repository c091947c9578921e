//! The tables of money. Each figure is computed by `bill`, and none here.

use super::cells::{head, row, table};
use crate::comparison::{
    bill::{Bill, Line, Prices, RATES, cheapest, crossover},
    results::Measured,
    road::Road,
};

fn usd(it: f64) -> String {
    format!("{it:.2}")
}

fn sum(bill: &Bill) -> f64 {
    bill.values().sum()
}

/// Everything that a million bookings cost at a rate.
fn whole(of: &Measured, prices: &Prices, per_s: u32) -> f64 {
    sum(&prices.at_rate(of, per_s)) + prices.rest_of_a_million(of, per_s)
}

/// What a sum begins with that is at most so much, since nobody has measured that rate.
fn at_most(of: &Measured) -> &'static str {
    if matches!(of.road, Road::Lambda | Road::StepFunctions) { "≤ " } else { "" }
}

/// Everything, as it is shown.
pub fn whole_of(of: &Measured, prices: &Prices, per_s: u32) -> String {
    format!("{}{:.0}", at_most(of), whole(of, prices, per_s))
}

/// The bill of a million bookings: as measured here, and at the rates.
pub fn bills(all: &[Measured], prices: &Prices) -> String {
    let mut rows = Vec::new();
    for rate in [None, Some(RATES[0]), Some(RATES[1])] {
        rows.extend(at(rate, all, prices));
    }
    table(&head("USD a million bookings that complete", all), &rows)
}

/// The rows of one rate; of none, those of what was measured here, without what runs at rest.
fn at(rate: Option<u32>, all: &[Measured], prices: &Prices) -> Vec<Vec<String>> {
    let bill = |it: &Measured| match rate {
        None => prices.measured(it),
        Some(per_s) => prices.at_rate(it, per_s),
    };
    let rest = |it: &Measured| rate.map_or(0.0, |per_s| prices.rest_of_a_million(it, per_s));
    let most = |it: &Measured| rate.map_or("", |_| at_most(it));
    let name = match rate {
        None => format!("**at {}/s, as measured here**", all[0].per_s),
        Some(per_s) => format!("**at {per_s}/s**"),
    };
    let mut rows = vec![row(name, all, |_| String::new())];
    for line in Line::ALL {
        if all.iter().any(|it| bill(it).contains_key(&line)) {
            rows.push(row(line.title(), all, |it| {
                let most = match line {
                    // The milliseconds of a function are those of this machine.
                    Line::Lambda => "~ ",
                    Line::Sqs => most(it),
                    Line::Sns if it.road == Road::Lambda => most(it),
                    _ => "",
                };
                bill(it).get(&line).map_or("–".to_owned(), |it| format!("{most}{}", usd(*it)))
            }));
        }
    }
    if rate.is_some() {
        rows.push(row("what runs at rest, for as long as they take", all, |it| usd(rest(it))));
    }
    let together = match rate {
        None => "*together, without what runs at rest*",
        Some(_) => "*together*",
    };
    rows.push(row(together, all, |it| format!("*{}{}*", most(it), usd(sum(&bill(it)) + rest(it)))));
    rows
}

/// What a month costs without a booking.
pub fn rest(all: &[Measured], prices: &Prices) -> String {
    let names: Vec<&str> = prices.at_rest(&all[0]).into_iter().map(|it| it.0).collect();
    let mut rows: Vec<Vec<String>> = names
        .into_iter()
        .map(|name| {
            row(name, all, |it| {
                let line = prices.at_rest(it).into_iter().find(|it| it.0 == name);
                line.map_or("–".to_owned(), |it| usd(it.1))
            })
        })
        .collect();
    rows.push(row("**together**", all, |it| format!("**{}**", usd(month(it, prices)))));
    table(&head("USD a month of 730 hours", all), &rows)
}

fn month(of: &Measured, prices: &Prices) -> f64 {
    prices.at_rest(of).iter().map(|it| it.1).sum()
}

/// What a month costs, and each booking more.
fn cost(of: &Measured, prices: &Prices) -> (f64, f64) {
    (month(of, prices), sum(&prices.at_rate(of, RATES[0])) / 1e6)
}

/// From how many bookings a month on a choreographed road is cheaper than the state machine.
pub fn cheaper_than_the_machine(of: &Measured, all: &[Measured], prices: &Prices) -> String {
    let machine = all.iter().find(|it| it.road == Road::StepFunctions);
    let Some(machine) = machine.filter(|_| of.road.is_choreographed()) else {
        return "–".to_owned();
    };
    let (machine, own) = (cost(machine, prices), cost(of, prices));
    match crossover(machine, own) {
        Some(from) => about(from),
        None if own.0 <= machine.0 => "always".to_owned(),
        None => "never".to_owned(),
    }
}

/// A number of bookings with two digits that count: the figures behind it have no more.
fn about(bookings: f64) -> String {
    let unit = 10f64.powf(bookings.log10().floor() - 1.0);
    format!("about {:.0}", (bookings / unit).round() * unit)
}

/// Of each two roads, which is cheaper, and up to how many bookings a month.
pub fn crossovers(all: &[Measured], prices: &Prices) -> String {
    let cost = |it: &Measured| cost(it, prices);
    let mut rows = Vec::new();
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            let (a, b) = (cost(one), cost(other));
            let (names, costs) =
                if a.0 <= b.0 { ((one, other), (a, b)) } else { ((other, one), (b, a)) };
            let (few, many) = (names.0.road.title(), names.1.road.title());
            let told = match crossover(costs.0, costs.1) {
                Some(bookings) => format!("{few} up to {}, then {many}", about(bookings)),
                None => format!("{few}, however many"),
            };
            rows.push(vec![format!("{few} or {many}"), told]);
        }
    }
    let costs: Vec<(f64, f64)> = all.iter().map(cost).collect();
    let told = cheapest(&costs).into_iter().map(|(from, at)| {
        let from = if from == 0.0 { String::new() } else { format!(" from {} on", about(from)) };
        format!("{}{from}", all[at].road.title())
    });
    let mut text = format!("The cheapest: {}.\n\n", told.collect::<Vec<_>>().join("; "));
    text += &table(&["of these two", "is cheaper, by bookings a month"].map(str::to_owned), &rows);
    let many = [1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0];
    let rows: Vec<Vec<String>> = many
        .into_iter()
        .map(|bookings| {
            row(format!("{bookings:.0}"), all, |it| {
                let (rest, each) = cost(it);
                usd(rest + each * bookings)
            })
        })
        .collect();
    text.push('\n');
    text.push_str(&table(&head("USD a month with so many bookings", all), &rows));
    text
}

/// The list of prices.
pub fn prices(prices: &Prices) -> String {
    let rows: Vec<Vec<String>> = prices
        .prices
        .iter()
        .map(|it| {
            let per =
                if it.per > 1.0 { format!("{:.0} million ", it.per / 1e6) } else { String::new() };
            vec![format!("{per}{}", it.unit), it.usd.to_string(), format!("<{}>", it.source)]
        })
        .collect();
    table(&["of", "USD", "AWS's page"].map(str::to_owned), &rows)
}
