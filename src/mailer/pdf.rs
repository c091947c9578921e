//! A receipt as one page of PDF, to print and to keep. It says what the words of the letter say,
//! and must never depend on the time or on chance.

use jiff::{Timestamp, tz::TimeZone};
use krilla::{
    Document,
    color::rgb,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    page::PageSettings,
    paint::Fill,
    surface::Surface,
};

use super::{
    Cause,
    fonts::Fonts,
    typeset::{Line, wrapped},
    words::Words,
};

// An A4 page, in points: 72 of them are an inch.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
/// The height of the band with the number.
const BAND: f32 = 112.0;
/// Where the values begin, beside their labels.
const VALUES: f32 = 190.0;
/// From line to line, in parts of the size of the font.
const LEADING: f32 = 1.45;

/// The most lines of one text: however wide the letters of a name are, all of the receipt is on the
/// page.
const LINES_MAX: usize = 6;

const BLUE: (u8, u8, u8) = (0x12, 0x3c, 0x69);
const WHITE: (u8, u8, u8) = (0xff, 0xff, 0xff);
const DARK: (u8, u8, u8) = (0x1c, 0x27, 0x33);
const GREY: (u8, u8, u8) = (0x5a, 0x68, 0x75);
const LIGHT: (u8, u8, u8) = (0xd5, 0xdc, 0xe3);

const LACKS: &str = "A box stands for a letter that cannot be printed here. The e-mail has it.";

/// The PDF of a receipt that says `words` and was issued at this time.
///
/// # Errors
/// When a font cannot be embedded.
pub(super) fn print(
    words: &Words<'_>,
    issued_at: Timestamp,
    fonts: &Fonts,
) -> Result<Vec<u8>, Cause> {
    let mut document = Document::new();
    let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or("no page is that large")?;
    {
        let mut page = document.start_page_with(size);
        let mut sheet = Sheet { surface: page.surface(), fonts, y: 0.0, lacks: false };
        sheet.receipt(words);
    }
    let title = format!("{} {}", words.title, words.number);
    let metadata = Metadata::new().title(title).language("en".to_owned());
    document.set_metadata(metadata.creation_date(date(issued_at)?));
    document.finish().map_err(|it| format!("the PDF: {it:?}").into())
}

fn date(at: Timestamp) -> Result<DateTime, std::num::TryFromIntError> {
    let at = at.to_zoned_datetime(TimeZone::UTC);
    let part = |it: i8| u8::try_from(it);
    Ok(DateTime::new(u16::try_from(at.year())?)
        .month(part(at.month())?)
        .day(part(at.day())?)
        .hour(part(at.hour())?)
        .minute(part(at.minute())?)
        .second(part(at.second())?)
        .utc_offset_hour(0)
        .utc_offset_minute(0))
}

/// A page that is written from the top down.
struct Sheet<'a> {
    surface: Surface<'a>,
    fonts: &'a Fonts,
    /// The base line of the next line, in points from the top.
    y: f32,
    /// Whether there were letters that no font has.
    lacks: bool,
}

impl Sheet<'_> {
    fn receipt(&mut self, words: &Words<'_>) {
        self.fill((0.0, 0.0, WIDTH, BAND), BLUE);
        self.y = 54.0;
        self.write(MARGIN, 10.0, WHITE, &words.title.to_uppercase());
        self.y = 84.0;
        self.write(MARGIN, 22.0, WHITE, words.number);
        self.y = BAND + 42.0;
        let (before, name, after) = &words.opening;
        self.write(MARGIN, 11.5, DARK, &format!("{before}{name}{after}"));
        self.y += 14.0;
        for line in &words.lines {
            self.pair(line.label, &line.value, 10.5, GREY);
        }
        self.fill((MARGIN, self.y - 4.0, WIDTH - 2.0 * MARGIN, 0.75), LIGHT);
        self.y += 18.0;
        self.pair(words.total.label, &words.total.value, 13.0, DARK);
        self.y += 14.0;
        self.write(MARGIN, 9.0, GREY, &words.closing);
        if self.lacks {
            self.write(MARGIN, 9.0, GREY, LACKS);
        }
    }

    /// Writes a text in as many lines as it needs, but not in more than [`LINES_MAX`], and goes to
    /// the next line.
    fn write(&mut self, x: f32, size: f32, colour: (u8, u8, u8), text: &str) {
        for line in wrapped(text, (WIDTH - MARGIN - x) / size, LINES_MAX, self.fonts) {
            self.put(x, size, colour, &line);
            self.y += size * LEADING;
        }
    }

    /// Writes a label and, beside it, its value.
    fn pair(&mut self, label: &str, value: &str, size: f32, colour: (u8, u8, u8)) {
        self.put(MARGIN, size, colour, &Line::of(label, self.fonts));
        self.write(VALUES, size, DARK, value);
        self.y += size / 2.0;
    }

    fn put(&mut self, x: f32, size: f32, colour: (u8, u8, u8), line: &Line<'_>) {
        self.colour(colour);
        let mut x = x;
        for piece in &line.pieces {
            let font = self.fonts.faces()[piece.face].print.clone();
            let (start, text) = (Point::from_xy(x, self.y), line.text);
            self.surface.draw_glyphs(start, &piece.glyphs, font, text, size, false);
            x += piece.width * size;
        }
        self.lacks |= line.lacks;
    }

    fn fill(&mut self, (x, y, width, height): (f32, f32, f32, f32), colour: (u8, u8, u8)) {
        self.colour(colour);
        let mut path = PathBuilder::new();
        if let Some(it) = Rect::from_xywh(x, y, width, height) {
            path.push_rect(it);
        }
        if let Some(it) = path.finish() {
            self.surface.draw_path(&it);
        }
    }

    fn colour(&mut self, (red, green, blue): (u8, u8, u8)) {
        let paint = rgb::Color::new(red, green, blue).into();
        self.surface.set_fill(Some(Fill { paint, ..Fill::default() }));
    }
}
