//! Makes values that one JSON Schema allows, near the limits where another one may not. Only the
//! keywords that `topics/` uses are understood. A value for a pattern is never invented: it comes
//! from an example, or is an example made longer.

use serde_json::{Map, Value, json};

/// The most values that are made for one place.
pub(super) const VALUES_MAX: usize = 16;
/// How deep a value is made.
const DEPTH_MAX: usize = 8;
/// The most characters of a text, or elements of an array, that is made.
const LENGTH_MAX: usize = 1_000;
/// The most bytes of an array or object that is made, as JSON: no event could carry more. Otherwise
/// a few nested arrays of a stranger would fill any memory.
const BYTES_MAX: usize = 256 * 1024;

/// A value for an event, and whether our schema surely does not allow it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) value: Value,
    pub(super) is_new: bool,
}

/// Values that the schema `there` allows: the one of its example, if that is not the one of
/// `today`, and values that `ours` surely does not allow.
pub(super) fn candidates(
    there: &Value,
    ours: &Value,
    example: Option<&Value>,
    today: Option<&Value>,
) -> Vec<Candidate> {
    let shown = example.filter(|it| Some(*it) != today).cloned();
    let made = made(there, example, 0).into_iter().filter(|it| is_outside(ours, it));
    let mut found: Vec<Candidate> = Vec::new();
    // In an example there may still be a value of before.
    for value in shown.into_iter().chain(made).filter(|it| !is_outside(there, it)) {
        if !found.iter().any(|it| it.value == value) {
            found.push(Candidate { is_new: is_outside(ours, &value), value });
        }
    }
    found.truncate(VALUES_MAX);
    found
}

/// Whether another value of a keyword may allow what the value of before does not.
pub(super) fn may_allow_more(keyword: &str, before: Option<&Value>, after: Option<&Value>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return before.is_some() };
    let all = |it: &Value| match it {
        Value::Array(all) => all.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            vec![it.clone()]
        }
    };
    match keyword {
        "type" | "enum" => all(after).iter().any(|it| !all(before).contains(it)),
        "minimum" | "minLength" | "minItems" => after.as_f64() < before.as_f64(),
        "maximum" | "maxLength" | "maxItems" => after.as_f64() > before.as_f64(),
        "uniqueItems" => before == true,
        _ => true,
    }
}

/// The names of the types that a schema allows; all if it names none and nothing else tells.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            let has = |name: &str| schema.get(name).is_some();
            if has("properties") || has("required") {
                vec!["object"]
            } else if has("items") || has("maxItems") || has("minItems") {
                vec!["array"]
            } else if has("pattern") || has("maxLength") || has("minLength") || has("format") {
                vec!["string"]
            } else if has("minimum") || has("maximum") {
                vec!["number"]
            } else {
                vec!["string", "integer", "number", "boolean", "array", "object", "null"]
            }
        }
    }
}

fn made(schema: &Value, example: Option<&Value>, depth: usize) -> Vec<Value> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    if let Some(it) = schema.get("const") {
        return vec![it.clone()];
    }
    if let Some(all) = schema["enum"].as_array() {
        return all.clone();
    }
    types(schema).into_iter().flat_map(|it| made_of(it, schema, example, depth)).collect()
}

fn made_of(of: &str, schema: &Value, example: Option<&Value>, depth: usize) -> Vec<Value> {
    let limit = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
    match of {
        "null" => vec![Value::Null],
        "boolean" => vec![true.into(), false.into()],
        "integer" | "number" => {
            let limits = ["minimum", "maximum"].into_iter().filter_map(|it| schema.get(it));
            let mut values: Vec<Value> = limits.cloned().collect();
            let usual = if of == "integer" { json!(7) } else { json!(7.5) };
            values.push(usual);
            values.push(json!(-7));
            values
        }
        "string" => {
            if schema["format"] == "date" {
                return vec!["2027-03-01".into()];
            }
            let shortest = limit("minLength").unwrap_or(0);
            let longest = limit("maxLength").unwrap_or(LENGTH_MAX);
            if let Some(Value::String(text)) = example
                && (schema.get("pattern").is_some() || schema.get("format").is_some())
            {
                return stretched(text, longest).into_iter().collect();
            }
            let lengths = [shortest.max(4).min(longest), shortest, longest];
            let fit = lengths.into_iter().filter(|it| *it <= LENGTH_MAX);
            fit.map(|it| "a".repeat(it).into()).collect()
        }
        "array" => arrays(schema, example, depth),
        "object" => objects(schema, example, depth),
        _ => Vec::new(),
    }
}

/// The text with its last letter repeated until it is so long. A pattern that allows a text mostly
/// allows this one.
fn stretched(text: &str, length: usize) -> Option<Value> {
    let missing = length.checked_sub(text.chars().count()).filter(|_| length < LENGTH_MAX)?;
    let last = text.chars().last()?;
    Some(text.chars().chain(std::iter::repeat_n(last, missing)).collect::<String>().into())
}

/// Arrays as long as the schema allows them, of elements like those of the example.
fn arrays(schema: &Value, example: Option<&Value>, depth: usize) -> Vec<Value> {
    let limit = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
    let element = example.and_then(|it| it.get(0)).cloned();
    let element = element.filter(|it| !is_outside(&schema["items"], it));
    let element = element.or_else(|| made(&schema["items"], None, depth + 1).into_iter().next());
    let shortest = limit("minItems").unwrap_or(0);
    let longest = limit("maxItems").unwrap_or(LENGTH_MAX);
    let Some(element) = element else { return vec![json!([])] };
    let lengths = [shortest.max(1).min(longest), shortest, longest];
    let most = LENGTH_MAX.min(BYTES_MAX / bytes(&element));
    let fit = lengths.into_iter().filter(|it| *it <= most);
    let mut all: Vec<Value> =
        fit.map(|length| (0..length).map(|it| like(&element, it)).collect()).collect();
    if longest >= 2 && most >= 2 {
        all.push(json!([element, element]));
    }
    all
}

/// How long a value is as JSON.
fn bytes(value: &Value) -> usize {
    value.to_string().len()
}

/// The element itself, or one like it with another number in it.
fn like(element: &Value, at: usize) -> Value {
    match element {
        Value::Number(_) if at > 0 => json!(at),
        Value::String(text) if at > 0 => {
            let is_digit = |it: char| it.is_ascii_digit();
            let (before, rest) = text.split_at(text.find(is_digit).unwrap_or(text.len()));
            format!("{before}{at}{}", rest.trim_start_matches(is_digit)).into()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => element.clone(),
    }
}

/// An object with every field that must be there, and one with every field that may.
fn objects(schema: &Value, example: Option<&Value>, depth: usize) -> Vec<Value> {
    let object = |wanted: &dyn Fn(&str) -> bool| -> Option<Value> {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| wanted(name));
        let value = |name: &str, of: &Value| {
            let here = example.and_then(|it| it.get(name));
            let kept = here.filter(|it| !is_outside(of, it)).cloned();
            kept.or_else(|| made(of, here, depth + 1).into_iter().next())
        };
        let (mut made, mut left) = (Map::new(), BYTES_MAX);
        for (name, of) in fields {
            let Some(value) = value(name, of) else { continue };
            left = left.checked_sub(name.len() + bytes(&value))?;
            made.insert(name.clone(), value);
        }
        Some(made.into())
    };
    let required = |name: &str| required(schema).any(|it| it == name);
    [object(&required), object(&|_| true)].into_iter().flatten().collect()
}

/// The names of the fields that a schema requires.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a schema surely does not allow a value. Of patterns and formats nothing is known.
pub(super) fn is_outside(schema: &Value, value: &Value) -> bool {
    if let Value::Bool(allows) = schema {
        return !allows;
    }
    let limit = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
    let apart = |length: usize, least: &str, most: &str| {
        limit(least).is_some_and(|it| length < it) || limit(most).is_some_and(|it| length > it)
    };
    let other = schema.get("const").is_some_and(|it| it != value)
        || schema["enum"].as_array().is_some_and(|it| !it.contains(value));
    other
        || !types(schema).iter().any(|it| is_of(it, value))
        || match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(it) => {
                let (it, of) = (it.as_f64(), |name: &str| schema[name].as_f64());
                it < of("minimum") || of("maximum").is_some_and(|most| it > Some(most))
            }
            Value::String(it) => apart(it.chars().count(), "minLength", "maxLength"),
            Value::Array(items) => {
                let twice = |at: usize| items[..at].contains(&items[at]);
                apart(items.len(), "minItems", "maxItems")
                    || schema["uniqueItems"] == true && (0..items.len()).any(twice)
                    || schema
                        .get("items")
                        .is_some_and(|of| items.iter().any(|it| is_outside(of, it)))
            }
            Value::Object(fields) => {
                let known = |name: &str| schema["properties"].get(name);
                required(schema).any(|it| !fields.contains_key(it))
                    || fields
                        .iter()
                        .any(|(name, it)| known(name).is_some_and(|of| is_outside(of, it)))
            }
        }
}

fn is_of(of: &str, value: &Value) -> bool {
    match (of, value) {
        ("integer", Value::Number(it)) => it.as_f64().is_some_and(|it| it.fract() == 0.0),
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_longer_than_an_event_however_deep_arrays_and_objects_are_in_each_other() {
        let array =
            |of: Value, least: u64| json!({"type": "array", "minItems": least, "items": of});
        let fields: Map<String, Value> = (0..1_000)
            .map(|it| (format!("field-{it}"), array(json!({"type": "integer"}), 200)))
            .collect();
        let object = json!({"type": "object", "properties": fields});
        let long = json!({"const": "x".repeat(2_000)});
        for (schema, is_possible) in [
            (array(json!({"type": "string"}), 200), true),
            (array(array(array(json!({"type": "integer"}), 80), 80), 80), false),
            (array(object, 1), true),
            (array(long, 1_000), false),
        ] {
            let found = candidates(&schema, &Value::Bool(false), None, None);
            assert!(found.iter().all(|it| bytes(&it.value) <= 2 * BYTES_MAX), "{schema}");
            assert_eq!(!found.is_empty(), is_possible, "{schema}");
        }
    }
}
