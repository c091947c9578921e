//! Recognises text that could be a card number. Such text must not enter the system, and must not
//! appear in anything that the system writes.

/// How many digits a card number has.
pub(super) const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// How many of the last digits are remembered: enough for the longest card number, and a power of
/// two, so that the remainder is cheap.
const REMEMBERED: usize = 32;

/// Whether the text contains a possible card number: a whole run of 13 to 19 digits between
/// characters that are not alphanumeric, with single spaces or hyphens allowed inside, a first
/// digit from 2 to 6, and a valid Luhn checksum. A text that is a UUID contains none. Looks at each
/// character once, however many digits there are.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    // Most texts have too few digits, which is quick to see.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= *DIGITS.start() && uuid::Uuid::try_parse(text).is_err() && has_run(text)
}

/// The part of the text in which a character stands.
#[derive(Clone, Copy)]
enum Place {
    /// In a word of digits only.
    Digits,
    /// In a word with a letter. Letters and digits of any script are part of a word.
    Letters,
    /// After a word of digits and the single space or hyphen that may join it to the next word.
    Joint,
    /// Outside of words and joints: a run can begin here, but not continue.
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

/// The digits of consecutive words that are joined by a single space or hyphen each.
struct Run {
    /// The number of digits so far.
    digits: usize,
    /// Two Luhn sums of all digits, modulo 10: one doubles the digits in even places, the other
    /// those in odd places. The place where a card number ends says which sum counts.
    sums: [u8; 2],
    /// The state before each of the last digits; digit `n` is at `n % REMEMBERED`.
    last: [Before; REMEMBERED],
}

/// The state before a digit was added.
#[derive(Clone, Copy)]
struct Before {
    /// Whether a card number can begin with this digit: it begins a word and is 2 to 6.
    begins: bool,
    /// The sums before this digit.
    sums: [u8; 2],
}

impl Run {
    fn new() -> Run {
        Run { digits: 0, sums: [0; 2], last: [Before { begins: false, sums: [0; 2] }; REMEMBERED] }
    }

    /// Starts a new run. Old entries stay in `last`, but are never read, since they are from before
    /// the first digit of the run.
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

    /// Whether the last 13 to 19 digits are a possible card number that begins with a word.
    fn ends_in_card(&self) -> bool {
        // Luhn doubles every second digit, starting with the last but one.
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

    /// The definition of a card number, without regard to speed: tries all runs of all words.
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

    /// Text that often contains a card number: groups of digits, and what joins or separates them.
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
