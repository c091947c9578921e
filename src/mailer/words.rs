//! What a letter says, in whichever form: text, HTML or PDF. It must never depend on anything but
//! the receipt and the letterhead.

use jiff::{Timestamp, tz::TimeZone};

use super::letterhead::Letterhead;
use crate::domain::{
    receipt::Receipt,
    request::Passenger,
    schedule::Schedule,
    seat::{Seating, seat_list},
};

/// How wide the labels are in the text, in characters.
const LABEL_WIDTH: usize = 19;

/// The words of one letter.
pub(super) struct Words<'a> {
    pub(super) subject: String,
    /// What kind of letter it is.
    pub(super) title: &'static str,
    pub(super) number: &'a str,
    /// The words before the passenger's name, the name, and the words after it. The name stands
    /// apart because it may be written from right to left.
    pub(super) opening: (&'static str, String, String),
    pub(super) lines: Vec<Line>,
    /// The line of the money.
    pub(super) total: Line,
    pub(super) closing: String,
    pub(super) is_void: bool,
}

/// A label and what belongs to it.
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) value: String,
}

impl Line {
    fn new(label: &'static str, value: impl ToString) -> Line {
        Line { label, value: value.to_string() }
    }

    /// The label, filled up with spaces.
    pub(super) fn padded(&self) -> String {
        format!("{:<LABEL_WIDTH$}", self.label)
    }
}

impl<'a> Words<'a> {
    /// What is said to this passenger.
    pub(super) fn of(receipt: &'a Receipt, to: &Passenger, head: &Letterhead) -> Words<'a> {
        let seating = &receipt.seating;
        let name: String = to.name.chars().filter(|it| !turns(*it)).collect();
        let mut lines = vec![Line::new("Passenger", &name)];
        // Nobody leaves with a receipt that is void.
        let schedule = head.schedule.as_ref().filter(|_| receipt.voids.is_none());
        lines.extend(itinerary(seating, schedule));
        let seats = if seating.seats.len() == 1 { "Seat" } else { "Seats" };
        lines.push(Line::new(seats, seat_list(&seating.seats)));
        lines.push(Line::new("Booking", &receipt.booking));
        lines.push(Line::new("Paid on", minute(receipt.paid_at)));
        lines.extend(receipt.charge.iter().map(|it| Line::new("Payment reference", it)));
        let write_to = head.contact.as_ref().map(|it| format!(" at {it}")).unwrap_or_default();
        let (number, flight) = (&*receipt.number, seating.flight.as_str());
        let question = format!("If you write to us{write_to}, name the number {number}.");
        match &receipt.voids {
            None => {
                lines.push(Line::new("Issued on", day(receipt.issued_at())));
                lines.push(Line::new("Issued by", sender(head)));
                Words {
                    subject: format!("Your receipt {number} for flight {flight}"),
                    title: "Receipt",
                    number,
                    opening: (
                        "Thank you, ",
                        name,
                        ". Your seats are confirmed and paid.".to_owned(),
                    ),
                    lines,
                    total: Line::new("Total paid", receipt.amount),
                    closing: format!("Please keep this receipt. {question}"),
                    is_void: false,
                }
            }
            Some(voided) => {
                lines.insert(0, Line::new("Void receipt", &voided.number));
                lines.extend(voided.lost_at.map(|it| Line::new("Void since", minute(it))));
                Words {
                    subject: format!("Your receipt {} for flight {flight} is void", voided.number),
                    title: "Receipt void",
                    number,
                    opening: (
                        "We are sorry, ",
                        name,
                        format!(
                            ". The seats of this booking were lost, so your receipt {} is void. \
                             You get all of the money back and need to do nothing.",
                            voided.number
                        ),
                    ),
                    lines,
                    total: Line::new("You get back", receipt.amount),
                    closing: question,
                    is_void: true,
                }
            }
        }
    }
}

/// Whether a character turns text around or begins a line, so that a name with it could change what
/// stands beside it.
fn turns(letter: char) -> bool {
    matches!(letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Flight, airports and departure, as far as the schedule knows them.
fn itinerary(seating: &Seating, schedule: Option<&Schedule>) -> Vec<Line> {
    let flight = Line::new("Flight", seating.flight.as_str());
    match schedule.and_then(|it| it.departing(&seating.flight, seating.date)) {
        None => vec![flight, Line::new("Date", seating.date)],
        Some(known) => {
            let departs = format!("{} {}, local time", seating.date, known.departs());
            vec![
                flight,
                Line::new("From", &known.from),
                Line::new("To", &known.to),
                Line::new("Departure", departs),
            ]
        }
    }
}

/// The name of the sender or, if it has none, its address.
fn sender(head: &Letterhead) -> String {
    head.from.name.clone().unwrap_or_else(|| head.from.email.to_string())
}

fn minute(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn day(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}
