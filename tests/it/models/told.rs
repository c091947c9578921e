//! What the log tells of messages that went well: one line for each outcome, and for what came too
//! late to matter.

use std::{sync::Arc, time::Duration};

use booking::{
    bus::{
        Queue,
        memory::{Exchange, MemoryBus, Unkindness},
    },
    clock::Clock,
    domain::{RoleName, event::Kind, receipt::Receipt},
    gateway::simulated::SimulatedGateway,
    mailer::{MailError, Mailer},
    metrics::Metrics,
    roles::{PaymentRole, ReceiptRole, Role, SeatsRole, StatusRole},
    runtime::{Attendant, Limits, PollHealth, UnitOfWork, Worker},
    store::memory::Memory,
    telemetry::{LogFormat, lines},
};
use serde_json::Value;

use super::{
    breaker::Written,
    unit_of_work::{clock, seats_role},
};
use crate::harness::Sketch;

/// Mail that always arrives.
struct Post;

impl Mailer for Post {
    async fn send(&self, _: &Receipt) -> Result<(), MailError> {
        Ok(())
    }
}

const MOMENT: Duration = Duration::from_millis(1);

type Works<R> = Worker<MemoryBus, R, Memory, MemoryBus>;

/// All four services, which work when they are told to, and their log.
struct Four {
    clock: Clock,
    exchange: Exchange,
    seats: Works<SeatsRole>,
    payment: Works<PaymentRole<SimulatedGateway<Memory>>>,
    receipt: Works<ReceiptRole<Post>>,
    status: Works<StatusRole>,
    written: Written,
    _logging: (tracing::Dispatch, tracing::subscriber::DefaultGuard),
}

impl Four {
    fn new() -> Four {
        let written = Written::default();
        let log = {
            let written = written.clone();
            lines(LogFormat::Json, false, move || written.clone())
        };
        // See `an_open_breaker_is_a_metric_and_log_lines_and_health_forgets_it_once_it_works`.
        let another = tracing::Dispatch::new(lines(LogFormat::Json, false, std::io::sink));
        let _logging = (another, tracing::subscriber::set_default(log));
        let clock = clock();
        let exchange = Exchange::new(clock.clone(), "", 7, Unkindness::default());
        let provider = SimulatedGateway::new(Memory::default(), Duration::ZERO);
        Four {
            seats: works(&exchange, &clock, RoleName::Seats, seats_role()),
            payment: works(&exchange, &clock, RoleName::Payment, PaymentRole(provider)),
            receipt: works(&exchange, &clock, RoleName::Receipt, ReceiptRole(Post)),
            status: works(&exchange, &clock, RoleName::Status, StatusRole),
            clock,
            exchange,
            written,
            _logging,
        }
    }

    fn request(&self, id: &str, token: &'static str) {
        let request = Sketch::new(id, &["12A"], token).cloud_event();
        let mut request: Value = serde_json::from_str(&request).unwrap();
        request["id"] = format!("{id} with {token}").into();
        self.exchange.publish_text(Kind::BookingRequested, &request.to_string());
    }

    /// Lets these services work until their queues are empty.
    async fn work(&self, roles: &[RoleName]) {
        while let Some(role) = roles.iter().find(|it| self.exchange.depth(**it) > 0) {
            match role {
                RoleName::Seats => self.seats.step(1).await.unwrap(),
                RoleName::Payment => self.payment.step(1).await.unwrap(),
                RoleName::Receipt => self.receipt.step(1).await.unwrap(),
                RoleName::Status => self.status.step(1).await.unwrap(),
            };
        }
    }

    /// Hides from seats for a moment what was published before the last message.
    async fn hide_payment_from_seats(&self) {
        let queue = self.exchange.bus(RoleName::Seats);
        let mut all = queue.receive(10, Duration::ZERO, MOMENT).await.unwrap();
        let newest = all.pop().unwrap();
        assert!(!all.is_empty());
        queue.give_back(&newest.receipt_handle, Duration::ZERO).await.unwrap();
    }

    /// The lines since the last call: role, event and booking, and what else is told of it.
    fn told(&self) -> Vec<String> {
        let written = std::mem::take(&mut *self.written.0.lock().unwrap());
        let text = String::from_utf8(written).unwrap();
        let line = |it: &str| {
            let mut line: Value = serde_json::from_str(it).unwrap();
            assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"settled".into()));
            let span = line["span"].take();
            let fields = line.as_object().unwrap().iter();
            let more = fields
                .filter(|it| !["timestamp", "level", "message", "span"].contains(&it.0.as_str()));
            let more: Vec<String> = more.map(|(name, it)| format!("{name}={it}")).collect();
            let of = |name: &str| span[name].as_str().unwrap().to_owned();
            let about = [of("role"), of("event.kind"), of("booking.id")];
            [about.join(" "), more.join(" ")].join(": ")
        };
        let mut told: Vec<String> = text.lines().map(line).collect();
        told.sort();
        told
    }
}

fn works<R: Role>(exchange: &Exchange, clock: &Clock, name: RoleName, role: R) -> Works<R> {
    let bus = exchange.bus(name);
    let work = Arc::new(UnitOfWork::new(role, Memory::default(), clock.clone()));
    let attendant = Attendant::new(work, bus.clone(), exchange.intake(), Metrics::default());
    let health = PollHealth::new(clock, Duration::MAX);
    Worker::new(bus, attendant, Limits::default(), health, 7)
}

#[tokio::test]
async fn a_happy_booking_has_a_line_for_each_outcome_and_none_for_what_is_only_remembered() {
    let four = Four::new();
    four.request("b-1", "tok_visa");
    four.work(&RoleName::ALL).await;
    assert_eq!(
        four.told(),
        [
            r#"payment booking-requested b-1: announces="payment-ok" asked=1"#,
            r#"receipt payment-ok b-1: announces="receipt-sent" asked=1"#,
            r#"seats booking-requested b-1: announces="seat-booked""#,
            r#"status receipt-sent b-1: phase="completed""#,
        ]
    );
}

#[tokio::test]
async fn a_second_card_for_a_booking_that_has_failed_is_told_as_ignored() {
    let four = Four::new();
    four.request("b-1", "tok_declined");
    four.work(&RoleName::ALL).await;
    four.told();
    four.request("b-1", "tok_visa");
    four.work(&RoleName::ALL).await;
    assert_eq!(
        four.told(),
        [
            "payment booking-requested b-1: ignored=true",
            "seats booking-requested b-1: ignored=true",
        ]
    );
}

/// Seats hears of the payment too late, and another booking takes the seat over.
#[tokio::test]
async fn a_completed_booking_that_loses_its_seat_has_lines_until_it_is_refunded() {
    const OTHERS: [RoleName; 3] = [RoleName::Payment, RoleName::Receipt, RoleName::Status];
    let four = Four::new();
    four.request("b-1", "tok_visa");
    four.seats.step(1).await.unwrap();
    four.work(&OTHERS).await;
    assert!(four.told().contains(&r#"status receipt-sent b-1: phase="completed""#.to_owned()));
    four.clock.advance(Duration::from_mins(16));
    four.request("b-2", "tok_visa");
    four.hide_payment_from_seats().await;
    four.seats.step(1).await.unwrap();
    four.clock.advance(MOMENT);
    four.work(&RoleName::ALL).await;
    assert_eq!(
        four.told(),
        [
            r#"payment booking-requested b-2: announces="payment-ok" asked=1"#,
            r#"payment seat-unavailable b-1: announces="payment-refunded" asked=1"#,
            r#"receipt payment-ok b-2: announces="receipt-sent" asked=1"#,
            // The mail that the receipt is void.
            "receipt seat-unavailable b-1: asked=1",
            r#"seats booking-requested b-2: announces="seat-booked seat-unavailable""#,
            "seats payment-ok b-1: ignored=true",
            r#"status payment-refunded b-1: phase="refunded""#,
            r#"status receipt-sent b-2: phase="completed""#,
            r#"status seat-unavailable b-1: phase="refund_pending""#,
        ]
    );
}
