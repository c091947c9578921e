//! The choreography as a diagram that carries what happens: a column for the client and for each
//! service, a row for each event with an arrow to everybody who hears it. It is drawn from
//! `topics/`, as the picture of `booking topics --format svg` is; this one has figures and states.
//!
//! Lengths are units of the `viewBox`. A phone shows the 420 units of the width on about 350
//! pixels, where the smallest text, of 13 units, is still more than 10 pixels high. Colours are
//! classes, because the page allows no style in its text.

use std::sync::LazyLock;

use askama::Template;

use super::services::ServiceState;
use crate::{
    domain::event::Kind,
    topics::{self, Topic},
};

const WIDTH: usize = 420;
const COLUMN_WIDTH: usize = 84;
const HEADER_HEIGHT: usize = 50;
const ROW_HEIGHT: usize = 62;
/// The gap between the header and the rows.
const ROW_GAP: usize = 6;
/// The gap between two headings.
const COLUMN_GAP: usize = 6;
/// The distance from the top of a row to its arrows.
const LINE_DEPTH: usize = 44;
/// Half the width of the square of a publisher.
const SQUARE: usize = 7;
/// How far the tip of an arrow is from the middle of the column.
const TIP: usize = 7;

static TOPICS: LazyLock<Vec<Topic>> = LazyLock::new(topics::all);

/// One event of the diagram, as its maker wants it shown.
pub(super) struct Event {
    pub(super) kind: Kind,
    /// A class: `flows`, or the prospect of the event in one booking.
    pub(super) state: &'static str,
    /// What stands at the right of its name.
    pub(super) figures: String,
    /// How often it was heard.
    pub(super) count: u64,
}

/// The diagram, as SVG.
#[derive(Template)]
#[template(path = "diagram.html")]
pub(super) struct Diagram {
    title: String,
    width: usize,
    height: usize,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

struct Column {
    name: &'static str,
    x: usize,
    left: usize,
    width: usize,
    height: usize,
    state: &'static str,
    words: String,
}

struct Row {
    topic: &'static str,
    publisher: String,
    state: &'static str,
    figures: String,
    count: u64,
    top: usize,
    height: usize,
    y: usize,
    from: usize,
    specks: Vec<usize>,
    arrows: Vec<Arrow>,
}

struct Arrow {
    role: &'static str,
    does: String,
    x: usize,
    /// The head, as the path of a triangle.
    head: String,
}

impl Diagram {
    /// A diagram with these states of the client and the services, and these events in the order of
    /// [`Kind::ALL`].
    pub(super) fn of(title: &str, services: &[ServiceState], events: Vec<Event>) -> Diagram {
        let middle = |name: &str| {
            let column = services.iter().position(|it| it.name == name).unwrap_or(0);
            column * COLUMN_WIDTH + COLUMN_WIDTH / 2
        };
        let width = COLUMN_WIDTH - COLUMN_GAP;
        let columns = services.iter().map(|it| Column {
            name: it.name,
            x: middle(it.name),
            left: middle(it.name) - width / 2,
            width,
            height: HEADER_HEIGHT,
            state: it.state,
            words: it.words.clone(),
        });
        let columns: Vec<Column> = columns.collect();
        let row = |(at, event): (usize, Event)| {
            let topic = TOPICS.iter().find(|it| it.topic == event.kind);
            let topic = topic.expect("every event has a topic");
            let top = HEADER_HEIGHT + ROW_GAP + at * (ROW_HEIGHT + ROW_GAP);
            let (y, from) = (top + LINE_DEPTH, middle(&topic.publisher));
            let arrow = |it: &topics::Subscriber| {
                let role = it.role.as_str();
                let x = middle(role);
                Arrow { role, does: it.does.clone(), x, head: head(from, x, y) }
            };
            Row {
                topic: event.kind.topic(),
                publisher: topic.publisher.clone(),
                state: event.state,
                figures: event.figures,
                count: event.count,
                top,
                height: ROW_HEIGHT,
                y,
                from,
                specks: columns.iter().map(|it| it.x).collect(),
                arrows: topic.subscribers.iter().map(arrow).collect(),
            }
        };
        let rows: Vec<Row> = events.into_iter().enumerate().map(row).collect();
        let height = HEADER_HEIGHT + rows.len() * (ROW_HEIGHT + ROW_GAP);
        Diagram { title: title.to_owned(), width: WIDTH, height, columns, rows }
    }
}

impl Row {
    fn name_y(&self) -> usize {
        self.top + 24
    }

    fn square_left(&self) -> usize {
        self.from - SQUARE
    }

    fn square_top(&self) -> usize {
        self.y - SQUARE
    }

    /// What the row shows, for a reader who does not see it.
    fn sentence(&self) -> String {
        let hearers: Vec<&str> = self.arrows.iter().map(|it| it.role).collect();
        format!("{} from {} to {}", self.topic, self.publisher, hearers.join(", "))
    }
}

/// The head of an arrow that comes from the column at `from` to the one at `x`.
fn head(from: usize, x: usize, y: usize) -> String {
    let (top, bottom) = (y - TIP, y + TIP);
    let (tip, back) = if from < x { (x + TIP, x - TIP) } else { (x - TIP, x + TIP) };
    format!("M{back} {top}L{tip} {y}L{back} {bottom}Z")
}

#[cfg(test)]
#[path = "diagram_tests.rs"]
mod tests;
