//! A log without what chance wrote into it.

use std::net::SocketAddr;

use jiff::Timestamp;
use uuid::Uuid;

/// The text without times, UUIDs, addresses and decimal fractions, in which any four digits may
/// stand. Everything else stays, and so does a whole number, a card among them.
pub fn without_chance(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let belongs = |it: char| it.is_ascii_alphanumeric() || "-_:.+".contains(it);
    let mut rest = text;
    while let Some(start) = rest.find(belongs) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|it| !belongs(it)).unwrap_or(word.len()));
        kept.push_str(before);
        // Not nothing, or the words beside it would become one.
        kept.push_str(if is_chance(word) { "~" } else { word });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

fn is_chance(word: &str) -> bool {
    let fraction = word.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    word.parse::<Timestamp>().is_ok()
        // Of 36 characters: without hyphens it could be made of two cards.
        || (word.len() == Uuid::nil().to_string().len() && word.parse::<Uuid>().is_ok())
        // Of a trace or a digest: no 12 digits of a card are in it.
        || (matches!(word.len(), 16 | 32 | 64)
            && word.bytes().all(|it| it.is_ascii_hexdigit())
            && word.split(|it: char| it.is_ascii_alphabetic()).all(|it| it.len() < 12))
        || word.parse::<SocketAddr>().is_ok()
        || (fraction.contains('.') && fraction.parse::<f64>().is_ok())
}

#[test]
fn what_chance_wrote_is_taken_out_and_a_card_never() {
    for chance in [
        "2026-11-29T20:08:25.411123Z",
        "01938111-4111-7411-8411-141114111411",
        "127.0.0.1:41112",
        "4111a1114111b111",
        "4111c11141114111d1114111e1114111",
        "0.4111",
        "4.4111ms",
    ] {
        let told = without_chance(&format!("a=\"{chance}\" b"));
        assert_eq!(told, "a=\"~\" b", "{chance}");
    }
    for card in [
        "4111111111111111",
        "4111111111111111deadbeefdeadbeef",
        "4111 1111",
        "tok-4111.x",
        "4111-1111-1111-1111",
        "4111",
        "id:4111",
    ] {
        for around in [card.to_owned(), format!("token={card}, x"), format!("{{\"n\":\"{card}\"}}")]
        {
            assert_eq!(without_chance(&around), around);
        }
    }
}
