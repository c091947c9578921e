//! Puts text into lines of glyphs: which font has a letter, in which form, and in which order the
//! letters stand when some are written from right to left.

use std::{collections::BTreeSet, ops::Range};

use krilla::text::{GlyphId, KrillaGlyph};
use unicode_bidi::{Level, ParagraphBidiInfo};

use super::fonts::{Fonts, Shape};

/// A line of glyphs.
pub(super) struct Line<'t> {
    pub(super) text: &'t str,
    /// From left to right.
    pub(super) pieces: Vec<Piece>,
    /// Whether there are letters that no font has.
    pub(super) lacks: bool,
}

/// Glyphs of one font.
pub(super) struct Piece {
    /// The font's place among the fonts.
    pub(super) face: usize,
    pub(super) glyphs: Vec<KrillaGlyph>,
    /// In parts of the size of the font.
    pub(super) width: f32,
}

impl<'t> Line<'t> {
    /// The whole text in one line. A client may have chosen it: each font is asked for all of it
    /// once at most, and then for each part that it gives.
    pub(super) fn of(text: &'t str, fonts: &Fonts) -> Line<'t> {
        let mut line = Line { text, pieces: Vec::new(), lacks: false };
        if text.is_ascii() {
            line.piece(fonts, Some(0), 0..text.len(), false);
            return line;
        }
        let fonts_of = fonts_of(text, fonts);
        let bidi = ParagraphBidiInfo::new(text, None);
        let (levels, runs) = bidi.visual_runs(0..text.len());
        for run in runs {
            let to_the_left = levels.get(run.start).is_some_and(Level::is_rtl);
            let mut parts = Vec::new();
            let mut start = run.start;
            for part in fonts_of[run].chunk_by(|a, b| a == b) {
                parts.push((part[0], start..start + part.len()));
                start += part.len();
            }
            if to_the_left {
                parts.reverse();
            }
            for (face, part) in parts {
                line.piece(fonts, face, part, to_the_left);
            }
        }
        line
    }

    /// In parts of the size of the font.
    pub(super) fn width(&self) -> f32 {
        self.pieces.iter().map(|it| it.width).sum()
    }

    /// How many bytes of the text, from its start, are at most so wide.
    fn fits(&self, width_max: f32) -> usize {
        let glyphs = self.pieces.iter().flat_map(|it| &it.glyphs);
        let mut glyphs: Vec<_> =
            glyphs.map(|it| (it.text_range.start, it.text_range.end, it.x_advance)).collect();
        glyphs.sort_by_key(|(start, ..)| *start);
        let (mut width, mut fit) = (0.0, 0);
        for letter in glyphs.chunk_by(|a, b| a.0 == b.0) {
            width += letter.iter().map(|(.., advance)| advance).sum::<f32>();
            if width > width_max {
                break;
            }
            fit = letter[0].1;
        }
        fit
    }

    /// Adds a part of the text of one direction, from one font. If no font has a letter, it gets
    /// one box of the first font, together with its marks.
    fn piece(&mut self, fonts: &Fonts, face: Option<usize>, part: Range<usize>, to_the_left: bool) {
        let has = face.is_some();
        let face = face.unwrap_or(0);
        let mut shapes = fonts.faces()[face].shape(&self.text[part.clone()], to_the_left);
        self.lacks |= shapes.iter().any(|it| it.glyph == 0);
        if !has {
            shapes.retain(|it| it.glyph == 0);
            shapes.dedup_by_key(|it| it.at);
        }
        let ends = Ends::of(&shapes, part.len());
        let glyph = |it: &Shape| {
            let letters = part.start + it.at..part.start + ends.after(it.at);
            let id = GlyphId::new(it.glyph);
            KrillaGlyph::new(id, it.advance, it.right, it.up, 0.0, letters, None)
        };
        let glyphs = shapes.iter().map(glyph).collect();
        self.pieces.push(Piece { face, glyphs, width: shapes.iter().map(|it| it.advance).sum() });
    }
}

/// For each byte of the text, the place among the fonts of the first font that has its letter with
/// all marks.
fn fonts_of(text: &str, fonts: &Fonts) -> Vec<Option<usize>> {
    let mut found = vec![None; text.len()];
    for (face, font) in fonts.faces().iter().enumerate() {
        let shapes = font.shape(text, false);
        let lacking: BTreeSet<usize> =
            shapes.iter().filter(|it| it.glyph == 0).map(|it| it.at).collect();
        let ends = Ends::of(&shapes, text.len());
        for shape in shapes.iter().filter(|it| !lacking.contains(&it.at)) {
            let letter = &mut found[shape.at..ends.after(shape.at)];
            if letter.iter().all(Option::is_none) {
                letter.fill(Some(face));
            }
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found
}

/// Where the letters of a part of the text end, in bytes from its start.
struct Ends(Vec<usize>);

impl Ends {
    fn of(shapes: &[Shape], length: usize) -> Ends {
        let mut starts: Vec<usize> = shapes.iter().map(|it| it.at).collect();
        starts.push(length);
        starts.sort_unstable();
        starts.dedup();
        Ends(starts)
    }

    /// The end of the letters that begin here.
    fn after(&self, start: usize) -> usize {
        let next = self.0.partition_point(|it| *it <= start);
        self.0.get(next).copied().unwrap_or(start)
    }
}

/// The text in lines that are at most so wide, in parts of the size of the font. Lines end at
/// spaces where that is possible. There are at most `lines_max` of them, and the last one says
/// "..." if the text is longer.
pub(super) fn wrapped<'t>(
    text: &'t str,
    width_max: f32,
    lines_max: usize,
    fonts: &Fonts,
) -> Vec<Line<'t>> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let line = Line::of(rest, fonts);
        if line.width() <= width_max {
            lines.push(line);
            return lines;
        }
        if lines.len() + 1 == lines_max {
            lines.push(Line::of("...", fonts));
            return lines;
        }
        // At least one letter, so that this comes to an end.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let cut = line.fits(width_max).max(first);
        let cut = rest[..cut].rfind(' ').filter(|it| *it > 0).unwrap_or(cut);
        lines.push(Line::of(rest[..cut].trim_end(), fonts));
        rest = rest[cut..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fonts::SHAPED, *};

    /// Letters with marks, of which each font has only some.
    #[test]
    fn a_letter_and_its_marks_are_drawn_once() {
        let fonts = Fonts::twice_built_in();
        let name = "x\u{305}a\u{301}\u{64b}\u{305}".repeat(30);
        let line = Line::of(&name, &fonts);
        assert!(line.lacks);
        let drawn: usize = line.pieces.iter().map(|it| it.glyphs.len()).sum();
        assert!(drawn <= name.chars().count(), "{drawn} glyphs: nothing is drawn twice");
        let mut drawn: Vec<_> =
            line.pieces.iter().flat_map(|it| &it.glyphs).map(|it| it.text_range.clone()).collect();
        drawn.sort_by_key(|it| (it.start, it.end));
        drawn.dedup();
        assert!(drawn.windows(2).all(|it| it[0].end <= it[1].start), "{drawn:?}");
    }

    #[test]
    fn a_name_of_letters_of_many_scripts_asks_each_font_a_few_times() {
        const LINES: usize = 6;
        let fonts = Fonts::twice_built_in();
        for letters in ["a\u{4e00}", "\u{627}a", "\u{4e00}\u{627}", "a\u{64b}", "\u{4e00} "] {
            let name = letters.repeat(100);
            SHAPED.set(0);
            let lines = wrapped(&name, 5.0, LINES, &fonts);
            assert_eq!(lines.len(), LINES, "{letters}");
            // What is left is looked at once for each line, and each line once more. A part has
            // one letter at least.
            let most = 2 * LINES * (fonts.faces().len() + name.chars().count());
            assert!(SHAPED.get() <= most, "{letters}: {} times", SHAPED.get());
        }
    }

    #[test]
    fn lines_are_cut_at_spaces_and_no_letter_is_lost() {
        let fonts = Fonts::built_in();
        let text = "one two three four five six seven eight nine ten eleven twelve";
        let lines = wrapped(text, 8.0, 20, &fonts);
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|it| it.width() <= 8.0 && !it.text.starts_with(' ')));
        let words: Vec<&str> = lines.iter().flat_map(|it| it.text.split(' ')).collect();
        assert_eq!(words.join(" "), text);
        // A word that is wider than a line is cut where the line ends.
        let lines = wrapped("abcdefghijklmnopqrstuvwxyz", 4.0, 20, &fonts);
        assert!(lines.iter().all(|it| it.width() <= 4.0 && !it.text.is_empty()));
        let letters: String = lines.iter().map(|it| it.text).collect();
        assert_eq!(letters, "abcdefghijklmnopqrstuvwxyz");
    }
}
