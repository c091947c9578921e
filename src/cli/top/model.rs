//! What `booking top` knows. It must keep apart what is not known yet, what is known, and why it
//! cannot be known.

use crate::{
    domain::{RoleName, event::Kind},
    http::{RatesView, view::BookingList},
    topics,
    vitals::{DeadReason, Vitals},
};

/// Something that is asked for again and again. `None` until the first answer; then the newest
/// answer, or why there is none.
pub(super) type Asked<T> = Option<Result<T, String>>;

/// The dead letters of each service by reason, or why they cannot be looked at.
pub(super) type ReasonsOf = Vec<(RoleName, Result<Vec<DeadReason>, String>)>;

/// An answer.
pub(super) enum News {
    /// What the status service said.
    Status { rates: Result<RatesView, String>, open: Result<BookingList, String> },
    /// What the queues tell.
    Queues(Result<Vitals, String>),
    /// What a look at the dead letters told.
    Reasons(ReasonsOf),
}

/// The look at the dead letters.
pub(super) enum Look {
    /// Nobody asked for it.
    Never,
    /// It is under way. Holds what the look before told.
    UnderWay(ReasonsOf),
    /// It has ended.
    Ended(ReasonsOf),
}

/// One arrow of the choreography, as far as it has one line: an event, and who hears it from whom.
pub(super) struct Arrow {
    pub(super) event: Kind,
    /// `seats → payment, receipt, status`
    pub(super) way: String,
}

/// Everything that the screen shows.
pub(super) struct Model {
    /// The address of status, without user and password.
    pub(super) url: String,
    pub(super) arrows: Vec<Arrow>,
    pub(super) rates: Asked<RatesView>,
    pub(super) open: Asked<BookingList>,
    pub(super) queues: Asked<Vitals>,
    pub(super) look: Look,
}

impl Model {
    /// Nothing is known yet. With `looks`, a look at the dead letters is under way.
    pub(super) fn new(url: &str, looks: bool) -> Model {
        let arrow = |it: topics::Topic| {
            let to: Vec<&str> = it.subscribers.iter().map(|it| it.role.as_str()).collect();
            Arrow { event: it.topic, way: format!("{} → {}", it.publisher, to.join(", ")) }
        };
        Model {
            url: url.to_owned(),
            arrows: topics::all().into_iter().map(arrow).collect(),
            rates: None,
            open: None,
            queues: None,
            look: if looks { Look::UnderWay(Vec::new()) } else { Look::Never },
        }
    }

    /// Takes an answer in, in the place of the one before.
    pub(super) fn learn(&mut self, news: News) {
        match news {
            News::Status { rates, open } => {
                self.rates = Some(rates);
                self.open = Some(open);
            }
            News::Queues(it) => self.queues = Some(it),
            News::Reasons(it) => self.look = Look::Ended(it),
        }
    }

    /// Whether a look at the dead letters may begin: if the operator asked for them, and none is
    /// under way.
    pub(super) fn may_look(&self) -> bool {
        matches!(self.look, Look::Ended(_))
    }

    /// Whether a look is under way.
    pub(super) fn is_looking(&self) -> bool {
        matches!(self.look, Look::UnderWay(_))
    }

    /// Records that a look begins.
    pub(super) fn looks(&mut self) {
        if let Look::Ended(before) = std::mem::replace(&mut self.look, Look::Never) {
            self.look = Look::UnderWay(before);
        }
    }
}
