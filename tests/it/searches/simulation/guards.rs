//! The guards that keep money, seats and receipts single, each of which can be taken out: by
//! standing at a seam and answering as if it were not there, never by a hook in the code itself.

use booking::{
    domain::{
        ServiceName,
        decision::{Decision, Key, Listing, Rows, Rules, Step},
        event::{Data, Event},
        payment::Payments,
        receipt::Receipts,
        seat::Seating,
        seats::{Hold, Row, Seats},
        status::{Rejection, Statuses},
    },
    roles::{EffectError, Role},
};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Something that keeps an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    Memo,
    ChargeClaim,
    ReadAgain,
    Release,
    Version,
    /// A row that was taken to be missing, and is not, is not overwritten.
    Missing,
    ChargeKey,
    /// A charge that may have been asked for is looked up before it is asked for again.
    LookUp,
    ReceiptClaim,
    /// Whoever has a void receipt is told so.
    VoidMail,
    SeatsDigest,
    PublishBeforeDelete,
    OwnAnswer,
    AnswerOrder,
    /// What is measured follows the wall clock.
    SteadyClock,
    /// Who rests for an open breaker rests on when it closes.
    Wake,
    /// Not at a seam of the services: what is refused is let in.
    Names,
    /// Not at a seam of the services: a booking is told by whichever request comes first.
    Answered,
}

impl Guard {
    pub const ALL: [Guard; 18] = [
        Guard::Memo,
        Guard::ChargeClaim,
        Guard::ReadAgain,
        Guard::Release,
        Guard::Version,
        Guard::Missing,
        Guard::ChargeKey,
        Guard::LookUp,
        Guard::ReceiptClaim,
        Guard::VoidMail,
        Guard::SeatsDigest,
        Guard::PublishBeforeDelete,
        Guard::OwnAnswer,
        Guard::AnswerOrder,
        Guard::SteadyClock,
        Guard::Wake,
        Guard::Names,
        Guard::Answered,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Guard::Memo => "memo",
            Guard::ChargeClaim => "claim before the charge",
            Guard::ReadAgain => "re-read after a conflict",
            Guard::Release => "ownership check on release",
            Guard::Version => "optimistic version",
            Guard::Missing => "only a missing row is guessed",
            Guard::ChargeKey => "charge key",
            Guard::LookUp => "look up before asking again",
            Guard::ReceiptClaim => "receipt claim",
            Guard::VoidMail => "mail that a receipt is void",
            Guard::SeatsDigest => "digest check in seats",
            Guard::PublishBeforeDelete => "publish before delete",
            Guard::OwnAnswer => "an entry's own answer",
            Guard::AnswerOrder => "answers in the entries' order",
            Guard::SteadyClock => "a steady clock",
            Guard::Wake => "wake when the breaker closes",
            Guard::Names => "nobody in another's name",
            Guard::Answered => "told of the answered request",
        }
    }
}

/// A role's rules, whole unless one of their guards is taken out.
#[derive(Clone)]
pub struct Altered<R> {
    rules: R,
    without: Option<Guard>,
    /// What each booking asked for: who releases without looking has to know what.
    wanted: Wanted,
}

/// The seats of each request, by booking. Copies share it.
pub type Wanted = Arc<Mutex<BTreeMap<String, Seating>>>;

/// A role whose rules may be altered.
pub struct SimRole<R: Role> {
    role: R,
    rules: Altered<R::Rules>,
}

impl<R: Role<Rules: Clone>> SimRole<R> {
    pub fn new(role: R, without: Option<Guard>, wanted: Wanted) -> SimRole<R> {
        let rules = Altered { rules: role.rules().clone(), without, wanted };
        SimRole { role, rules }
    }
}

impl<R: Role<Rules: Alter>> Role for SimRole<R> {
    type Rules = Altered<R::Rules>;

    fn rules(&self) -> &Altered<R::Rules> {
        &self.rules
    }

    async fn perform(
        &self,
        effect: &<R::Rules as Rules>::Effect,
    ) -> Result<<R::Rules as Rules>::Answer, EffectError> {
        self.role.perform(effect).await
    }
}

type StepOf<R> = Step<<R as Rules>::State, <R as Rules>::Effect>;

impl<R: Alter> Rules for Altered<R> {
    type State = R::State;
    type Effect = R::Effect;
    type Answer = R::Answer;
    const SERVICE: ServiceName = R::SERVICE;

    fn rejected(row: Option<&R::State>, rejection: Rejection) -> Option<R::State> {
        R::rejected(row, rejection)
    }

    fn decide(
        &self,
        rows: &Rows<R::State>,
        event: &Event,
        answers: &[R::Answer],
        now: Timestamp,
    ) -> StepOf<R> {
        match self.without {
            Some(guard) => R::altered(self, guard, rows, event, answers, now),
            None => self.rules.decide(rows, event, answers, now),
        }
    }

    fn listing(state: &R::State) -> Option<Listing> {
        R::listing(state)
    }
}

/// Rules that can be had without one of their guards.
pub trait Alter: Rules + Sized {
    /// Which guard its claim is.
    const CLAIM: Option<Guard> = None;

    fn altered(
        it: &Altered<Self>,
        without: Guard,
        rows: &Rows<Self::State>,
        event: &Event,
        answers: &[Self::Answer],
        now: Timestamp,
    ) -> StepOf<Self> {
        if Self::CLAIM == Some(without) {
            return unclaimed(&it.rules, rows, event, answers, now);
        }
        it.rules.decide(rows, event, answers, now)
    }
}

impl Alter for Statuses {}

impl Alter for Payments {
    const CLAIM: Option<Guard> = Some(Guard::ChargeClaim);
}

impl Alter for Receipts {
    const CLAIM: Option<Guard> = Some(Guard::ReceiptClaim);
}

/// Asks without a claim, and settles as if there had been one.
fn unclaimed<R: Rules>(
    rules: &R,
    rows: &Rows<R::State>,
    event: &Event,
    answers: &[R::Answer],
    now: Timestamp,
) -> StepOf<R> {
    match rules.decide(rows, event, &[], now) {
        Step::Ask { claim: Some(_), effect } if answers.is_empty() => {
            Step::Ask { claim: None, effect }
        }
        Step::Ask { claim: Some(claimed), .. } => {
            let mut rows = rows.clone();
            rows.insert(Key::Booking(event.booking.clone()), Some(claimed));
            rules.decide(&rows, event, answers, now)
        }
        _ => rules.decide(rows, event, answers, now),
    }
}

impl Alter for Seats {
    fn altered(
        it: &Altered<Self>,
        without: Guard,
        rows: &Rows<Row>,
        event: &Event,
        answers: &[Self::Answer],
        now: Timestamp,
    ) -> StepOf<Self> {
        match without {
            Guard::Release => released_by_anybody(it, rows, event, answers, now),
            Guard::SeatsDigest => {
                let (mut event, mut rows) = (event.clone(), rows.clone());
                match (rows.booking(&event.booking), &event.data) {
                    (Some(Row::Booking(Hold::Held(held))), Data::PaymentOk(_)) => {
                        event.digest = held.digest;
                    }
                    (Some(Row::Booking(Hold::Paid { .. })), Data::BookingRequested(_)) => {
                        let paid = Row::Booking(Hold::Paid { digest: event.digest });
                        rows.insert(Key::Booking(event.booking.clone()), Some(paid));
                    }
                    _ => {}
                }
                it.rules.decide(&rows, &event, answers, now)
            }
            _ => it.rules.decide(rows, event, answers, now),
        }
    }
}

/// Every payment-failed frees what its booking once asked for, whoever has it now (C8).
fn released_by_anybody(
    it: &Altered<Seats>,
    rows: &Rows<Row>,
    event: &Event,
    answers: &[<Seats as Rules>::Answer],
    now: Timestamp,
) -> StepOf<Seats> {
    let mut wanted = it.wanted.lock().expect("one thread does everything");
    if let Data::BookingRequested(request) = &event.data {
        wanted.insert(event.booking.to_string(), request.seating.clone());
    }
    let own = rows.booking(&event.booking);
    let released = own.filter(|it| matches!(it, Row::Booking(Hold::Released { .. })));
    let seating = wanted.get(event.booking.as_str());
    if let (Data::PaymentFailed { .. }, Some(own), Some(seating)) = (&event.data, released, seating)
    {
        let keys: Vec<Key> = seating.seats.iter().map(|it| Key::seat(seating, *it)).collect();
        let unread = rows.unread(keys.clone());
        if !unread.is_empty() {
            return Step::Read(unread);
        }
        let taken = |it: &Key| matches!(rows.get(it), Some(Row::Seat { holder: Some(_) }));
        let freed: Vec<_> = keys.into_iter().filter(taken).collect();
        if freed.is_empty() {
            return Step::Nothing;
        }
        let others = freed.into_iter().map(|it| (it, Row::Seat { holder: None })).collect();
        return Step::Settle(Decision { own: own.clone(), others, announce: Vec::new() });
    }
    it.rules.decide(rows, event, answers, now)
}
