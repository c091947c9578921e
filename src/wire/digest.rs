//! The digest of a request. It must never change for a request that an older binary has digested,
//! and a request that could hold a card number must never get one.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Why,
    fast_digest::plain_digest,
    json::{Flaw, Node},
    refusal::Read,
};
use crate::domain::{card::holds_card_number, ids::Digest};

/// The digest of a request, computed from its `data` as it was received, so that old and new
/// binaries agree. Refuses JSON that has no canonical form, and a request that could hold a card
/// number.
pub(super) fn digest_of(data: &Node<'_, '_>) -> Read<Digest> {
    if let Some(digest) = plain_digest(data.text()) {
        return Ok(digest);
    }
    let value: Value = serde_json::from_str(data.text()).map_err(|_| {
        data.flaw("expected JSON without impossible numbers, broken escapes or deep nesting")
    })?;
    if let Some(path) = card_number(&value, "data") {
        let problem = "holds what could be a card number; send the provider's token for it instead";
        return Err((Why::CardNumber, Flaw { path, ..data.flaw(problem) }));
    }
    Ok(digest(value))
}

/// SHA-256 of `data` without `booking_id`, in RFC 8785 canonical form.
#[must_use]
pub fn digest(mut data: Value) -> Digest {
    if let Some(fields) = data.as_object_mut() {
        fields.remove("booking_id");
    }
    let canonical =
        serde_json_canonicalizer::to_vec(&data).expect("a JSON value has a canonical form");
    Digest::new(Sha256::digest(&canonical).into())
}

/// The field names in a request's `data`. Any other name may itself be personal data, so a path
/// never shows one.
const NAMES: [&str; 12] = [
    "amount",
    "booking_id",
    "currency",
    "date",
    "email",
    "flight",
    "minor",
    "name",
    "passenger",
    "payment",
    "seats",
    "token",
];

/// The path of the first value that could be a card number. Names that are not ours are not shown.
fn card_number(value: &Value, path: &str) -> Option<String> {
    let rest = suspicious(value, true)?;
    Some(format!("{path}{rest}"))
}

/// The rest of that path, from `value` on. Nothing is allocated unless there is such a value.
fn suspicious(value: &Value, top: bool) -> Option<String> {
    let whole = |it: &str| holds_card_number(it).then(String::new);
    match value {
        Value::Null | Value::Bool(_) => None,
        Value::Number(it) => whole(&it.to_string()),
        Value::String(it) => whole(it),
        Value::Array(list) => list.iter().enumerate().find_map(|(at, it)| {
            let rest = suspicious(it, false)?;
            Some(format!("[{at}]{rest}"))
        }),
        Value::Object(fields) => fields.iter().find_map(|(name, it)| {
            let own_id = top && name == "booking_id";
            let rest = if own_id { None } else { suspicious(it, false) }?;
            let ours = NAMES.contains(&name.as_str());
            Some(format!(".{}{rest}", if ours { name } else { "…" }))
        }),
    }
}
