//! Times, spans and rates in words. A span is told in steps, so that a page changes no more often
//! than somebody can read it.

use jiff::{SignedDuration, Timestamp};

/// A span in at most two units, such as `4 min 10 s`: below a minute in steps of 5 seconds, below
/// an hour in steps of 10 seconds. A span that is negative counts as none.
pub(super) fn span(of: SignedDuration) -> String {
    let s = of.as_secs().max(0);
    let two = |large: i64, of: &str, small: i64, and: &str| match small {
        0 => format!("{large} {of}"),
        _ => format!("{large} {of} {small} {and}"),
    };
    match s {
        0..5 => "under 5 s".to_owned(),
        5..60 => format!("{} s", s / 5 * 5),
        60..3_600 => two(s / 60, "min", s % 60 / 10 * 10, "s"),
        3_600..86_400 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

/// A span in one unit, where there is little room.
pub(super) fn short_span(of: SignedDuration) -> String {
    let s = of.as_secs().max(0);
    match s {
        0..60 => format!("{} s", s / 5 * 5),
        60..3_600 => format!("{} min", s / 60),
        3_600..86_400 => format!("{} h", s / 3_600),
        _ => format!("{} d", s / 86_400),
    }
}

/// The time of day in UTC, with the day if it is another than that of `now`.
pub(super) fn time_of_day(at: Timestamp, now: Timestamp) -> String {
    let day = |it: Timestamp| it.strftime("%Y-%m-%d").to_string();
    match day(at) == day(now) {
        true => at.strftime("%H:%M:%S").to_string(),
        false => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    }
}

/// How often something happens, given how often it does so in a second: `1.5/s`, `3/min`, or `–`.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        it if it <= 0.0 => "–".to_owned(),
        it if it >= 9.95 => format!("{it:.0}/s"),
        it if it >= 0.95 => format!("{it:.1}/s"),
        it => format!("{:.0}/min", it * 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_and_steps() {
        for (s, told, short) in [
            (-7, "under 5 s", "0 s"),
            (4, "under 5 s", "0 s"),
            (59, "55 s", "55 s"),
            (60, "1 min", "1 min"),
            (254, "4 min 10 s", "4 min"),
            (3_600, "1 h", "1 h"),
            (3_725, "1 h 2 min", "1 h"),
            (90_000, "1 d 1 h", "1 d"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(s)), told);
            assert_eq!(short_span(SignedDuration::from_secs(s)), short);
        }
    }

    #[test]
    fn rates_are_a_second_or_a_minute() {
        for (per_second, told) in
            [(0.0, "–"), (0.05, "3/min"), (1.5, "1.5/s"), (20.0, "20/s"), (2_000.0, "2000/s")]
        {
            assert_eq!(rate(per_second), told);
        }
    }

    #[test]
    fn a_time_names_its_day_unless_it_is_today() {
        let now: Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
        assert_eq!(time_of_day(now, now), "09:30:00");
        let before: Timestamp = "2027-01-31T23:59:59Z".parse().unwrap();
        assert_eq!(time_of_day(before, now), "2027-01-31 23:59:59");
    }
}
