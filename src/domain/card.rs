//! What could be a card number: it must not get in, and must not get out.

/// How many digits a card number has.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// How many of the last digits are remembered: enough for the longest card number, and a power of
/// two.
const REMEMBERED: usize = 32;

/// Whether the text holds what could be a card number: a whole run of 13 to 19 digits between
/// non-alphanumerics, single spaces or hyphens allowed in it, first digit 2 to 6, Luhn valid. Text
/// in the form of a UUID is none. Looks at each character once, however many digits there are.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    // Most text has not even the digits for it.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= *DIGITS.start() && uuid::Uuid::try_parse(text).is_err() && has_run(text)
}

/// Where in the text a character stands.
#[derive(Clone, Copy)]
enum Place {
    /// In a word of digits only.
    Digits,
    /// In a word that has a letter. Letters and digits of any script are part of a word.
    Letters,
    /// After a word of digits and the one sign that may join it to the next.
    Joint,
    /// Where a run can only begin.
    Apart,
}

fn has_run(text: &str) -> bool {
    let mut run = Run::new();
    let mut place = Place::Apart;
    for letter in text.chars() {
        place = match (place, letter) {
            (Place::Letters, it) if it.is_alphanumeric() => Place::Letters,
            (Place::Digits, '0'..='9') => {
                run.push(letter, false);
                Place::Digits
            }
            (Place::Joint, '0'..='9') => {
                run.push(letter, true);
                Place::Digits
            }
            (Place::Apart, '0'..='9') => {
                run.begin();
                run.push(letter, true);
                Place::Digits
            }
            (_, it) if it.is_alphanumeric() => Place::Letters,
            (Place::Digits, _) if run.ends_in_card() => return true,
            (Place::Digits, ' ' | '-') => Place::Joint,
            (Place::Digits | Place::Letters | Place::Joint | Place::Apart, _) => Place::Apart,
        };
    }
    matches!(place, Place::Digits) && run.ends_in_card()
}

/// The last digits of words that follow each other with a single space or hyphen between them.
struct Run {
    /// How many digits there were.
    digits: usize,
    /// The sums of all of them modulo 10, doubled as Luhn has it: those in even places, and those
    /// in odd ones. Which one counts depends on where a card number ends.
    sums: [u8; 2],
    /// The last digits, each at its place modulo the length.
    last: [Before; REMEMBERED],
}

/// What there was before a digit.
#[derive(Clone, Copy)]
struct Before {
    /// Whether a card number can begin with the digit: it begins a word and is 2 to 6.
    begins: bool,
    /// The sums without it.
    sums: [u8; 2],
}

impl Run {
    fn new() -> Run {
        Run { digits: 0, sums: [0; 2], last: [Before { begins: false, sums: [0; 2] }; REMEMBERED] }
    }

    /// Forgets what there was. What is left in `last` is before the first digit, where nobody
    /// looks.
    fn begin(&mut self) {
        self.digits = 0;
        self.sums = [0; 2];
    }

    fn push(&mut self, letter: char, begins_word: bool) {
        let digit = letter.to_digit(10).map_or(0, |it| it as u8);
        let doubled = if digit > 4 { digit * 2 - 9 } else { digit * 2 };
        let begins = begins_word && matches!(digit, 2..=6);
        self.last[self.digits % REMEMBERED] = Before { begins, sums: self.sums };
        let even = self.digits.is_multiple_of(2);
        let added = if even { [doubled, digit] } else { [digit, doubled] };
        self.sums = [(self.sums[0] + added[0]) % 10, (self.sums[1] + added[1]) % 10];
        self.digits += 1;
    }

    /// Whether the last 13 to 19 digits, from the beginning of a word on, make a card number.
    fn ends_in_card(&self) -> bool {
        // Doubled is every second digit, beginning with the last but one.
        let doubled = self.digits % 2;
        DIGITS.take_while(|it| *it <= self.digits).any(|length| {
            let before = &self.last[(self.digits - length) % REMEMBERED];
            before.begins && before.sums[doubled] == self.sums[doubled]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What a card number is, said simply: all words, all runs of them.
    fn by_definition(text: &str) -> bool {
        let mut groups: Vec<Vec<&str>> = vec![Vec::new()];
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|it: char| !it.is_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let gap = after.find(char::is_alphanumeric).unwrap_or(after.len());
            let (between, next) = after.split_at(gap);
            let digits = !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
            if let Some(group) = groups.last_mut().filter(|_| digits) {
                group.push(word);
            }
            if !digits || !matches!(between, " " | "-") {
                groups.push(Vec::new());
            }
            rest = next;
        }
        let runs = groups.iter().flat_map(|group: &Vec<&str>| {
            (0..group.len())
                .flat_map(move |from| (from..group.len()).map(move |to| &group[from..=to]))
        });
        let is_card = |run: &[&str]| {
            let digits: Vec<u32> = run.concat().chars().filter_map(|it| it.to_digit(10)).collect();
            DIGITS.contains(&digits.len()) && (2..=6).contains(&digits[0]) && luhn(&digits)
        };
        uuid::Uuid::try_parse(text).is_err() && runs.into_iter().any(is_card)
    }

    fn luhn(digits: &[u32]) -> bool {
        let doubled = |it: u32| if it > 4 { it * 2 - 9 } else { it * 2 };
        let places = digits.iter().rev().enumerate();
        let sum: u32 = places.map(|(at, it)| if at % 2 == 1 { doubled(*it) } else { *it }).sum();
        sum.is_multiple_of(10)
    }

    /// Text in which there is often a card number: groups of digits, and what joins or parts them.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => "[0-9]{1,4}",
            4 => "[2-6][0-9]{3}",
            1 => "[0-9]{12,20}",
            6 => "[ -]",
            1 => "[a-zé٣.\u{a0}€–]",
            1 => Just("  ".to_owned()),
            1 => Just("4111 1111 1111 1111".to_owned()),
        ];
        vec(piece, 0..24).prop_map(|it| it.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn each_character_is_looked_at_once_and_the_verdict_is_that_of_the_definition(text in text()) {
            prop_assert_eq!(holds_card_number(&text), by_definition(&text), "{}", text);
        }
    }

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
