//! How a figure is written in the report. It must not round away what an acceptance line decides.

use crate::results::Spread;

/// A figure as `12.3 [11.9–12.8]`, or a dash if it was not measured.
pub fn show(figure: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = figure else { return "–".to_owned() };
    if (max - min).abs() < f64::EPSILON {
        return number(median);
    }
    format!("{} [{}–{}]", number(median), number(min), number(max))
}

/// A number with three significant digits, or more if the integer part is longer.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        it if it >= 100.0 => 0,
        it if it >= 10.0 => 1,
        it if it >= 1.0 => 2,
        it if it > 0.0 => 3,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
