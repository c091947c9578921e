//! The wire format of canaries: a CloudEvent with a schema of its own, which no event ever has. A
//! binary that does not know canaries refuses one as an unknown version. A canary must never be
//! taken for an event, nor an event for a canary.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    CanaryKey, Incoming, Intake, Message,
    canary_key::Signed,
    envelope::{Envelope, without_mark},
    json::Fields,
};
use crate::{
    domain::{
        RoleName,
        canary::{Canary, CanaryId, Hop, Sighting},
        event::Kind,
    },
    topics,
};

/// The `dataschema` of a canary. No event has this major version.
const SCHEMA: &str = "urn:booking:canary:0";

/// A new canary, to be published on `topic`. `key` has to be the key that the services have.
#[must_use]
pub fn canary(id: CanaryId, topic: Kind, time: Timestamp, key: &CanaryKey) -> Message {
    text(id, topic, "check", time, None, key)
}

/// The messages by which a role reports that it has heard a canary: one for each of its own topics
/// that status hears. One of them is enough.
#[must_use]
pub fn canary_heard(id: CanaryId, seen: &Sighting, key: &CanaryKey) -> Vec<Message> {
    let role = seen.hop.role;
    let on = |topic| text(id, topic, role.as_str(), seen.at, Some(seen.hop), key);
    topics::heard_by_status(role).into_iter().map(on).collect()
}

fn text(
    id: CanaryId,
    topic: Kind,
    from: &str,
    time: Timestamp,
    heard: Option<Hop>,
    key: &CanaryKey,
) -> Message {
    let time = time.to_string();
    let mut event = json!({
        "specversion": "1.0",
        "id": format!("{id}/{topic}"),
        "source": format!("/booking/{from}"),
        "type": topic,
        "subject": format!("canary-{id}"),
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": SCHEMA,
        "canary": id,
        "canarycode": key.code(&Signed { id, topic, heard, time: &time }),
        "data": {},
    });
    if let Some(Hop { topic: heard, role }) = heard {
        event["id"] = format!("{id}/{heard}/{topic}").into();
        event["canaryheard"] = json!(heard);
        event["canaryby"] = json!(role);
    }
    Message { kind: topic, body: event.to_string(), trace: None }
}

/// A message that claims to be a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// It was made with the key of this service.
    Ours(Canary),
    /// It was made with another key or for another topic, or this service has no key. No service
    /// acts on it.
    Strange,
}

/// Reads a message as a canary, if it claims to be one. `intake` has the key.
///
/// An attacker may copy a canary from a queue and send it again before it is too old. That is only
/// a duplicate: no part of it can be changed, and the first sighting counts.
#[must_use]
pub fn read_canary(incoming: &Incoming, intake: &Intake) -> Option<Caught> {
    // Avoids reading every booking twice. The schema has no character that JSON would escape, so an
    // envelope contains it unchanged.
    if !incoming.body.contains(SCHEMA) {
        return None;
    }
    let body = without_mark(&incoming.body);
    let outer = Fields::parse(body).ok()?;
    let (event, topic) = match Envelope::of(&outer) {
        Some(envelope) => {
            let event: Value =
                serde_json::from_str(without_mark(&envelope.message().ok()?)).ok()?;
            (event, envelope.topic(intake).ok()?)
        }
        None => {
            let event: Value = serde_json::from_str(body).ok()?;
            let topic = Kind::of_topic(event["type"].as_str()?)?;
            (event, Some(topic).filter(|it| intake.takes_raw(*it))?)
        }
    };
    if event["specversion"] != "1.0" || event["dataschema"] != SCHEMA {
        return None;
    }
    let time = event["time"].as_str()?;
    let told = match event.get("canaryheard") {
        Some(heard) => Some(Sighting {
            hop: Hop {
                topic: Kind::of_topic(heard.as_str()?)?,
                role: RoleName::of_name(event["canaryby"].as_str()?)?,
            },
            at: time.parse().ok()?,
        }),
        None => None,
    };
    let id = CanaryId::parse(event["canary"].as_str()?).ok()?;
    // The signed topic is that of the envelope, if there is one, and not the one that the event
    // names.
    let signed = Signed { id, topic, heard: told.map(|it| it.hop), time };
    let code = event["canarycode"].as_str().unwrap_or_default();
    if !intake.canary_key().is_some_and(|key| key.made(code, &signed)) {
        return Some(Caught::Strange);
    }
    // Only the role itself may publish on its own topics, so there the report is genuine. On any
    // other topic this counts as a canary without a report.
    let told = told.filter(|it: &Sighting| topics::heard_by_status(it.hop.role).contains(&topic));
    Some(Caught::Ours(Canary { id, topic, told }))
}

#[cfg(test)]
mod tests {
    use super::{super::decode, *};
    use crate::wire::Why;

    const PREFIX: &str = "staging-";

    fn key() -> CanaryKey {
        CanaryKey::parse(&"k".repeat(32)).unwrap()
    }

    fn without_key() -> Intake {
        Intake::enveloped(format!("arn:aws:sns:eu-central-1:000000000000:{PREFIX}")).or_raw(true)
    }

    fn intake() -> Intake {
        without_key().and_canaries(Some(key()))
    }

    fn id() -> CanaryId {
        CanaryId::parse("01997f6e-2f10-7d9a-9c53-6f2f5a1c9e01").unwrap()
    }

    fn incoming(body: String) -> Incoming {
        Incoming {
            body,
            kind_attribute: None,
            sent_at: Timestamp::UNIX_EPOCH,
            attempt: 1,
            hop: None,
        }
    }

    fn enveloped(topic: Kind, message: &str) -> Incoming {
        let arn = format!("arn:aws:sns:eu-central-1:000000000000:{PREFIX}{topic}");
        incoming(
            json!({"Type": "Notification", "MessageId": "x", "TopicArn": arn,
            "Message": message, "Timestamp": "2027-02-01T09:30:00Z"})
            .to_string(),
        )
    }

    #[test]
    fn a_canary_is_read_raw_and_enveloped_alike_and_named_by_the_topic_it_came_from() {
        let said = canary(id(), Kind::SeatBooked, Timestamp::UNIX_EPOCH, &key());
        let seen = Caught::Ours(Canary { id: id(), topic: Kind::SeatBooked, told: None });
        assert_eq!(read_canary(&incoming(said.body.clone()), &intake()), Some(seen));
        assert_eq!(read_canary(&enveloped(Kind::SeatBooked, &said.body), &intake()), Some(seen));
        // A byte order mark is skipped here, too.
        for marked in [said.body.clone(), enveloped(Kind::SeatBooked, &said.body).body] {
            assert_eq!(read_canary(&incoming(format!("\u{feff}{marked}")), &intake()), Some(seen));
        }
        let marked = enveloped(Kind::SeatBooked, &format!("\u{feff}{}", said.body));
        assert_eq!(read_canary(&marked, &intake()), Some(seen));
        // Sent again on another topic, its code does not match.
        let strayed = read_canary(&enveloped(Kind::PaymentOk, &said.body), &intake());
        assert_eq!(strayed, Some(Caught::Strange));
    }

    #[test]
    fn what_a_role_heard_is_told_on_each_of_its_topics_that_status_hears() {
        let hop = Hop { topic: Kind::SeatUnavailable, role: RoleName::Payment };
        let seen = Sighting { hop, at: "2027-02-01T09:30:00.5Z".parse().unwrap() };
        let told = canary_heard(id(), &seen, &key());
        let topics: Vec<Kind> = told.iter().map(|it| it.kind).collect();
        assert_eq!(topics, [Kind::PaymentOk, Kind::PaymentFailed, Kind::PaymentRefunded]);
        for it in told {
            let read = read_canary(&enveloped(it.kind, &it.body), &intake());
            let canary = Canary { id: id(), topic: it.kind, told: Some(seen) };
            assert_eq!(read, Some(Caught::Ours(canary)));
        }
    }

    #[test]
    fn an_answer_on_a_topic_that_is_not_its_roles_own_is_no_answer() {
        let hop = Hop { topic: Kind::SeatUnavailable, role: RoleName::Payment };
        let seen = Sighting { hop, at: Timestamp::UNIX_EPOCH };
        let (topic, at) = (Kind::BookingRequested, Timestamp::UNIX_EPOCH);
        let forged = text(id(), topic, "client", at, Some(seen.hop), &key());
        let read = read_canary(&enveloped(Kind::BookingRequested, &forged.body), &intake());
        assert_eq!(read, Some(Caught::Ours(Canary { id: id(), topic, told: None })));
    }

    #[test]
    fn a_canary_that_was_made_without_the_key_or_changed_is_strange_to_everybody() {
        let hop = Hop { topic: Kind::SeatUnavailable, role: RoleName::Payment };
        let seen = Sighting { hop, at: Timestamp::UNIX_EPOCH };
        let mut said = canary_heard(id(), &seen, &key());
        said.push(canary(id(), Kind::BookingRequested, Timestamp::UNIX_EPOCH, &key()));
        for it in said {
            let read = |body: &str, intake: &Intake| read_canary(&enveloped(it.kind, body), intake);
            assert!(matches!(read(&it.body, &intake()), Some(Caught::Ours(_))));
            assert_eq!(read(&it.body, &without_key()), Some(Caught::Strange));
            let other = CanaryKey::parse(&"o".repeat(32)).unwrap();
            let other = without_key().and_canaries(Some(other));
            assert_eq!(read(&it.body, &other), Some(Caught::Strange));
            let event: Value = serde_json::from_str(&it.body).unwrap();
            for (field, value) in [
                ("canary", json!("01997f6e-2f10-7d9a-9c53-6f2f5a1c9e02")),
                ("canaryheard", json!("seat-booked")),
                ("canaryby", json!("seats")),
                ("time", json!("2027-02-01T09:30:00Z")),
                ("canarycode", Value::Null),
                ("canarycode", json!("00")),
            ] {
                if event.get(field).is_none() {
                    continue;
                }
                let mut changed = event.clone();
                changed[field] = value;
                let told = read(&changed.to_string(), &intake());
                assert_eq!(told, Some(Caught::Strange), "{field}");
            }
        }
    }

    /// Failure matrix: A32.
    #[test]
    fn who_does_not_know_canaries_refuses_one_before_its_data_is_looked_at() {
        for topic in Kind::ALL {
            let said = canary(id(), topic, Timestamp::UNIX_EPOCH, &key());
            let refusal = decode(&enveloped(topic, &said.body), &intake()).unwrap_err();
            assert_eq!(
                (refusal.why, refusal.flaw.path.as_str()),
                (Why::UnsupportedVersion, "dataschema")
            );
            assert_eq!(refusal.booking.unwrap().as_str(), format!("canary-{}", id()));
        }
    }

    #[test]
    fn an_event_is_never_taken_for_a_canary_whatever_else_it_says() {
        for topic in topics::all() {
            let mut event = topic.example;
            event["canary"] = json!(id());
            event["note"] = json!(SCHEMA);
            let message = event.to_string();
            assert_eq!(read_canary(&enveloped(topic.topic, &message), &intake()), None);
            assert_eq!(read_canary(&incoming(message.clone()), &intake()), None);
            assert!(decode(&incoming(message), &intake()).is_ok());
        }
    }
}
