//! A booking as text for a terminal. Only formats a [`BookingView`]: it must not decide how a
//! booking stands.

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{seat::seat_list, status::Phase},
    http::view::{BookingView, Entry},
};

/// What a phase means, in words.
pub(super) fn meaning(phase: Phase, is_final: bool) -> &'static str {
    match (phase, is_final) {
        (Phase::Requested, _) => "requested, nothing decided yet",
        (Phase::SeatBooked, _) => "seats held, not paid yet",
        (Phase::Paid, _) => "paid, seats not decided yet",
        (Phase::Confirmed, _) => "seats and payment are there, the receipt is on its way",
        (Phase::Completed, _) => "seats confirmed, charged once, receipt sent",
        (Phase::PaymentFailed, true) => "payment denied, seats freed again",
        (Phase::PaymentFailed, false) => "payment denied, seats being freed",
        (Phase::SeatUnavailable, true) => "no seat, never charged",
        (Phase::SeatUnavailable, false) => "no seat; a charge may be under way",
        (Phase::SeatAndPaymentFailed, _) => "no seat, and payment denied",
        (Phase::RefundPending, _) => "charged without a seat, money on its way back",
        (Phase::Refunded, _) => "charged without a seat, money given back",
        (Phase::Rejected, _) => "the request was refused",
        (Phase::Inconsistent, _) => "both paid and not paid: a person should look",
    }
}

/// The whole booking: its phase, the timeline, and what it waits for.
pub(super) fn render(view: &BookingView, now: Timestamp) -> String {
    let mut text = format!("booking {}  {}", view.booking_id, view.phase.as_str().to_uppercase());
    text.push_str(&format!("\n{}", meaning(view.phase, view.is_final)));
    if let (Some(flight), Some(date)) = (&view.flight, &view.date) {
        text.push_str(&format!("\nflight {flight} on {date}, {}", seats(&view.seats)));
    }
    text.push_str("\n\n");
    text.push_str(&lines(&view.timeline));
    for it in &view.waiting_for {
        let waited = now.duration_since(it.since);
        text.push_str(&format!(
            "\nwaits for {} from {}, for {} (since {})",
            it.event,
            it.from,
            length(waited),
            it.since.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ));
    }
    if view.stuck {
        text.push_str(
            "\nSTUCK: no news for longer than the limit; `booking resend` announces what was decided \
             again",
        );
    }
    if let Some(it) = &view.receipt {
        let void = if it.valid { "" } else { " (void: the seats were lost after it went out)" };
        text.push_str(&format!("\nreceipt {}{void}", it.number));
    }
    if view.conflict {
        text.push_str(
            "\nCONFLICT: different requests were made with this id; this is the one that was answered",
        );
    }
    text.push('\n');
    text
}

/// The timeline, one line for each event. The first line has the time of day; the others have the
/// seconds since the first.
pub(super) fn lines(timeline: &[Entry]) -> String {
    let Some(first) = timeline.first().map(Entry::happened) else { return String::new() };
    let mut text = String::new();
    for (at, entry) in timeline.iter().enumerate() {
        let time = if at == 0 {
            first.strftime("%H:%M:%S%.3f").to_string()
        } else {
            format!("{:+.3} s", entry.happened().duration_since(first).as_secs_f64())
        };
        let source = entry.source.strip_prefix("/booking/").unwrap_or(&entry.source);
        let source: String = source.chars().take(12).collect();
        let line = format!("  {time:>12}  {:<18} {source:<12} {}", entry.kind, detail(entry));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn detail(entry: &Entry) -> String {
    let mut parts = Vec::new();
    if entry.happened() != entry.time {
        parts.push(format!("says {}", entry.time));
    }
    parts.extend(entry.reason.clone());
    if !entry.seats.is_empty() {
        parts.push(seat_list(&entry.seats));
    }
    parts.extend(entry.amount.map(|it| it.to_string()));
    parts.extend(entry.receipt.clone());
    parts.join(", ")
}

fn seats(seats: &[crate::domain::seat::SeatId]) -> String {
    let word = if seats.len() == 1 { "seat" } else { "seats" };
    format!("{word} {}", seat_list(seats))
}

/// `3 s`, `2 min 5 s`, `4 h 10 min`, `3 d 4 h`
pub(super) fn length(time: SignedDuration) -> String {
    let s = time.as_secs().max(0);
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_whose_clock_is_ahead_is_told_with_the_time_when_it_was_heard() {
        let at = |second: i64| Timestamp::new(1_800_000_000 + second, 0).expect("in range");
        let entry = |kind: &str, time, heard| Entry {
            kind: kind.to_owned(),
            time,
            heard,
            source: "client".to_owned(),
            reason: None,
            seats: Vec::new(),
            amount: None,
            receipt: None,
        };
        let request = entry("booking-requested", at(30), Some(at(0)));
        let text = lines(&[request, entry("seat-booked", at(1), None)]);
        assert!(text.contains(" +1.000 s  seat-booked"), "{text}");
        assert!(text.contains(&format!("says {}", at(30))), "{text}");
    }
}
