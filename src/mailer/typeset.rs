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
    /// The whole text in one line.
    pub(super) fn of(text: &'t str, fonts: &Fonts) -> Line<'t> {
        let mut line = Line { text, pieces: Vec::new(), lacks: false };
        if text.is_ascii() {
            line.run(fonts, 0, 0..text.len(), false);
            return line;
        }
        let bidi = ParagraphBidiInfo::new(text, None);
        let (levels, runs) = bidi.visual_runs(0..text.len());
        for run in runs {
            let to_the_left = levels.get(run.start).is_some_and(Level::is_rtl);
            line.run(fonts, 0, run, to_the_left);
        }
        line
    }

    /// In parts of the size of the font.
    pub(super) fn width(&self) -> f32 {
        self.pieces.iter().map(|it| it.width).sum()
    }

    /// Adds text of one direction. Letters that a font does not have are tried in the next one.
    fn run(&mut self, fonts: &Fonts, face: usize, range: Range<usize>, to_the_left: bool) {
        let Some(shapes) =
            fonts.faces().get(face).map(|it| it.shape(&self.text[range.clone()], to_the_left))
        else {
            return;
        };
        let ends = Ends::of(&shapes, range.clone());
        let is_last = face + 1 == fonts.faces().len();
        // A letter and its marks are one: if the font lacks one of them, all are tried in the next.
        // So no part of the text is tried twice in one font, whatever a client puts together.
        let lacking: BTreeSet<usize> =
            shapes.iter().filter(|it| it.glyph == 0).map(|it| it.at).collect();
        let is_missing = |it: &Shape| lacking.contains(&it.at);
        for part in shapes.chunk_by(|a, b| is_missing(a) == is_missing(b)) {
            let missing = part.first().is_some_and(is_missing);
            if missing && !is_last {
                let from = part.iter().map(|it| range.start + it.at).min().unwrap_or(range.start);
                let to = part.iter().map(|it| ends.after(range.start + it.at)).max();
                self.run(fonts, face + 1, from..to.unwrap_or(range.end), to_the_left);
                continue;
            }
            self.lacks |= missing;
            let glyph = |it: &Shape| {
                let at = range.start + it.at;
                let id = GlyphId::new(it.glyph);
                KrillaGlyph::new(id, it.advance, it.right, it.up, 0.0, at..ends.after(at), None)
            };
            // One box for a letter and its marks, in the font of the rest.
            let drawn: Vec<&Shape> = part.iter().filter(|it| !missing || it.glyph == 0).collect();
            let drawn = drawn.chunk_by(|a, b| missing && a.at == b.at).filter_map(<[_]>::first);
            let drawn: Vec<&Shape> = drawn.copied().collect();
            let face = if missing { 0 } else { face };
            let width = drawn.iter().map(|it| it.advance).sum();
            let glyphs = drawn.into_iter().map(glyph).collect();
            self.pieces.push(Piece { face, glyphs, width });
        }
    }
}

/// Where the letters of a run end, in bytes of the text.
struct Ends(Vec<usize>);

impl Ends {
    fn of(shapes: &[Shape], range: Range<usize>) -> Ends {
        let mut starts: Vec<usize> = shapes.iter().map(|it| range.start + it.at).collect();
        starts.push(range.end);
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
/// spaces where that is possible.
pub(super) fn wrapped<'t>(text: &'t str, width_max: f32, fonts: &Fonts) -> Vec<Line<'t>> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let line = Line::of(rest, fonts);
        if line.width() <= width_max {
            lines.push(line);
            return lines;
        }
        let ends: Vec<usize> = rest.char_indices().map(|(at, it)| at + it.len_utf8()).collect();
        let fit = ends.partition_point(|it| Line::of(&rest[..*it], fonts).width() <= width_max);
        // At least one letter, so that this comes to an end.
        let cut = ends[fit.max(1) - 1];
        let cut = rest[..cut].rfind(' ').filter(|it| *it > 0).unwrap_or(cut);
        lines.push(Line::of(rest[..cut].trim_end(), fonts));
        rest = rest[cut..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters with marks, of which each font has only some.
    #[test]
    fn a_letter_and_its_marks_are_tried_once_in_each_font() {
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
}
