//! Text to event, or to a reason why not.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Incoming, Intake, SCHEMA_VERSION,
    intake::may_say,
    node::{Fields, Flaw, Node},
    plain::plain_digest,
    schema::{is_json, major_version},
};
use crate::domain::{
    Expected,
    card::holds_card_number,
    event::{Charge, Data, Event, Freed, Kind, NoCharge, NoSeat, Refund},
    ids::{BookingId, Cause, Digest, request_id},
    money::{Currency, Money},
    request::{Passenger, Payment, PaymentToken, Request},
    seat::{FlightNo, SEATS_MAX, SeatId, Seating, parse_date},
};

/// The largest body that is looked at, in bytes: what SQS takes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest id or source, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// The longest reference in `data`, in characters: what `maxLength` of a schema counts.
const REFERENCE_CHARS_MAX: usize = 255;
/// Who said it, when a message does not say.
const CLIENT: &str = "/booking/client";

/// Why a message is not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not JSON, not of the event's shape, or impossible in content.
    Malformed,
    /// A type that no topic of ours has.
    UnknownType,
    /// A schema of another major version, or another CloudEvents version.
    UnsupportedVersion,
    /// It holds what could be a card number.
    CardNumber,
    /// It comes from where such an event cannot come from, or says so.
    Untrusted,
}

impl Why {
    /// The class in logs, metrics and dead letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::Malformed => "malformed",
            Why::UnknownType => "unknown-type",
            Why::UnsupportedVersion => "unsupported-version",
            Why::CardNumber => "card-number",
            Why::Untrusted => "untrusted",
        }
    }
}

/// A message that is no event: what was wrong with it, and what could be made out all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flaw}")]
pub struct Refusal {
    /// The class of the problem.
    pub why: Why,
    /// Where, and what was expected.
    pub flaw: Flaw,
    /// The booking it would have been about: by its own id if that can be read, else by the SNS
    /// MessageId.
    pub booking: Option<BookingId>,
    /// The topic it came from or claims to belong to.
    pub kind: Option<Kind>,
    /// When it was sent.
    pub sent_at: Timestamp,
}

impl Refusal {
    /// The booking that it asked for, if it was a request.
    #[must_use]
    pub fn requested(&self) -> Option<&BookingId> {
        self.booking.as_ref().filter(|_| self.kind == Some(Kind::BookingRequested))
    }
}

/// Reads a message that came in by `intake`.
///
/// # Errors
/// A [`Refusal`] for everything that is not an event of `topics/`: the same for all four roles.
pub fn decode(incoming: &Incoming, intake: &Intake) -> Result<Event, Refusal> {
    let mut letter = Letter {
        intake,
        enveloped: false,
        sent_at: incoming.sent_at,
        topic: incoming.kind_attribute.as_deref().and_then(Kind::of_topic),
        message_id: None,
        traceparent: None,
        claims: None,
        booking: None,
    };
    letter.open(&incoming.body).map_err(|(why, flaw)| Refusal {
        why,
        flaw,
        booking: letter.booking.clone().or_else(|| letter.message_id.clone()),
        kind: letter.topic.or(letter.claims),
        sent_at: letter.sent_at,
    })
}

/// Where a message came from, as far as that can be read: for who has to find out why it died.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The SNS MessageId.
    pub message_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// The origin of a body that may be anything.
#[must_use]
pub fn origin(body: &str) -> Origin {
    let Ok(outer) = Fields::parse(body) else { return Origin::default() };
    let id = optional_parsed(&outer, "MessageId", BookingId::parse).ok().flatten();
    let message = outer.optional("Message").and_then(|it| it.string().ok());
    let trace = |fields: &Fields<'_, '_>| {
        optional_parsed(fields, "traceparent", traceparent).ok().flatten()
    };
    let inner = message.as_deref().and_then(|it| Fields::parse(it).ok());
    Origin {
        message_id: id.map(|it| it.as_str().to_owned()),
        traceparent: inner.as_ref().map_or_else(|| trace(&outer), trace),
    }
}

pub(super) type Read<T> = Result<T, (Why, Flaw)>;

impl From<Flaw> for (Why, Flaw) {
    fn from(flaw: Flaw) -> Self {
        (Why::Malformed, flaw)
    }
}

/// What is known about a message while it is being read; what was found out stays when the reading
/// fails.
struct Letter<'i> {
    intake: &'i Intake,
    /// Whether SNS says which topic it came from.
    enveloped: bool,
    sent_at: Timestamp,
    /// From the TopicArn, or from the attribute of a raw delivery.
    topic: Option<Kind>,
    /// The SNS MessageId: the same in all four queues.
    message_id: Option<BookingId>,
    traceparent: Option<String>,
    /// The type that the event itself names.
    claims: Option<Kind>,
    booking: Option<BookingId>,
}

impl Letter<'_> {
    /// Unwraps the SNS envelope if there is one.
    fn open(&mut self, body: &str) -> Read<Event> {
        if body.len() > BODY_BYTES_MAX {
            let flaw = Flaw {
                path: "message".to_owned(),
                problem: format!("expected at most {BODY_BYTES_MAX} bytes"),
                line: 1,
                column: 1,
            };
            return Err(flaw.into());
        }
        let outer = Fields::parse(without_mark(body))?;
        self.enveloped = outer.optional("specversion").is_none()
            && outer.optional("TopicArn").is_some()
            && outer.optional("Message").is_some();
        if !self.enveloped {
            return self.read(&outer);
        }
        let arn = outer.required("TopicArn")?;
        // The attribute of a raw delivery was chosen by the publisher: an envelope never has it.
        self.topic = None;
        let topic = self.intake.topic(&arn.string()?);
        self.topic = Some(topic.map_err(|(why, expected)| (why, arn.flaw(&expected)))?);
        self.message_id = optional_parsed(&outer, "MessageId", BookingId::parse).ok().flatten();
        self.sent_at = optional_parsed(&outer, "Timestamp", parse_time)?.unwrap_or(self.sent_at);
        let message = outer.required("Message")?.string()?;
        self.read(&Fields::parse(without_mark(&message))?)
    }

    /// Reads the event, or bare `data` if it is not one.
    fn read(&mut self, top: &Fields<'_, '_>) -> Read<Event> {
        if top.optional("specversion").is_none() {
            return self.bare(top);
        }
        let id = optional_parsed(top, "id", name)?;
        let source = optional_parsed(top, "source", name)?.unwrap_or_else(|| CLIENT.to_owned());
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
        // First whatever can be read, so that a refusal is filed where somebody looks for it.
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
        let time = optional_parsed(top, "time", parse_time)?.unwrap_or(self.sent_at);
        // A trace must never cost a booking: what is no trace is left out.
        let traceparent = optional_parsed(top, "traceparent", traceparent).ok().flatten();
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

    /// Whether such an event can come from where it came, and from who it says.
    fn admit(&self, kind: Kind, source: &str, top: &Fields<'_, '_>) -> Read<()> {
        if !self.enveloped && !self.intake.takes_raw(kind) {
            let expected = "expected an SNS envelope around an outcome: nothing else says who \
                            published it (--raw-delivery is off)";
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

    /// `data` alone, as somebody types it after `aws sns publish`.
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
            // A CloudEvent all the same: what is missing is not a flight.
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

    /// Whose booking it is: `data.booking_id`, else `subject`, else derived from the event, else
    /// the SNS MessageId. Only a request may do without a name.
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

/// The text without a byte order mark, which some programs put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// `data_base64` as the text that it stands for: official SDKs write it for JSON that is given to
/// them as bytes.
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

/// The name of a booking, if there is one, or what is wrong with it.
type Named = Option<Result<BookingId, Flaw>>;

fn named(node: Option<Node<'_, '_>>) -> Named {
    node.map(|it| it.parsed(BookingId::parse))
}

fn missing_booking() -> Flaw {
    Flaw {
        path: "data.booking_id".to_owned(),
        problem: "is missing, and neither subject nor an SNS MessageId stands in for it".to_owned(),
        line: 1,
        column: 1,
    }
}

fn read_data(kind: Kind, fields: &Fields<'_, '_>) -> Read<Data> {
    let reference = |name: &'static str| fields.required(name)?.parsed(self::reference);
    let amount = || money(&fields.required("amount")?);
    Ok(match kind {
        Kind::BookingRequested => Data::BookingRequested(request(fields)?),
        Kind::SeatBooked => Data::SeatBooked(seating(fields, 1)?),
        Kind::SeatUnavailable => Data::SeatUnavailable {
            reason: fields.required("reason")?.parsed(NoSeat::parse)?,
            seating: seating(fields, 0)?,
        },
        Kind::SeatReleased => Data::SeatReleased {
            reason: fields.required("reason")?.parsed(Freed::parse)?,
            seats: seats(fields, 0)?,
        },
        Kind::PaymentOk => {
            Data::PaymentOk(Charge { charge: reference("charge")?, amount: amount()? })
        }
        Kind::PaymentFailed => {
            Data::PaymentFailed { reason: fields.required("reason")?.parsed(NoCharge::parse)? }
        }
        Kind::PaymentRefunded => Data::PaymentRefunded(Refund {
            refund: reference("refund")?,
            charge: reference("charge")?,
            amount: amount()?,
        }),
        Kind::ReceiptSent => Data::ReceiptSent { receipt: reference("receipt")? },
    })
}

pub(super) fn request(fields: &Fields<'_, '_>) -> Result<Request, Flaw> {
    let seating = seating(fields, 1)?;
    let passenger = fields.required("passenger")?;
    let passenger = passenger.object()?;
    let payment = fields.required("payment")?;
    let payment = payment.object()?;
    Ok(Request {
        seating,
        passenger: Passenger {
            name: passenger.required("name")?.parsed(Passenger::parse_name)?,
            email: passenger.required("email")?.parsed(Passenger::parse_email)?,
        },
        payment: Payment {
            token: payment.required("token")?.parsed(PaymentToken::parse)?,
            amount: money(&payment.required("amount")?)?,
        },
    })
}

fn seating(fields: &Fields<'_, '_>, seats_min: usize) -> Result<Seating, Flaw> {
    Ok(Seating {
        flight: fields.required("flight")?.parsed(FlightNo::parse)?,
        date: fields.required("date")?.parsed(parse_date)?,
        seats: seats(fields, seats_min)?,
    })
}

fn seats(fields: &Fields<'_, '_>, seats_min: usize) -> Result<Vec<SeatId>, Flaw> {
    let list = fields.required("seats")?;
    let mut seats = list.each(|it| it.parsed(SeatId::parse))?;
    let named = seats.len();
    // Counted before they are sorted: whoever names a hundred thousand buys no sorting.
    let fits = (seats_min..=SEATS_MAX).contains(&named);
    if fits {
        seats.sort_unstable();
        seats.dedup();
    }
    if !fits || seats.len() < named {
        return Err(list.flaw(&format!("expected {seats_min} to {SEATS_MAX} different seats")));
    }
    Ok(seats)
}

fn money(node: &Node<'_, '_>) -> Result<Money, Flaw> {
    let fields = node.object()?;
    let minor = fields.required("minor")?;
    let currency = fields.required("currency")?.parsed(Currency::parse)?;
    Money::new(minor.integer()?, currency).map_err(|it| minor.flaw(&it.to_string()))
}

fn optional_parsed<T>(
    fields: &Fields<'_, '_>,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Expected>,
) -> Result<Option<T>, Flaw> {
    fields.optional(name).map(|it| it.parsed(parse)).transpose()
}

fn name(text: &str) -> Result<String, Expected> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Expected("1 to 255 bytes of text without control characters"));
    }
    Ok(text.to_owned())
}

fn reference(text: &str) -> Result<String, Expected> {
    let length = text.chars().count();
    if !(1..=REFERENCE_CHARS_MAX).contains(&length) || text.chars().any(char::is_control) {
        return Err(Expected("1 to 255 characters without control characters"));
    }
    Ok(text.to_owned())
}

fn parse_time(text: &str) -> Result<Timestamp, Expected> {
    text.parse().map_err(|_| Expected("an instant as in RFC 3339, such as 2027-03-01T09:30:00Z"))
}

/// W3C trace context, version 00.
fn traceparent(text: &str) -> Result<String, Expected> {
    let hex = |it: &str| it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        ["00", trace, parent, flags]
            if (trace.len(), parent.len(), flags.len()) == (32, 16, 2)
                && parts.iter().all(|it| hex(it)) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(Expected("a traceparent of version 00")),
    }
}

/// The digest of a request: of its `data` as it was received, so that old and new binaries agree.
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

/// The names in a request's `data`. Others can be anything, also what nobody may read.
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

/// The path of the first value that could be a card number; names that are not ours stay unsaid.
fn card_number(value: &Value, path: &str) -> Option<String> {
    let rest = suspicious(value, true)?;
    Some(format!("{path}{rest}"))
}

/// The same from here on. Put together only once there is something to tell.
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
