//! What could be a card number: it must not get in, and must not get out.

/// How many digits a card number has.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether the text holds what could be a card number: a whole run of 13 to 19 digits between
/// non-alphanumerics, single spaces or hyphens allowed in it, first digit 2 to 6, Luhn valid. Text in
/// the form of a UUID is none.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    // Most text has not even the digits for it.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits < *DIGITS.start() {
        return false;
    }
    uuid::Uuid::try_parse(text).is_err() && groups_of_digits(text).iter().any(|it| is_card(it))
}

/// Words of digits that follow each other with a single space or hyphen between them. A word with a
/// letter in it belongs to no group.
fn groups_of_digits(text: &str) -> Vec<Vec<&[u8]>> {
    let mut groups = vec![Vec::new()];
    let mut rest = text;
    while !rest.is_empty() {
        // Letters and digits of any script are part of a word; signs of any script are not.
        let end = rest.find(|it: char| !it.is_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let gap = after.find(char::is_alphanumeric).unwrap_or(after.len());
        let (between, next) = after.split_at(gap);
        let digits = !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
        if let Some(group) = groups.last_mut().filter(|_| digits) {
            group.push(word.as_bytes());
        }
        if !digits || !matches!(between, " " | "-") {
            groups.push(Vec::new());
        }
        rest = next;
    }
    groups
}

/// Whether some words in a row make a card number.
fn is_card(group: &[&[u8]]) -> bool {
    (0..group.len()).any(|from| {
        let mut digits = Vec::new();
        group[from..].iter().any(|word| {
            if digits.len() <= *DIGITS.end() {
                digits.extend(word.iter().map(|it| it - b'0'));
            }
            DIGITS.contains(&digits.len()) && matches!(digits[0], 2..=6) && luhn(&digits)
        })
    })
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |it: u8| if it > 4 { it * 2 - 9 } else { it * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, it)| u32::from(if place % 2 == 1 { doubled(*it) } else { *it }))
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_seen_however_they_are_grouped() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0000-0000-0004",
            "card: 378282246310005.",
            "tok_x (6011111111111117)",
            "Ada 4111111111111111 2nd",
            "4111 1111 1111 1111 12/27",
            "12 4111111111111111",
            "a_4111111111111111",
            "naïve: 4111111111111111",
            "€4111111111111111",
            "4111 1111 1111 1111–",
            "card\u{a0}4111111111111111",
        ] {
            assert!(holds_card_number(card), "{card}");
        }
    }

    #[test]
    fn what_only_looks_like_a_card_number_is_let_through() {
        for other in [
            "4111111111111112",                     // Luhn
            "1111111111111117",                     // first digit
            "tok_4111111111111111x",                // part of a word
            "é4111111111111111",                    // the same
            "41111111",                             // short
            "4111  1111 1111 1111",                 // two spaces
            "01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01", // a UUID
            "49927398716-1997",
            "Ada Lovelace",
        ] {
            assert!(!holds_card_number(other), "{other}");
        }
    }
}
