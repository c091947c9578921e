//! An instance with one thing in it changed: what people and programs get wrong, most of all near
//! the limits.

use fastrand::Rng;
use serde_json::{Value, json};

/// `data` with one thing changed.
pub struct Change {
    /// Where, and into what.
    pub what: String,
    /// The text of it: numbers can be spelled in more than one way.
    pub data: String,
}

/// Instead of any value.
const VALUES: [&str; 14] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "1.5",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[null]",
    "[\"12A\"]",
    "{\"a\":1}",
];

/// Instead of any number.
const NUMBERS: [&str; 30] = [
    "0",
    "-0",
    "0.0",
    "1",
    "1.0",
    "1e0",
    "10e-1",
    "0.1e1",
    "1.5",
    "0.5",
    "-1",
    "-1.0",
    "-12900",
    "12900.0",
    "1.29e4",
    "129E+2",
    "1290000e-2",
    "12900.5",
    "999999999999",
    "1000000000000",
    "1000000000000.0",
    "1e12",
    "1E12",
    "1000000000001",
    "1.000000000001e12",
    "1e13",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "1e300",
];

/// Instead of any text: right somewhere, wrong elsewhere, or nearly right.
const TEXTS: &str = "
    12A 1A 999K 1000A 0A 01A 12L 12a 12 A 12AB 12Å １2A +1A -1A 12A, 12-A
    WA117 LH4 U21234 EZY12A 3K55 W1 WA wa117 Wa117 WA-117 WA12345
    WAWA117 117 1171 11711 117117 1171171 11711711
    WA117a WA117AB ＷA117 WA１17 A1 AA1 AAA1A 12345A
    2027-03-01 2027-3-1 2027-02-29 2028-02-29 2100-02-29 2000-02-29 2027-02-30
    2027-04-31 2027-12-31
    2027-13-01 2027-00-10 2027-01-00 2027-01-32 0000-01-01 0001-01-01 9999-12-31
    10000-01-01 +2027-03-01
    -2027-03-01 -000001-01-01 20270301 2027-060 2027-W09-1 2027/03/01 01.03.2027 2027-03-01Z
    2027-03-01T00:00:00Z ２027-03-01 2027-03-0١ 2027‐03‐01 27-03-01
    EUR eur Eur EU EURO USD XXX XTS XAU ZZZ DEM BGN HRK SLL SLE VES VED ZWG CHE UYW €UR ЕUR
    tok_visa tok:a.b/c+d=e-f tök tok,visa 4111-x ._:/+=- a 1 _
    b-1 -b b_ _b b-1- 1234567890123 123456789012 1234567890123456789 12345678901234567890
    1-2-3-4-5-6-7-8-9-0-1-2-3 1_2-3-4-5-6-7-8-9-0-1-2-3- 1-2-3-4-5-6-7-8-9-0-1-2 1234567890123a
    01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01
    declined seat_unavailable Declined 1declined _declined declined_
    de-clined déclined ch_5f0c1d2e3a4b
    R-4F7K-9QXM-2DTA R- r-1
    ada@example.com Ada@Example.COM ada@example a@b ada@ @example.com ada ada@@example.com
    a@b@c.d
    ada.lovelace@example.com .ada@example.com ada.@example.com a..b@example.com
    ada+x@example.com
    !#$%&'*+/=?^_`{|}~-@example.com ad(a@example.com ad,a@example.com ad:a@example.com
    ad;a@example.com
    ad<a@example.com ad[a@example.com ad\\a@example.com \"ada\"@example.com \"a\"da@example.com
    ada@-example.com ada@example-.com ada@ex--ample.com ada@ex_ample.com ada@_example.com
    ada@.example.com
    ada@example.com. ada@example..com ada@exam!ple.com ada@127.0.0.1 ada@[127.0.0.1]
    ada@::1 ada@[::1]
    ada@exa:mple.com ada@exa(mple.com äda@example.com ada@bücher.example
    ada@BÜCHER.example
    ada@xn--bcher-kva.example ada@字.example ada@한국.example ada@bücher。example <ada@example.com>
    mailto:ada@example.com ada@example.com,bob@example.com
";

/// What else people write, with spaces and what cannot be seen in it.
const SPACED: [&str; 28] = [
    "",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "\u{7f}",
    "\u{85}",
    "\u{9f}",
    "\u{a0}",
    "\u{1680}",
    "\u{180e}",
    "\u{2003}",
    "\u{200b}",
    "\u{2028}",
    "\u{2029}",
    "\u{202f}",
    "\u{205f}",
    "\u{3000}",
    "\u{feff}",
    " \u{a0}\u{3000}",
    "Ada Lovelace",
    " Ada ",
    "ada@exa mple.com",
    "ad a@example.com",
    "4111 1111 1111 1111",
    "a_4111111111111111",
];

/// What is put into a text.
const LETTERS: &str = "\0\t\n\r\u{1b}\u{7f}\u{80}\u{85}\u{9f}\u{a0}\u{ad}\u{200b}\u{2028}\u{3000}\u{feff}\
    \u{ffff}\u{10ffff} -_.@\"\\/+#:019azAKLZéßİＡ１٣字😀";

/// Just within a limit of some field, and just without.
const LENGTHS: [usize; 25] = [
    1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 19, 20, 32, 33, 63, 64, 65, 199, 200, 201, 254, 255, 256,
    257,
];

/// Everything that is in one of the lists, at every place of this instance.
pub fn all(schema: &Value, instance: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    let texts = texts();
    for place in places(schema, instance) {
        let here = instance.pointer(&place).unwrap();
        for raw in VALUES.iter().chain(&NUMBERS) {
            all.push(put(instance, &place, raw));
        }
        if here.is_string() {
            all.extend(texts.iter().map(|it| put(instance, &place, &json!(it).to_string())));
        }
        if let Some(list) = here.as_array() {
            let lists = (0..=11).flat_map(|it| lists(list, it));
            all.extend(lists.map(|it| put(instance, &place, &json!(it).to_string())));
        }
        if let Some(fields) = here.as_object() {
            all.extend(fields.keys().map(|it| without(instance, &place, it)));
            all.extend(fields.keys().map(|it| renamed(instance, &place, it)));
        }
    }
    all
}

/// One change at a place of this instance.
pub fn one(schema: &Value, instance: &Value, rng: &mut Rng) -> Change {
    let places = places(schema, instance);
    let place = &places[rng.usize(..places.len())];
    let here = instance.pointer(place).unwrap();
    if rng.u8(..8) == 0 {
        return put(instance, place, VALUES[rng.usize(..VALUES.len())]);
    }
    let raw = match here {
        Value::Number(number) => match rng.u8(..4) {
            0 => format!("{number}.0"),
            1 => format!("{number}e0"),
            2 => format!("{number}0e-1"),
            _ => NUMBERS[rng.usize(..NUMBERS.len())].to_owned(),
        },
        Value::String(text) => json!(text_like(text, rng)).to_string(),
        Value::Array(list) => {
            let lists = lists(list, rng.usize(..=11));
            json!(lists[rng.usize(..lists.len())]).to_string()
        }
        Value::Object(fields) => {
            let known = schema_at(schema, place)["properties"].as_object().unwrap();
            let names: Vec<&String> = fields.keys().filter(|it| known.contains_key(*it)).collect();
            let name = names[rng.usize(..names.len())];
            return match rng.u8(..2) {
                0 => without(instance, place, name),
                _ => renamed(instance, place, name),
            };
        }
        Value::Null | Value::Bool(_) => VALUES[rng.usize(..VALUES.len())].to_owned(),
    };
    put(instance, place, &raw)
}

/// The pointers of all that the schema says something about, and which is there.
fn places(schema: &Value, instance: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let below = |prefix: String, schema: &Value, it: &Value| {
        places_of(schema, it).map(move |it| format!("{prefix}{it}")).collect::<Vec<_>>()
    };
    let fields = schema["properties"].as_object().into_iter().flatten();
    for (name, schema) in fields {
        if let Some(it) = instance.get(name) {
            places.extend(below(format!("/{name}"), schema, it));
        }
    }
    let items = instance.as_array().filter(|_| schema["items"].is_object());
    for (at, it) in items.into_iter().flatten().enumerate() {
        places.extend(below(format!("/{at}"), &schema["items"], it));
    }
    places
}

fn places_of(schema: &Value, instance: &Value) -> impl Iterator<Item = String> {
    places(schema, instance).into_iter()
}

/// What the schema says about a place.
fn schema_at<'s>(schema: &'s Value, place: &str) -> &'s Value {
    place.split('/').skip(1).fold(schema, |it, name| match it.get("items") {
        Some(items) => items,
        None => &it["properties"][name],
    })
}

/// All the texts there are, and those that are as long as a limit.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = TEXTS.split_whitespace().map(str::to_owned).collect();
    texts.extend(SPACED.map(str::to_owned));
    for length in LENGTHS {
        texts.extend(["a", "A", "7", "_", "é", "字", "😀", " "].map(|it| it.repeat(length)));
        texts.push(format!("{}@example.com", "a".repeat(length)));
        texts.push(format!("ada@{}.com", "b".repeat(length)));
        // As long as that altogether.
        let domain = "c.".repeat(length.saturating_sub(5) / 2);
        texts.push(format!("{}{domain}dd", &"ada@"[length % 2..]));
    }
    texts
}

/// A text that is nearly this one.
fn text_like(text: &str, rng: &mut Rng) -> String {
    let letters: Vec<char> = LETTERS.chars().collect();
    let letter = letters[rng.usize(..letters.len())];
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.usize(..=chars.len());
    match rng.u8(..9) {
        0 => chars.insert(at, letter),
        1 => chars.extend([letter]),
        2 => chars.insert(0, letter),
        3 if at < chars.len() => chars[at] = letter,
        4 if at < chars.len() => drop(chars.remove(at)),
        5 if at < chars.len() => {
            let lower = chars[at].is_lowercase();
            let it = chars[at];
            chars[at] = if lower { it.to_ascii_uppercase() } else { it.to_ascii_lowercase() };
        }
        6 => {
            let last = chars.last().copied().unwrap_or('a');
            chars.resize(LENGTHS[rng.usize(..LENGTHS.len())], last);
        }
        7 => return text.repeat(2),
        _ => {
            let texts: Vec<&str> = TEXTS.split_whitespace().chain(SPACED).collect();
            return texts[rng.usize(..texts.len())].to_owned();
        }
    }
    chars.into_iter().collect()
}

/// Lists of seats of this length: of those there are and others, twice the same at times.
fn lists(list: &[Value], length: usize) -> Vec<Vec<Value>> {
    let others = (1..).map(|it| json!(format!("{}K", 900 + it)));
    let more: Vec<Value> = list.iter().cloned().chain(others).take(length).collect();
    let mut twice = more.clone();
    if let [first, .., last] = &mut twice[..] {
        *last = first.clone();
    }
    vec![more, twice]
}

/// Where something is put before it is text.
const MARK: &str = "put it here";

/// With this text instead of what is there.
fn put(instance: &Value, place: &str, raw: &str) -> Change {
    let mut copy = instance.clone();
    *copy.pointer_mut(place).unwrap() = json!(MARK);
    let data = copy.to_string().replacen(&json!(MARK).to_string(), raw, 1);
    Change { what: format!("{place} = {raw}"), data }
}

fn without(instance: &Value, place: &str, name: &str) -> Change {
    let mut copy = instance.clone();
    copy.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(name);
    Change { what: format!("{place} without {name}"), data: copy.to_string() }
}

/// A name in other letters is another name.
fn renamed(instance: &Value, place: &str, name: &str) -> Change {
    let mut copy = instance.clone();
    let fields = copy.pointer_mut(place).unwrap().as_object_mut().unwrap();
    let it = fields.remove(name).unwrap();
    fields.insert(name.to_uppercase(), it);
    Change { what: format!("{place} with {name} in capitals"), data: copy.to_string() }
}
