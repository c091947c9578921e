//! Reads a message as an event, or says why it is none. Whatever a message contains, this must
//! never panic, and never quote it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{
    Incoming, Intake, Refusal, SCHEMA_VERSION, Why,
    attributes::{name, parse_time, traceparent},
    data::read_data,
    digest::digest_of,
    envelope::{Envelope, without_mark},
    intake::may_say,
    json::{Fields, Flaw, Node},
    refusal::Read,
    schema::{is_json, major_version},
};
use crate::domain::{
    event::{Event, Kind},
    ids::{BookingId, Cause, Digest, request_id},
};

/// The largest body that is read, in bytes. SQS accepts no larger ones.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The source of a message that names none.
const CLIENT: &str = "/booking/client";

/// Reads a message as an event. `intake` says what is accepted.
///
/// # Errors
/// A [`Refusal`] for everything that is not an event of `topics/`, the same for all four roles.
pub fn decode(incoming: &Incoming, intake: &Intake) -> Result<Event, Refusal> {
    let mut decoder = Decoder {
        intake,
        enveloped: false,
        sent_at: incoming.sent_at,
        topic: incoming.kind_attribute.as_deref().and_then(Kind::of_topic),
        message_id: None,
        traceparent: None,
        claims: None,
        booking: None,
    };
    decoder.open(&incoming.body).map_err(|(why, flaw)| Refusal {
        why,
        flaw,
        booking: decoder.booking.clone().or_else(|| decoder.message_id.clone()),
        kind: decoder.topic.or(decoder.claims),
        sent_at: decoder.sent_at,
    })
}

/// Refuses a body that is larger than any message of SQS.
pub(super) fn too_large(body: &str) -> Read<()> {
    if body.len() <= BODY_BYTES_MAX {
        return Ok(());
    }
    let flaw = Flaw {
        path: "message".to_owned(),
        problem: format!("expected at most {BODY_BYTES_MAX} bytes"),
        line: 1,
        column: 1,
    };
    Err(flaw.into())
}

/// Reads the event of a task, which has no envelope: IAM must let only the state machine and our
/// services send to a queue of tasks. `topic` is the type that it must have, if that is known.
pub(super) fn decode_trusted(text: &str, topic: Option<Kind>, sent_at: Timestamp) -> Read<Event> {
    let intake = Intake::enveloped("");
    let mut decoder = Decoder {
        intake: &intake,
        enveloped: true,
        sent_at,
        topic,
        message_id: None,
        traceparent: None,
        claims: None,
        booking: None,
    };
    decoder.read(&Fields::parse(without_mark(text))?)
}

/// What is known about a message while it is being read. If the reading fails, the refusal says
/// what was known by then.
struct Decoder<'i> {
    intake: &'i Intake,
    /// Whether the message has an envelope, which says the topic that it came from.
    enveloped: bool,
    sent_at: Timestamp,
    /// From the envelope, or from the attribute of a raw delivery.
    topic: Option<Kind>,
    /// The id that SNS or EventBridge gave to it, which is the same in all four queues.
    message_id: Option<BookingId>,
    traceparent: Option<String>,
    /// The type that the event itself names.
    claims: Option<Kind>,
    booking: Option<BookingId>,
}

impl Decoder<'_> {
    /// Unwraps the envelope, if there is one, and reads the event.
    fn open(&mut self, body: &str) -> Read<Event> {
        too_large(body)?;
        let outer = Fields::parse(without_mark(body))?;
        let Some(envelope) = Envelope::of(&outer) else { return self.read(&outer) };
        self.enveloped = true;
        // SNS sets the message attribute `type` on raw deliveries only. Beside an envelope somebody
        // else wrote it, so it is ignored, and no refusal names it.
        self.topic = None;
        self.topic = Some(envelope.topic(self.intake)?);
        self.message_id = envelope.message_id();
        self.sent_at = envelope.sent_at()?.unwrap_or(self.sent_at);
        let message = envelope.message()?;
        self.read(&Fields::parse(without_mark(&message))?)
    }

    /// Reads a CloudEvent, or bare `data` if it is none.
    fn read(&mut self, top: &Fields<'_, '_>) -> Read<Event> {
        if top.optional("specversion").is_none() {
            return self.bare(top);
        }
        let id = top.optional_parsed("id", name)?;
        let source = top.optional_parsed("source", name)?.unwrap_or_else(|| CLIENT.to_owned());
        let subject = top.optional("subject");
        let decoded = decoded(top);
        let data: Option<Result<Node<'_, '_>, Flaw>> = match &decoded {
            None => top.optional("data").map(Ok),
            Some(Ok(text)) => Some(Node::embedded(text, "data")),
            Some(Err(flaw)) => Some(Err(flaw.clone())),
        };
        let fields = data.clone().map(|it| it.and_then(Node::object));
        let fields = fields.as_ref();
        let own_fields = fields.and_then(|it| it.as_ref().ok());
        let own = named(own_fields.and_then(|it| it.optional("booking_id")));
        let about = named(subject);
        let derived = || id.as_deref().map(|it| BookingId::of_event(&source, it));
        // Find out the booking before anything is refused, so that the refusal can be recorded
        // under it.
        let readable = |it: &Named| it.as_ref()?.as_ref().ok().cloned();
        self.booking = readable(&own).or_else(|| readable(&about)).or_else(derived);

        let version = top.required("specversion")?;
        if version.string()? != "1.0" {
            return Err((Why::UnsupportedVersion, version.flaw("expected CloudEvents 1.0")));
        }
        let kind = self.kind(top)?;
        let booking = self.identify(own, about, subject, kind, derived)?;
        if let Some(it) = top.optional("datacontenttype")
            && !is_json(&it.string()?)
        {
            let expected = "expected application/json or a type that ends in +json";
            return Err(it.flaw(expected).into());
        }
        if let Some(it) = top.optional("dataschema")
            && major_version(&it.string()?) != Some(SCHEMA_VERSION)
        {
            let expected = format!("expected a schema that ends in version {SCHEMA_VERSION}");
            return Err((Why::UnsupportedVersion, it.flaw(&expected)));
        }
        self.admit(kind, &source, top)?;
        let time = top.optional_parsed("time", parse_time)?.unwrap_or(self.sent_at);
        // A booking must never fail because of its trace, so an invalid traceparent is dropped.
        let traceparent = top.optional_parsed("traceparent", traceparent).ok().flatten();
        self.traceparent = traceparent;
        let Some(data) = data else { return Err(top.missing("data").into()) };
        let data = data?;
        let digest = match kind {
            Kind::BookingRequested => digest_of(&data)?,
            Kind::SeatBooked
            | Kind::SeatUnavailable
            | Kind::SeatReleased
            | Kind::PaymentOk
            | Kind::PaymentFailed
            | Kind::PaymentRefunded
            | Kind::ReceiptSent => top.required("requestdigest")?.parsed(Digest::parse)?,
        };
        match fields {
            Some(Ok(fields)) => self.event(booking, kind, id, source, time, digest, fields),
            Some(Err(flaw)) => Err(flaw.clone().into()),
            None => Err(top.missing("data").into()),
        }
    }

    /// Checks that such an event may come without an envelope, if it did, and that its source may
    /// publish it.
    fn admit(&self, kind: Kind, source: &str, top: &Fields<'_, '_>) -> Read<()> {
        if !self.enveloped && !self.intake.takes_raw(kind) {
            let expected = "expected an envelope around an outcome: nothing else says who published \
                            it (--raw-delivery is off)";
            return Err((Why::Untrusted, top.node().flaw(expected)));
        }
        may_say(source, kind).map_err(|expected| {
            let said = top.optional("source");
            let flaw = said.map_or_else(
                || Flaw { path: "source".to_owned(), ..top.node().flaw(&expected) },
                |it| it.flaw(&expected),
            );
            (Why::Untrusted, flaw)
        })
    }

    /// Reads `data` alone, as a person types it after `aws sns publish`.
    fn bare(&mut self, top: &Fields<'_, '_>) -> Read<Event> {
        if self.topic.is_some_and(|it| it != Kind::BookingRequested) {
            let flaw =
                top.node().flaw("expected a CloudEvent: only a booking-requested may be bare data");
            return Err(flaw.into());
        }
        self.claims = Some(Kind::BookingRequested);
        let own = named(top.optional("booking_id"));
        let has = |name| top.optional(name).is_some();
        if (has("data") || has("data_base64")) && (has("type") || has("source") || has("id")) {
            // Meant as a CloudEvent. Say that `specversion` is missing, rather than a flight.
            return Err(top.missing("specversion").into());
        }
        self.booking = own.as_ref().and_then(|it| it.as_ref().ok().cloned());
        let booking = self.identify(own, None, None, Kind::BookingRequested, || None)?;
        let digest = digest_of(top.node())?;
        let (source, time) = (CLIENT.to_owned(), self.sent_at);
        self.event(booking, Kind::BookingRequested, None, source, time, digest, top)
    }

    fn kind(&mut self, top: &Fields<'_, '_>) -> Read<Kind> {
        let Some(said) = top.optional("type") else {
            return self.topic.ok_or_else(|| top.node().flaw("expected a type").into());
        };
        let Some(kind) = Kind::of_topic(&said.string()?) else {
            return Err((Why::UnknownType, said.flaw("expected the name of a topic")));
        };
        self.claims = Some(kind);
        if self.topic.is_some_and(|it| it != kind) {
            return Err(said
                .flaw("expected the type that belongs to the topic it came from")
                .into());
        }
        Ok(kind)
    }

    /// The booking of the event: `data.booking_id`, or else `subject`. Only a request may have
    /// neither; then its booking id is derived from source and id, or else is the id that SNS or
    /// EventBridge gave to the message.
    fn identify(
        &self,
        own: Named,
        about: Named,
        subject: Option<Node<'_, '_>>,
        kind: Kind,
        derived: impl FnOnce() -> Option<BookingId>,
    ) -> Read<BookingId> {
        match (own.transpose()?, about.transpose()?) {
            (Some(own), Some(other)) if own != other => {
                let here = subject.expect("it was just read");
                Err(here.flaw("expected the same booking as data.booking_id").into())
            }
            (Some(id), _) | (None, Some(id)) => Ok(id),
            (None, None) if kind == Kind::BookingRequested => derived()
                .or_else(|| self.message_id.clone())
                .ok_or_else(|| missing_booking().into()),
            (None, None) => Err(missing_booking().into()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one event, each used once")]
    fn event(
        &mut self,
        booking: BookingId,
        kind: Kind,
        id: Option<String>,
        source: String,
        time: Timestamp,
        digest: Digest,
        data: &Fields<'_, '_>,
    ) -> Read<Event> {
        let id = id.unwrap_or_else(|| request_id(&booking, kind, &digest));
        let traceparent = self.traceparent.take();
        let data = read_data(kind, data)?;
        let cause = match kind.publisher() {
            Some(_) => Cause { source, id },
            None => Cause::of_client(&source, &id),
        };
        Ok(Event { cause, booking, time, digest, traceparent, data })
    }
}

/// The text in `data_base64`, if the event has that field. Official SDKs write it when they are
/// given JSON as bytes.
fn decoded(top: &Fields<'_, '_>) -> Option<Result<String, Flaw>> {
    let encoded = top.optional("data_base64")?;
    if top.optional("data").is_some() {
        return Some(Err(encoded.flaw("expected either data or data_base64, not both")));
    }
    let bytes = encoded.string().map(|it| STANDARD.decode(it.as_bytes()));
    Some(bytes.and_then(|it| {
        let text = it.ok().and_then(|it| String::from_utf8(it).ok());
        text.ok_or_else(|| encoded.flaw("expected base64 of JSON in UTF-8"))
    }))
}

/// The id of a booking, if the field is there, or what is wrong with it.
type Named = Option<Result<BookingId, Flaw>>;

fn named(node: Option<Node<'_, '_>>) -> Named {
    node.map(|it| it.parsed(BookingId::parse))
}

fn missing_booking() -> Flaw {
    Flaw {
        path: "data.booking_id".to_owned(),
        problem: "is missing, and there is no subject, and no id from SNS or EventBridge, instead"
            .to_owned(),
        line: 1,
        column: 1,
    }
}
