//! Reads what an event says about itself: the media type of its data and the version of its schema.
//! Unknown forms must never be accepted.

/// Whether a media type is JSON: its subtype is `json` or ends in `+json`, in upper or lower case,
/// with any parameters. `application/jsonl` and `application/json-seq` are other formats.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let is_token = |it: &str| !it.is_empty() && it.bytes().all(is_token_byte);
    let json = subtype == "json" || subtype.strip_suffix("+json").is_some_and(|it| !it.is_empty());
    is_token(kind) && is_token(subtype) && json
}

/// Whether a type or subtype may contain this byte (RFC 9110).
fn is_token_byte(it: u8) -> bool {
    it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it)
}

/// The major version of a schema. The last segment of its path or name has to be
/// `MAJOR[.MINOR[.PATCH]]`, with or without a `v` before it; otherwise this is `None`.
pub(super) fn major_version(schema: &str) -> Option<u32> {
    let last = schema.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let version = last.strip_prefix('v').unwrap_or(last);
    let parts: Vec<&str> = version.split('.').collect();
    let number = |it: &&str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(number) {
        return None;
    }
    parts.first()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_as_media_types() {
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json ;charset=\"utf-8\"; x=y",
            "text/json",
            "application/cloudevents+json",
            "application/vnd.example.v1+JSON;charset=utf-8",
        ] {
            assert!(is_json(json), "{json}");
        }
        for other in [
            "",
            "json",
            "application/jsonl",
            "application/json-seq",
            "application/jsonp",
            "application/+json",
            "application/xml",
            "text/plain; x=application/json",
            "application/json/x",
            "application /json",
            "x, application/json",
        ] {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn the_last_segment_of_a_schema_is_its_version() {
        let (_, table) = include_str!("../../docs/EVENTS.md").split_once("| major |").unwrap();
        let rows = table.lines().filter_map(|it| it.strip_prefix("| `")?.split_once("` | "));
        let mut told = 0;
        for (end, major) in rows {
            let schema = format!("https://example.com/schemas/booking-requested{end}");
            let major = major.trim_end_matches(" |").parse().ok();
            assert_eq!(major_version(&schema), major, "{schema}");
            told += 1;
        }
        assert_eq!(told, 16, "forms of docs/EVENTS.md");
        for none in ["", "urn:booking:schema:booking-requested", "urn:booking:schema:", "v", "1..2"]
        {
            assert_eq!(major_version(none), None, "{none}");
        }
    }
}
