//! Draws what `booking top` knows. Pure: it must not ask anybody, and no text from outside may
//! reach the terminal but through [`printable`](crate::printable).

use std::borrow::Cow;

use jiff::Timestamp;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Style, Stylize},
    text::Line,
    widgets::{Paragraph, Wrap},
};

use super::model::{Arrow, Asked, Look, Model, ReasonsOf};
use crate::{
    cli::timeline::length,
    http::{
        RatesView,
        view::{BookingLine, BookingList},
    },
    printable::line,
    vitals::{LOOKED_AT_MAX, ServiceVitals, Vitals},
};

/// The lines of the rates: a heading, the eight events, and an empty one.
const RATES_LINES: u16 = 10;
/// The lines of the queues: a heading, the four services, and an empty one.
const QUEUES_LINES: u16 = 6;
/// The lines that the bookings keep, however many reasons there are.
const BOOKINGS_LINES_MIN: u16 = 3;
/// The columns of a booking id; a longer one is cut.
const ID_COLUMNS: usize = 36;

/// Draws the screen at the time `now`.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, now: Timestamp) {
    let reasons = reasons(&model.look);
    let above = 1 + RATES_LINES + QUEUES_LINES + BOOKINGS_LINES_MIN;
    let room = frame.area().height.saturating_sub(above);
    let reasons = reasons.map(|it| in_room(it, room.into()));
    let lines = reasons.as_ref().map_or(0, Vec::len);
    let [top, rates, queues, dead, bookings] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(RATES_LINES),
        Constraint::Length(QUEUES_LINES),
        Constraint::Length(u16::try_from(lines).unwrap_or(u16::MAX)),
        Constraint::Min(0),
    ])
    .areas(frame.area());
    frame.render_widget(title(model, now), top);
    section(frame, rates, rates_of(&model.arrows, &model.rates));
    section(frame, queues, queues_of(&model.queues));
    if let Some(lines) = reasons {
        frame.render_widget(Paragraph::new(lines), dead);
    }
    section(frame, bookings, bookings_of(&model.open, now));
}

/// The lines, and an empty one if there is room. If there is no room for all of them, the first
/// ones, and how many are left out.
fn in_room(mut lines: Vec<Line<'static>>, room: usize) -> Vec<Line<'static>> {
    if lines.len() > room {
        let left_out = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        lines.push(Line::from(format!("and {left_out} more: make the terminal higher")).dim());
    } else {
        lines.push(Line::default());
    }
    lines.truncate(room);
    lines
}

/// A heading, and the lines below it or the problem that is in their place.
struct Section {
    heading: String,
    body: Result<Vec<Line<'static>>, String>,
}

fn section(frame: &mut Frame<'_>, area: Rect, section: Section) {
    let parts = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]);
    let [head, below] = parts.areas(area);
    frame.render_widget(Line::from(section.heading).bold(), head);
    match section.body {
        Ok(lines) => frame.render_widget(Paragraph::new(lines), below),
        Err(problem) => {
            let text = Paragraph::new(line(&problem)).style(Style::new().red());
            frame.render_widget(text.wrap(Wrap { trim: true }), below);
        }
    }
}

/// The body of a section about something that is asked for.
fn body<T>(
    asked: &Asked<T>,
    lines: impl FnOnce(&T) -> Result<Vec<Line<'static>>, String>,
) -> Result<Vec<Line<'static>>, String> {
    match asked {
        None => Ok(vec![Line::from("asking …").dim()]),
        Some(Ok(it)) => lines(it),
        Some(Err(problem)) => Err(problem.clone()),
    }
}

fn title(model: &Model, now: Timestamp) -> Line<'static> {
    let keys = match model.look {
        Look::Never => "q ends",
        Look::UnderWay(_) | Look::Ended(_) => "r looks again, q ends",
    };
    let time = now.strftime("%H:%M:%S UTC");
    // The address last: it may be longer than the screen is wide.
    Line::from(format!("booking top   {keys}   {time}   {}", line(&model.url))).reversed()
}

fn rates_of(arrows: &[Arrow], rates: &Asked<RatesView>) -> Section {
    let over = match rates {
        Some(Ok(it)) => format!("over the last {:.0} s", it.window_s.ceil()),
        None | Some(Err(_)) => String::new(),
    };
    let heading = format!("{:<18} {:>9}  {:<26} {over}", "EVENT", "A SECOND", "FROM → TO");
    let row = |it: &Arrow, rates: &RatesView| {
        let rate = rates.events.iter().find(|rate| rate.event == it.event);
        let rate = rate.map_or(0.0, |it| it.per_second);
        let text = format!("{:<18} {:>9}  {}", it.event.topic(), number(rate), it.way);
        if rate > 0.0 { Line::from(text) } else { Line::from(text).dim() }
    };
    let lines = |rates: &RatesView| Ok(arrows.iter().map(|it| row(it, rates)).collect());
    Section { heading, body: body(rates, lines) }
}

/// A rate in at most nine columns, whatever a server says.
fn number(rate: f64) -> String {
    match rate.abs() {
        0.0..100.0 => format!("{rate:.1}"),
        100.0..1e7 => format!("{rate:.0}"),
        _ => format!("{rate:.1e}"),
    }
}

fn queues_of(queues: &Asked<Vitals>) -> Section {
    let heading = format!(
        "{:<10} {:>9} {:>10} {:>13} {:>12}",
        "SERVICE", "WAITING", "IN FLIGHT", "DEAD LETTERS", "UNDELIVERED"
    );
    let lines = |seen: &Vitals| {
        let problems: Vec<&String> =
            seen.services.iter().filter_map(|it| it.problem.as_ref()).collect();
        match problems.first() {
            // The same for all of them, mostly: then there is room for the whole of it.
            Some(first) if problems.len() == seen.services.len() => Err((*first).clone()),
            _ => Ok(seen.services.iter().map(service).collect()),
        }
    };
    Section { heading, body: body(queues, lines) }
}

fn service(it: &ServiceVitals) -> Line<'static> {
    if let Some(problem) = &it.problem {
        return Line::from(format!("{:<10} {}", it.role.as_str(), line(problem))).red();
    }
    let text = format!(
        "{:<10} {:>9} {:>10} {:>13} {:>12}",
        it.role.as_str(),
        it.waiting,
        it.in_flight,
        it.dead,
        it.undelivered
    );
    if it.dead + it.undelivered > 0 { Line::from(text).red() } else { Line::from(text) }
}

/// The dead letters by reason, with their heading; `None` if nobody asked for them.
fn reasons(look: &Look) -> Option<Vec<Line<'static>>> {
    let (of, heading) = match look {
        Look::Never => return None,
        Look::UnderWay(before) => (before, "DEAD LETTERS BY REASON   looking …".to_owned()),
        Look::Ended(of) => {
            let most = format!("at most {LOOKED_AT_MAX} of each queue");
            (of, format!("DEAD LETTERS BY REASON   what a redrive would do ({most})"))
        }
    };
    let mut lines = vec![Line::from(heading).bold()];
    lines.extend(reason_lines(of));
    if lines.len() == 1 && matches!(look, Look::Ended(_)) {
        lines.push(Line::from("none").dim());
    }
    Some(lines)
}

fn reason_lines(of: &ReasonsOf) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (role, told) in of {
        match told {
            Err(problem) => {
                let text = format!("{:<8} {}", role.as_str(), line(problem));
                lines.push(Line::from(text).red());
            }
            Ok(reasons) => lines.extend(reasons.iter().map(|it| {
                let (reason, redrive) = (cut(&it.reason, 18), line(&it.redrive));
                Line::from(format!("{:<8} {:>5} {reason:<18} {redrive}", role.as_str(), it.count))
            })),
        }
    }
    lines
}

fn bookings_of(open: &Asked<BookingList>, now: Timestamp) -> Section {
    let heading = match open {
        Some(Ok(it)) => {
            let stuck = it.bookings.iter().filter(|it| it.stuck).count();
            let open = it.bookings.len();
            let more = if it.next.is_some() { " or more" } else { "" };
            // Those that are stuck come first.
            let more_stuck = if stuck == open { more } else { "" };
            format!("OPEN BOOKINGS: {open}{more}, {stuck}{more_stuck} stuck")
        }
        None | Some(Err(_)) => "OPEN BOOKINGS".to_owned(),
    };
    let lines = |it: &BookingList| {
        if it.bookings.is_empty() {
            return Ok(vec![Line::from("none").dim()]);
        }
        Ok(it.bookings.iter().map(|it| booking(it, now)).collect())
    };
    Section { heading, body: body(open, lines) }
}

fn booking(it: &BookingLine, now: Timestamp) -> Line<'static> {
    let silent = it.as_of.map(|at| length(now.duration_since(at))).unwrap_or_default();
    let waits = it.waiting_for.iter().map(|it| format!("{} from {}", it.event, it.from));
    let waits = waits.collect::<Vec<_>>().join(", ");
    let (id, stuck) =
        (cut(it.booking_id.as_str(), ID_COLUMNS), if it.stuck { "stuck" } else { "" });
    let text = format!("{stuck:<5} {silent:>12} {id:<ID_COLUMNS$} {}", line(&waits));
    if it.stuck { Line::from(text).red() } else { Line::from(text) }
}

/// The text in at most so many characters, none of which a terminal obeys.
fn cut(text: &str, most: usize) -> Cow<'static, str> {
    let text = line(text);
    if text.chars().count() <= most {
        return text.into();
    }
    let begin: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{begin}…").into()
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
