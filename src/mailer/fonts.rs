//! The fonts of a PDF: one that is built in, and those of a folder. They are read once, at the
//! start. Text and HTML need none, since whoever reads them brings their own.

use std::{fs, io, path::Path, sync::Arc};

use harfrust::{Direction, FontRef, ShaperData, UnicodeBuffer};
use krilla::text::Font;

use crate::bounded;

/// Latin, Greek and Cyrillic: `fonts/README.md` says how it was made.
const BUILT_IN: &[u8] = include_bytes!("fonts/NotoSans-Latin-Greek-Cyrillic.ttf");
/// The most fonts of a folder: all of them stay in memory.
const FILES_MAX: usize = 100;
/// The most bytes of one font: enough for all Chinese letters in several styles.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How the name of a font ends.
const ENDINGS: [&str; 3] = ["ttf", "otf", "ttc"];

/// Scripts in which names are written, each with letters that a font of the script has.
const SCRIPTS: [(&str, &str); 20] = [
    ("Latin", "ñĄệ"),
    ("Greek", "αΩ"),
    ("Cyrillic", "яЇ"),
    ("Arabic", "عي"),
    ("Armenian", "աՖ"),
    ("Bengali", "কখ"),
    ("Chinese", "陈陳"),
    ("Devanagari", "कख"),
    ("Ethiopic", "ሀለ"),
    ("Georgian", "აჰ"),
    ("Gujarati", "કખ"),
    ("Hebrew", "את"),
    ("Japanese", "あア"),
    ("Kannada", "ಕಖ"),
    ("Khmer", "កខ"),
    ("Korean", "한글"),
    ("Malayalam", "കഖ"),
    ("Sinhala", "කඛ"),
    ("Tamil", "கங"),
    ("Thai", "กข"),
];

/// The fonts that a PDF may use, in the order in which they are tried.
#[derive(Clone)]
pub struct Fonts(Arc<Vec<Face>>);

impl std::fmt::Debug for Fonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} fonts", self.0.len())
    }
}

impl Fonts {
    /// The font that is built in, for Latin, Greek and Cyrillic.
    #[must_use]
    pub fn built_in() -> Fonts {
        let face = Face::new(Arc::new(BUILT_IN)).expect("the font that is built in is a font");
        Fonts(Arc::new(vec![face]))
    }

    /// The font that is built in and, for letters that it does not have, those of a folder in the
    /// order of their names.
    ///
    /// # Errors
    /// When the folder cannot be read, has no font or too many, or a file that is no font.
    pub fn and_of(folder: &Path) -> io::Result<Fonts> {
        let about =
            |path: &Path, why: String| io::Error::other(format!("{}: {why}", path.display()));
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(|it| about(folder, it.to_string()))? {
            files.push(entry?.path());
        }
        files.retain(|it| {
            let ending = it.extension().map(|it| it.to_string_lossy().to_lowercase());
            ending.is_some_and(|it| ENDINGS.contains(&it.as_str()))
        });
        if files.is_empty() || files.len() > FILES_MAX {
            let expected = format!("expected 1 to {FILES_MAX} files .ttf, .otf or .ttc");
            return Err(about(folder, expected));
        }
        files.sort();
        let mut faces = vec![Face::new(Arc::new(BUILT_IN)).expect("as above")];
        for file in files {
            let bytes =
                bounded::read(&file, FILE_BYTES_MAX).map_err(|it| about(&file, it.to_string()))?;
            let face = Face::new(Arc::new(bytes));
            faces.push(face.ok_or_else(|| about(&file, "not a font that can be used".to_owned()))?);
        }
        Ok(Fonts(Arc::new(faces)))
    }

    /// Two fonts that lack the same letters.
    #[cfg(test)]
    pub(super) fn twice_built_in() -> Fonts {
        let face = || Face::new(Arc::new(BUILT_IN)).expect("as above");
        Fonts(Arc::new(vec![face(), face()]))
    }

    /// The scripts in which a name can be printed, and those in which it cannot, of those that this
    /// program knows.
    #[must_use]
    pub fn scripts(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let (can, cannot): (Vec<_>, Vec<_>) =
            SCRIPTS.into_iter().partition(|(_, letters)| self.0.iter().any(|it| it.has(letters)));
        let names = |it: Vec<(&'static str, &str)>| it.into_iter().map(|(name, _)| name).collect();
        (names(can), names(cannot))
    }

    /// The fonts, in the order in which they are tried.
    pub(super) fn faces(&self) -> &[Face] {
        &self.0
    }
}

/// The bytes of a font, which are shared.
type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

#[cfg(test)]
thread_local! {
    /// How often a font was asked for a text.
    pub(super) static SHAPED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One font.
pub(super) struct Face {
    bytes: Bytes,
    /// To place the letters.
    shaping: ShaperData,
    /// To print them.
    pub(super) print: Font,
}

/// A letter, or a part of one, as a font has it. Lengths are in parts of the font's size.
pub(super) struct Shape {
    /// 0 if the font does not have it.
    pub(super) glyph: u32,
    /// Where in the text its letters begin, in bytes.
    pub(super) at: usize,
    pub(super) advance: f32,
    pub(super) right: f32,
    pub(super) up: f32,
}

impl Face {
    fn new(bytes: Bytes) -> Option<Face> {
        let shaping = ShaperData::new(&FontRef::from_index((*bytes).as_ref(), 0).ok()?);
        let print = Font::new(Arc::clone(&bytes).into(), 0)?;
        Some(Face { bytes, shaping, print })
    }

    /// Text of one direction as this font has it, from left to right.
    pub(super) fn shape(&self, text: &str, to_the_left: bool) -> Vec<Shape> {
        #[cfg(test)]
        SHAPED.set(SHAPED.get() + 1);
        let Ok(font) = FontRef::from_index((*self.bytes).as_ref(), 0) else { return Vec::new() };
        let shaper = self.shaping.shaper(&font).build();
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let direction = if to_the_left { Direction::RightToLeft } else { Direction::LeftToRight };
        buffer.set_direction(direction);
        let shaped = shaper.shape(buffer, harfrust::ShapeOptions::new());
        let em = shaper.units_per_em() as f32;
        let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
        glyphs
            .map(|(glyph, place)| Shape {
                glyph: glyph.glyph_id,
                at: glyph.cluster as usize,
                advance: place.x_advance as f32 / em,
                right: place.x_offset as f32 / em,
                up: place.y_offset as f32 / em,
            })
            .collect()
    }

    fn has(&self, letters: &str) -> bool {
        self.shape(letters, false).iter().all(|it| it.glyph != 0)
    }
}
