//! Nothing that a client chose is an identity: section I of the failure matrix, on the wire and on
//! a stage with all four services.

use booking::{
    bus::memory::Unkindness,
    demo::Stage,
    domain::{
        RoleName,
        event::{Event, Kind},
        ids::{BookingId, Cause, outcome_id},
        seats::{Hold, Row},
        status::{Phase, Record},
    },
    durability::Durability,
    gateway::simulated::Movement,
    http::view::BookingView,
    runtime::look_up,
    store::sqlite::{Engine, Inline},
    topics,
    wire::{self, Intake, Why},
    wiring::{gateway_in, store_file},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Folder, Sketch, enveloped, incoming};

/// Where the topics of these tests are: what comes in raw is not trusted.
fn intake() -> Intake {
    Intake::enveloped("arn:aws:sns:eu-central-1:000000000000:")
}

fn example(kind: Kind) -> Value {
    topics::all().into_iter().find(|it| it.topic == kind).unwrap().example
}

fn outcomes() -> impl Iterator<Item = (Kind, RoleName)> {
    Kind::ALL.into_iter().filter_map(|it| Some((it, it.publisher()?)))
}

/// A request of `sketch` whose event calls itself what the attacker likes.
fn called(sketch: &Sketch, source: &str, id: &str) -> String {
    let cause = Cause { source: source.to_owned(), id: id.to_owned() };
    wire::encode(&Event { cause, ..sketch.event() }).unwrap().body
}

/// Failure matrix: I1.
#[test]
fn a_request_in_the_name_of_a_service_is_refused() {
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    for role in RoleName::ALL {
        let text = called(&sketch, role.source(), "mine");
        for message in [enveloped(Kind::BookingRequested, &text), incoming(text)] {
            let refusal = wire::decode(&message, &intake()).unwrap_err();
            assert_eq!((refusal.why, &*refusal.flaw.path), (Why::Untrusted, "source"), "{role}");
            assert_eq!(refusal.requested().unwrap().as_str(), "b-1", "its client can be told");
        }
    }
    for source in
        ["/booking/client", "/booking/website", "mailto:ada@example.com", "/Booking/seats"]
    {
        let text = called(&sketch, source, "mine");
        assert!(wire::decode(&enveloped(Kind::BookingRequested, &text), &intake()).is_ok());
    }
}

/// Failure matrix: I3.
#[test]
fn an_outcome_is_taken_from_its_publisher_alone() {
    for (kind, publisher) in outcomes() {
        let mut event = example(kind);
        assert!(wire::decode(&enveloped(kind, &event.to_string()), &intake()).is_ok(), "{kind}");
        let others = RoleName::ALL.into_iter().filter(|it| *it != publisher).map(RoleName::source);
        for source in others.chain(["/booking/client", "/booking/seats/", "somebody"]) {
            event["source"] = json!(source);
            let refusal =
                wire::decode(&enveloped(kind, &event.to_string()), &intake()).unwrap_err();
            assert_eq!((refusal.why, &*refusal.flaw.path), (Why::Untrusted, "source"), "{kind}");
        }
        event["source"] = Value::Null;
        let refusal = wire::decode(&enveloped(kind, &event.to_string()), &intake()).unwrap_err();
        assert_eq!((refusal.why, &*refusal.flaw.path), (Why::Untrusted, "source"), "{kind}");
    }
}

/// Failure matrix: I3.
///
/// An envelope says which topic it came from; all of the topic's ARN must be ours.
#[test]
fn an_envelope_of_another_account_region_partition_or_prefix_is_refused() {
    let ours = "arn:aws:sns:eu-central-1:000000000000:";
    for kind in Kind::ALL {
        let text = example(kind).to_string();
        let with = |arn: String| {
            let mut envelope: Value = serde_json::from_str(&enveloped(kind, &text).body).unwrap();
            envelope["TopicArn"] = json!(arn);
            wire::decode(&incoming(envelope.to_string()), &intake())
        };
        assert!(with(format!("{ours}{kind}")).is_ok(), "{kind}");
        for arn in [
            format!("arn:aws:sns:eu-central-1:111111111111:{kind}"),
            format!("arn:aws:sns:us-east-1:000000000000:{kind}"),
            format!("arn:aws-cn:sns:eu-central-1:000000000000:{kind}"),
            format!("arn:aws:sqs:eu-central-1:000000000000:{kind}"),
            format!("x:{ours}{kind}"),
            kind.topic().to_owned(),
        ] {
            assert_eq!(with(arn.clone()).unwrap_err().why, Why::Untrusted, "{arn}");
        }
        for arn in [format!("{ours}staging-{kind}"), format!("{ours}x:{kind}"), ours.to_owned()] {
            assert_eq!(with(arn.clone()).unwrap_err().why, Why::UnknownType, "{arn}");
        }
    }
}

/// Failure matrix: I3.
///
/// Nothing says which topic a raw message came from.
#[test]
fn an_outcome_without_an_envelope_is_refused_unless_subscriptions_are_raw() {
    for (kind, _) in outcomes() {
        let mut raw = incoming(example(kind).to_string());
        raw.kind_attribute = Some(kind.topic().to_owned());
        let refusal = wire::decode(&raw, &intake()).unwrap_err();
        assert_eq!(refusal.why, Why::Untrusted, "{kind}");
        assert!(refusal.to_string().contains("--raw-delivery"), "{refusal}");
        assert!(wire::decode(&raw, &intake().or_raw(true)).is_ok(), "{kind}");
    }
    let request = Sketch::new("b-1", &["12A"], "tok_visa").cloud_event();
    assert!(wire::decode(&incoming(request), &intake()).is_ok(), "a request is anybody's");
}

struct Business {
    stage: Stage,
    folder: Folder,
}

impl Business {
    fn open() -> Business {
        let folder = Folder::new();
        let stage = Stage::new(folder.path(), 7, Unkindness::default()).unwrap();
        Business { stage, folder }
    }

    fn publish(&self, text: &str) {
        self.stage.exchange().publish_text(Kind::BookingRequested, text);
    }

    async fn settle_down(&mut self) {
        while self.stage.step().await.unwrap() {}
    }

    fn rows(&self, role: RoleName) -> Inline {
        let file = store_file(self.folder.path(), role);
        Inline::new(Engine::open(&file, role, Durability::ProcessDeath).unwrap())
    }

    async fn told(&self, booking: &str) -> BookingView {
        let booking = BookingId::parse(booking).unwrap();
        let record = look_up::<Record>(&self.rows(RoleName::Status), &booking).await.unwrap();
        let now = "2027-02-02T09:30:00Z".parse().unwrap();
        BookingView::of(&booking, &record.unwrap().row, now, SignedDuration::from_mins(2))
    }

    async fn hold(&self, booking: &str) -> Hold {
        let booking = BookingId::parse(booking).unwrap();
        match look_up(&self.rows(RoleName::Seats), &booking).await.unwrap().unwrap().row {
            Row::Booking(hold) => hold,
            Row::Seat { .. } => panic!("{booking} is a seat"),
        }
    }

    async fn ledger(&self, booking: &str) -> Vec<Movement> {
        let wait = std::time::Duration::ZERO;
        let gateway = gateway_in(self.folder.path(), wait, Durability::ProcessDeath).unwrap();
        gateway.ledger_of(&BookingId::parse(booking).unwrap()).await.unwrap()
    }
}

/// Failure matrix: I2.
///
/// The request of a declined card calls itself what its `payment-failed` will be called.
#[tokio::test]
async fn declined_cards_hold_no_seat_whatever_their_requests_call_themselves() {
    for source in ["/booking/payment", "/booking/client"] {
        let mut business = Business::open();
        for row in 1..=20 {
            let seats: Vec<&str> =
                Vec::from([format!("{row}A"), format!("{row}B")].map(|it| &*it.leak()));
            let sketch = Sketch::new(&format!("b-{row}"), &seats, "tok_declined");
            let id = outcome_id(&sketch.booking(), Kind::PaymentFailed);
            business.publish(&called(&sketch, source, &id));
        }
        business.settle_down().await;
        let rows = business.rows(RoleName::Seats).engine().all().unwrap();
        let held = rows
            .iter()
            .filter(|(key, body)| key.starts_with("seat/") && !body.contains("\"holder\":null"));
        assert_eq!(held.count(), 0, "seats held by requests of {source}");
    }
}

/// Failure matrix: I2.
///
/// A request calls itself what the `seat-unavailable` of its booking will be called.
#[tokio::test]
async fn no_request_swallows_a_refund_whatever_it_calls_itself() {
    for source in ["/booking/seats", "/booking/client"] {
        let mut business = Business::open();
        business.publish(&Sketch::new("first", &["12A"], "tok_visa").cloud_event());
        business.settle_down().await;
        let sketch = Sketch::new("second", &["12A"], "tok_visa");
        let id = outcome_id(&sketch.booking(), Kind::SeatUnavailable);
        business.publish(&called(&sketch, source, &id));
        business.publish(&sketch.cloud_event());
        business.settle_down().await;
        let ledger = business.ledger("second").await;
        let refunds = ledger.iter().filter(|it| it.movement == "refund").count();
        assert_eq!(ledger.len(), 2 * refunds, "{source}: charged without a seat: {ledger:?}");
    }
}

/// Failure matrix: I4.
///
/// Six further requests under the id of a completed booking.
#[tokio::test]
async fn status_tells_the_request_that_was_answered_and_of_others_that_they_were_not() {
    let mut business = Business::open();
    let own = Sketch::new("b-1", &["12A"], "tok_visa");
    business.publish(&own.cloud_event());
    business.settle_down().await;
    for (flight, row) in
        [("WA118", 1), ("WA117", 2), ("WA118", 3), ("WA117", 4), ("WA118", 5), ("WA117", 6)]
    {
        let mut other: Value =
            serde_json::from_str(&Sketch::new("b-1", &["30F"], "tok_visa").cloud_event()).unwrap();
        other["id"] = json!(format!("other-{row}"));
        other["source"] = json!("/booking/status\u{202e}");
        other["time"] = json!("1970-01-01T00:00:00Z");
        other["data"]["flight"] = json!(flight);
        other["data"]["seats"] = json!([format!("{row}C")]);
        other["data"]["payment"]["amount"]["minor"] = json!(row);
        business.publish(&other.to_string());
    }
    business.settle_down().await;
    let told = business.told("b-1").await;
    let wanted = own.request();
    assert_eq!(told.phase, Phase::Completed);
    assert!(told.conflict);
    assert_eq!(told.request_digest, Some(own.event().digest));
    assert_eq!(told.flight.as_ref(), Some(&wanted.seating.flight));
    assert_eq!(told.seats, wanted.seating.seats);
    let requests: Vec<_> =
        told.timeline.iter().filter(|it| it.kind == "booking-requested").collect();
    assert_eq!(requests.len(), 7);
    let (answered, others): (Vec<_>, Vec<_>) =
        requests.into_iter().partition(|it| it.reason.is_none());
    assert_eq!(answered.len(), 1);
    assert_eq!(answered[0].amount, Some(wanted.payment.amount));
    for it in others {
        assert_eq!(it.reason.as_deref(), Some("not_answered"));
        assert!(it.seats.is_empty() && it.amount.is_none());
    }
    for it in &told.timeline {
        let service = it.source.starts_with("/booking/");
        assert_eq!(service, it.kind != "booking-requested", "{it:?}");
        assert_eq!(it.heard.is_some(), !service, "beside a client's time: when it was heard");
    }
    assert_eq!(
        told.timeline[0].amount,
        Some(wanted.payment.amount),
        "no client is first by saying so"
    );
    assert!(matches!(business.hold("b-1").await, Hold::Confirmed { .. }));
}

/// Failure matrix: I5.
///
/// While several requests wait for an answer, none is told for the booking.
#[tokio::test]
async fn of_several_requests_without_an_answer_none_is_told() {
    let sketch = |seat| Sketch::new("b-1", &[seat], "tok_visa").event();
    let mut record = Record::default();
    for seat in ["12A", "12B"] {
        record = hear(record, &sketch(seat));
        let one = seat == "12A";
        assert_eq!(record.seating().is_some(), one);
        assert_eq!(record.answered(), one.then(|| sketch("12A").digest));
    }
}

/// Failure matrix: I4.
///
/// A role may answer another request than the one whose seats are booked; what it said of that
/// one is not told as the booking's.
#[test]
fn what_was_said_of_another_request_is_told_without_its_seats_and_money() {
    use booking::domain::event::{About, Charge, Data};
    let sketch = |seat, amount| {
        let mut text: Value =
            serde_json::from_str(&Sketch::new("b-1", &[seat], "tok_visa").cloud_event()).unwrap();
        text["data"]["payment"]["amount"]["minor"] = json!(amount);
        let text = text.to_string();
        wire::decode(&enveloped(Kind::BookingRequested, &text), &intake()).unwrap()
    };
    let (own, other) = (sketch("12A", 12900), sketch("12B", 77));
    let say = |of: &Event, role, data| {
        let about = About { booking: of.booking.clone(), digest: of.digest, traceparent: None };
        Event::outcome(role, &about, of.time, data)
    };
    let request = |it: &Event| match &it.data {
        Data::BookingRequested(request) => request.clone(),
        _ => unreachable!(),
    };
    let booked = say(&own, RoleName::Seats, Data::SeatBooked(request(&own).seating));
    let amount = request(&other).payment.amount;
    let charge = Charge { charge: "ch_1".to_owned(), amount };
    let paid = say(&other, RoleName::Payment, Data::PaymentOk(charge));
    let record = [&other, &own, &paid, &booked].into_iter().fold(Record::default(), hear);
    let now = "2027-02-02T09:30:00Z".parse().unwrap();
    let view = BookingView::of(&own.booking, &record, now, SignedDuration::from_mins(2));
    assert_eq!(view.request_digest, Some(own.digest));
    let text = serde_json::to_string(&view).unwrap();
    assert!(text.contains("12A") && !text.contains("12B") && !text.contains("77"), "{text}");
    let paid = view.timeline.iter().find(|it| it.kind == "payment-ok").unwrap();
    assert_eq!(paid.reason.as_deref(), Some("other_request"));
}

/// Failure matrix: I4.
///
/// Anybody can send what is refused under the id of somebody's booking.
#[tokio::test]
async fn what_was_refused_beside_a_booking_is_of_nobody_that_was_verified() {
    let mut business = Business::open();
    let own = Sketch::new("b-1", &["12A"], "tok_visa");
    let mut broken: Value = serde_json::from_str(&own.cloud_event()).unwrap();
    broken["data"]["seats"] = json!("all of them");
    business.publish(&broken.to_string());
    business.settle_down().await;
    let told = business.told("b-1").await;
    assert_eq!((told.phase, told.rejections.len()), (Phase::Rejected, 1));
    assert_eq!(told.timeline[0].source, "client");
    business.publish(&own.cloud_event());
    business.settle_down().await;
    let told = business.told("b-1").await;
    assert_eq!(told.phase, Phase::Completed);
    let refused: Vec<_> = told.timeline.iter().filter(|it| it.kind == "rejected").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].source, "unverified");
}

fn hear(record: Record, event: &Event) -> Record {
    use booking::domain::{
        decision::{Key, Rows, Rules, Step},
        status::Statuses,
    };
    let mut rows = Rows::default();
    rows.insert(Key::Booking(event.booking.clone()), Some(record));
    match Statuses.decide(&rows, event, &[], event.time) {
        Step::Nothing => rows.booking(&event.booking).unwrap().clone(),
        Step::Settle(decision) => decision.own,
        other => panic!("{other:?}"),
    }
}
