//! What can go wrong, for whom, and how often it did.

use booking::domain::RoleName::{self, Payment, Receipt, Seats};

macro_rules! faults {
    ($($name:ident, $words:literal, $roles:expr;)+) => {
        /// Something that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($name,)+ }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$name,)+];

            pub fn words(self) -> &'static str {
                match self { $(Fault::$name => $words,)+ }
            }

            /// Whom it can happen to.
            pub fn roles(self) -> &'static [RoleName] {
                match self { $(Fault::$name => $roles,)+ }
            }
        }
    };
}

const ANY: &[RoleName] = &RoleName::ALL;
const SPEAKERS: &[RoleName] = &[Seats, Payment, Receipt];
const ASKERS: &[RoleName] = &[Payment, Receipt];

faults! {
    Duplicate, "duplicate delivery", ANY;
    AfterDelete, "delivery after delete", ANY;
    Reorder, "delivery out of order", ANY;
    DelayHours, "delay of hours", ANY;
    RequestLost, "request lost on its way", ANY;
    PublishLost, "publish lost after accept", SPEAKERS;
    PublishRefused, "publish refused", SPEAKERS;
    PublishPart, "publish: one of several fails", SPEAKERS;
    DeleteLost, "delete lost after accept", ANY;
    DeletePart, "delete: one of several fails", ANY;
    GiveBackPart, "give back: one of several fails", ANY;
    StaleHandle, "stale receipt handle", ANY;
    Expiry, "visibility over in mid-handler", ANY;
    Heartbeat, "heartbeat fails", ANY;
    EmptyReceive, "empty receive with backlog", ANY;
    Throttled, "throttled", ANY;
    Malformed, "malformed message", ANY;
    Oversized, "oversized message", ANY;
    WrongType, "message of a wrong type", ANY;
    WrongVersion, "message of a wrong version", ANY;
    Forgery, "message in somebody else's name", ANY;
    CrashBeforeClaim, "crash before the claim", ASKERS;
    CrashAfterClaim, "crash after the claim", ASKERS;
    CrashAfterEffect, "crash after the effect", ASKERS;
    CrashBeforeSettle, "crash before the settle", ANY;
    CrashAfterSettle, "crash after the settle", ANY;
    CrashBetween, "crash between two publishes", &[Seats, Payment];
    CrashBeforeDelete, "crash after publish, before delete", SPEAKERS;
    CrashUnanswered, "crash before a batch is answered", ANY;
    CrashAnywhere, "crash anywhere", ANY;
    Zombie, "pause longer than the visibility", ANY;
    ClockBackOpen, "clock steps back, breaker open", ANY;
    ClockBackInHand, "clock steps back, delivery in hand", ANY;
    ClockBackAtRest, "clock steps back, poller at rest", ANY;
    ClockOnOpen, "clock steps on, breaker open", ANY;
    ClockOnInHand, "clock steps on, delivery in hand", ANY;
    ClockOnAtRest, "clock steps on, poller at rest", ANY;
    StoreBusy, "store busy", ANY;
    StoreFull, "store full", ANY;
    StoreUnsure, "commit done, answer lost", ANY;
    GatewayNever, "gateway time-out, not charged", &[Payment];
    GatewayAfter, "gateway time-out after charging", &[Payment];
    RefundAfter, "gateway time-out after refunding", &[Payment];
    GatewayDown, "gateway down", &[Payment];
    Decline, "decline", &[Payment];
    OtherAmount, "gateway takes another amount", &[Payment];
    ForgottenKey, "gateway forgot the key", &[Payment];
    LookUpLags, "look-up misses a new answer", &[Payment];
    FailureKept, "gateway repeats 5xx, not charged", &[Payment];
    FailureKeptAfter, "gateway repeats 5xx after charging", &[Payment];
    RefundFailureKept, "gateway repeats 5xx to a refund", &[Payment];
    MailRefused, "mailer refuses", &[Receipt];
    MailUnsure, "mailer sent, answer lost", &[Receipt];
    Exhausted, "too many receives, then redriven", ANY;
}

/// How often each fault happened to each role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally(Vec<[u64; 4]>);

impl Default for Tally {
    fn default() -> Tally {
        Tally(vec![[0; 4]; Fault::ALL.len()])
    }
}

impl Tally {
    pub fn count(&mut self, fault: Fault, role: RoleName) {
        self.0[fault as usize][role as usize] += 1;
    }

    pub fn add(&mut self, other: &Tally) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    pub fn sum(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// The faults that happened to a role they apply to less than `least` times. What SQS moved
    /// away after too many receives follows from the others.
    pub fn rarer_than(&self, least: u64) -> Vec<String> {
        let mut rare = Vec::new();
        for fault in Fault::ALL.iter().filter(|it| **it != Fault::Exhausted) {
            for role in fault.roles() {
                let times = self.0[*fault as usize][*role as usize];
                if times < least {
                    rare.push(format!("{} × {role}: {times}, not {least}", fault.words()));
                }
            }
        }
        rare
    }

    /// Fault × role.
    pub fn table(&self) -> String {
        let mut text = format!("{:<36}", "fault");
        for role in RoleName::ALL {
            text.push_str(&format!("{:>10}", role.as_str()));
        }
        text.push('\n');
        for fault in Fault::ALL {
            text.push_str(&format!("{:<36}", fault.words()));
            for role in RoleName::ALL {
                if fault.roles().contains(&role) {
                    text.push_str(&format!("{:>10}", self.0[*fault as usize][role as usize]));
                } else {
                    text.push_str(&format!("{:>10}", "-"));
                }
            }
            text.push('\n');
        }
        text
    }
}
