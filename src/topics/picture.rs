//! The picture of the choreography: a column for the client and for each service, a row for each
//! event; a guest is a column more. It is drawn from `topics/` alone and must never read a clock, a
//! setting or a file, so that the same topics always give the same bytes.
//!
//! Lengths are units of the `viewBox`. A phone shows the 420 units of the four and the client on
//! about 350 pixels, where the smallest text, of 14 units, is still more than 11 pixels high.

use super::{Topic, all, names};
use crate::domain::RoleName;

const COLUMN_WIDTH: usize = 84;
const HEADER_HEIGHT: usize = 32;
const ROW_HEIGHT: usize = 66;
const LEGEND_HEIGHT: usize = 38;
/// The gap between the header, the rows and the legend.
const ROW_GAP: usize = 8;
/// The gap between two headings.
const COLUMN_GAP: usize = 4;
/// The distance from the left edge of a row to the name of its event.
const NAME_LEFT: usize = 14;
/// The distance from the top of a row to the baseline of the name.
const NAME_DEPTH: usize = 25;
/// The distance from the top of a row to its line.
const LINE_DEPTH: usize = 47;
/// The distance from the middle of a shape to the baseline of its text.
const TEXT_DROP: usize = 5;
/// The radius of a dot, and half the width of a square.
const DOT_RADIUS: usize = 8;
const CORNER_RADIUS: usize = 8;
/// A longer name is squeezed into its heading.
const HEADING_LETTERS_MAX: usize = 9;
/// The radius of the mark of a column that an event does not reach. The line of an event covers it.
const SPECK_RADIUS: usize = 2;

/// All text stands on a filled shape and never on the page, whose colour is not known here. The
/// colour of a service has a contrast of at least 4.5 to 1 to the fill of a row and to the text of
/// a heading, in both modes. There are no CSS variables, because not every viewer knows them.
const STYLE: &str = "\
    svg { font: 14px system-ui, sans-serif }
    .name { font: 600 15px ui-monospace, monospace }
    .heading { font-weight: 600; text-anchor: middle; fill: #ffffff }
    .mark { fill: currentColor }
    .line { stroke: currentColor; stroke-width: 4 }
    .text { fill: #1f2328 }
    .row { fill: #f3f5f8 }
    .speck { fill: #afb8c1 }
    .client { color: #57606a }
    .seats { color: #0860c4 }
    .payment { color: #116b2b }
    .receipt { color: #8037c9 }
    .status { color: #a84300 }
    .guest { color: #4a5a00 }
    @media (prefers-color-scheme: dark) {
      .heading { fill: #0d1117 }
      .text { fill: #e6edf3 }
      .row { fill: #1c2129 }
      .speck { fill: #57606a }
      .client { color: #9ea7b3 }
      .seats { color: #6cb6ff }
      .payment { color: #56d364 }
      .receipt { color: #cfa4ff }
      .status { color: #ffa657 }
      .guest { color: #c3d34f }
    }
";

/// The choreography as an SVG picture, which ends with a newline. It has no script and needs
/// nothing from outside; its background is transparent, and it follows the light or dark mode of
/// its reader.
#[must_use]
pub fn svg() -> String {
    svg_of(&all())
}

pub(super) fn svg_of(topics: &[Topic]) -> String {
    let (columns, legend_top) = (Columns::of(topics), row_top(topics.len()));
    let (width, height) = (columns.width(), legend_top + LEGEND_HEIGHT);
    let sentences: String = topics.iter().map(sentence).collect();
    let headings: String = columns.0.iter().map(|it| columns.heading(it)).collect();
    let rows = topics.iter().enumerate().map(|(at, it)| columns.row(row_top(at), it));
    let rows: String = rows.collect();
    let legend = columns.legend(legend_top);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-labelledby='title desc' \
         width='{width}' height='{height}' viewBox='0 0 {width} {height}'>\n  \
         <title id='title'>The publisher of each event, and the services that hear it</title>\n  \
         <desc id='desc'>\n{sentences}  </desc>\n  \
         <style>\n    {STYLE}  </style>\n{headings}{rows}{legend}</svg>\n"
    )
}

fn row_top(row: usize) -> usize {
    HEADER_HEIGHT + ROW_GAP + row * (ROW_HEIGHT + ROW_GAP)
}

/// What a row shows, for a reader who does not see it.
fn sentence(it: &Topic) -> String {
    let hearers: Vec<&str> = it.listeners().map(|(name, _)| name).collect();
    format!("    {} publishes {}, heard by {}.\n", it.publisher, it.topic, hearers.join(", "))
}

/// The client, the roles and the guests, from left to right.
struct Columns<'a>(Vec<&'a str>);

impl<'a> Columns<'a> {
    fn of(topics: &'a [Topic]) -> Columns<'a> {
        Columns(["client"].into_iter().chain(names(topics)).collect())
    }

    fn width(&self) -> usize {
        self.0.len() * COLUMN_WIDTH
    }

    /// The middle of a column.
    fn middle(&self, name: &str) -> usize {
        let column = self.0.iter().position(|it| *it == name);
        let column = column.expect("a topic names only the client, roles and its guests");
        column * COLUMN_WIDTH + COLUMN_WIDTH / 2
    }

    fn heading(&self, name: &str) -> String {
        let (x, width, class) = (self.middle(name), COLUMN_WIDTH - COLUMN_GAP, class(name));
        let (left, baseline) = (x - width / 2, HEADER_HEIGHT / 2 + TEXT_DROP);
        let squeezed = match name.len() > HEADING_LETTERS_MAX {
            true => {
                format!(" textLength='{}' lengthAdjust='spacingAndGlyphs'", width - 2 * COLUMN_GAP)
            }
            false => String::new(),
        };
        format!(
            "  <rect class='mark {class}' x='{left}' y='0' width='{width}' \
             height='{HEADER_HEIGHT}' rx='{CORNER_RADIUS}'/>\n  <text class='heading' x='{x}' \
             y='{baseline}'{squeezed}>{name}</text>\n"
        )
    }

    /// The name of an event, and a line from the square of its publisher through the dots of its
    /// listeners.
    fn row(&self, top: usize, it: &Topic) -> String {
        let Topic { topic, publisher, .. } = it;
        let (baseline, y) = (top + NAME_DEPTH, top + LINE_DEPTH);
        let from = self.middle(publisher);
        let ends = || it.listeners().map(|(name, _)| self.middle(name));
        let (left, right) = (ends().fold(from, usize::min), ends().fold(from, usize::max));
        let panel = self.panel(top, ROW_HEIGHT);
        let speck =
            |x: usize| format!("  <circle class='speck' cx='{x}' cy='{y}' r='{SPECK_RADIUS}'/>\n");
        let specks: String = self.0.iter().map(|it| speck(self.middle(it))).collect();
        let square = square(publisher, from, y);
        let dots = it
            .listeners()
            .map(|(name, does)| dot(class(name), self.middle(name), y, &format!("{name}: {does}")));
        let dots: String = dots.collect();
        format!(
            "{panel}  <text class='name text' x='{NAME_LEFT}' y='{baseline}'>{topic}</text>\n\
             {specks}  <line class='line {publisher}' x1='{left}' y1='{y}' x2='{right}' y2='{y}'/>\n\
             {square}{dots}"
        )
    }

    /// What the square and the dot mean.
    fn legend(&self, top: usize) -> String {
        let (y, square_x) = (top + LEGEND_HEIGHT / 2, NAME_LEFT + DOT_RADIUS);
        let dot_x = self.middle("seats");
        let text = |x: usize, text: &str| {
            let (left, baseline) = (x + DOT_RADIUS + NAME_LEFT / 2, y + TEXT_DROP);
            format!("  <text class='text' x='{left}' y='{baseline}'>{text}</text>\n")
        };
        let (publishes, hears) = ("publishes", "hears the event, and acts on it");
        [
            self.panel(top, LEGEND_HEIGHT),
            square("client", square_x, y) + &text(square_x, publishes),
            dot("client", dot_x, y, hears) + &text(dot_x, hears),
        ]
        .concat()
    }

    fn panel(&self, top: usize, height: usize) -> String {
        let width = self.width();
        format!(
            "  <rect class='row' y='{top}' width='{width}' height='{height}' \
             rx='{CORNER_RADIUS}'/>\n"
        )
    }
}

/// The class that has the colour of a column. All guests share one.
fn class(name: &str) -> &str {
    let is_ours = name == "client" || RoleName::of_name(name).is_some();
    if is_ours { name } else { "guest" }
}

fn square(name: &str, x: usize, y: usize) -> String {
    let (left, top, width) = (x - DOT_RADIUS, y - DOT_RADIUS, 2 * DOT_RADIUS);
    format!("  <rect class='mark {name}' x='{left}' y='{top}' width='{width}' height='{width}'/>\n")
}

/// A browser that shows the file by itself has `tooltip` at the dot.
fn dot(name: &str, x: usize, y: usize, tooltip: &str) -> String {
    let tooltip = tooltip.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "  <circle class='mark {name}' cx='{x}' cy='{y}' r='{DOT_RADIUS}'>\
         <title>{tooltip}</title></circle>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE_WIDTH_PX: usize = 350;

    #[test]
    fn every_event_every_role_and_every_subscription_is_in_the_picture() {
        let (svg, topics) = (svg(), all());
        let columns = Columns::of(&topics);
        for name in &columns.0 {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        }
        for (at, topic) in topics.iter().enumerate() {
            let row = columns.row(row_top(at), topic);
            assert!(svg.contains(&row) && row.contains(&format!(">{}</text>", topic.topic)));
            assert!(row.contains(&format!("<rect class='mark {}'", topic.publisher)), "{row}");
            assert!(row.contains(&format!("<line class='line {}' x1='", topic.publisher)), "{row}");
            assert!(svg.contains(&sentence(topic)), "{}", topic.topic);
            for (name, _) in topic.listeners() {
                let (class, x) = (class(name), columns.middle(name));
                assert!(row.contains(&format!("<circle class='mark {class}' cx='{x}'")), "{row}");
            }
            assert_eq!(row.matches("<circle class='mark").count(), topic.listeners().count());
        }
    }

    #[test]
    fn every_element_is_closed_and_text_is_escaped() {
        let svg = svg() + &dot("seats", 0, 0, "a < b & c");
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, _) = part.split_once('>').expect("a tag ends");
            assert_eq!(tag.matches('\'').count() % 2, 0, "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap_or(tag));
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(svg.ends_with("<title>a &lt; b &amp; c</title></circle>\n"));
    }

    #[test]
    fn it_has_colours_for_both_modes_text_for_a_phone_and_nothing_from_outside() {
        for name in ["client", "guest"].into_iter().chain(RoleName::ALL.map(RoleName::as_str)) {
            assert_eq!(STYLE.matches(&format!(".{name} {{ color: ")).count(), 2, "{name}");
        }
        let sizes = STYLE.split("px").filter_map(|it| it.rsplit(' ').next()?.parse().ok());
        let smallest: usize = sizes.min().expect("the style has sizes");
        let width = (1 + RoleName::ALL.len()) * COLUMN_WIDTH;
        assert!(smallest * PHONE_WIDTH_PX / width >= 11);
        let svg = svg();
        for word in ["<script", "href", "url(", "@import", "<image"] {
            assert!(!svg.contains(word), "{word}");
        }
    }
}
