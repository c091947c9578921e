//! Which traces are kept. A client must never be able to make us keep more of them than the
//! operator wants: it chooses the trace id and the flag `sampled`, so neither decides.

use crate::wire::TraceContext;

/// How many ids there are, for a decision.
const ALL: u64 = 1 << 63;

/// Which traces are kept: a part of those that begin here, and of the others those that a service
/// of ours keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Of [`ALL`] equally likely ids, so many first ones are kept.
    bound: u64,
    heeds_parent: bool,
}

impl Sampling {
    /// Keeps this part of the traces, from 0.0 (none) to 1.0 (all). `heeds_parent`: a message that
    /// a service of ours published is kept if its publisher kept its span; otherwise each message
    /// is decided by itself.
    #[must_use]
    pub fn new(part: f64, heeds_parent: bool) -> Sampling {
        // As the samplers of OpenTelemetry's SDKs compute it. A cast of a float saturates.
        Sampling { bound: (part.clamp(0.0, 1.0) * ALL as f64) as u64, heeds_parent }
    }

    /// Whether a trace is kept that begins with this id, which nobody outside may have chosen. The
    /// id is made only if it counts.
    #[must_use]
    pub(super) fn begins(&self, id: impl FnOnce() -> [u8; 16]) -> bool {
        let drawn = || {
            let [.., a, b, c, d, e, f, g, h] = id();
            u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1
        };
        self.bound >= ALL || drawn() < self.bound
    }

    /// Whether the next span is kept after the span `before`. `fair` makes an id that nobody
    /// outside may have chosen. `ours`: a service of ours published `before` with the message, so
    /// that its flag is a decision of ours; the flag of a client can say no, never yes.
    #[must_use]
    pub(super) fn goes_on(
        &self,
        before: &TraceContext,
        ours: bool,
        fair: impl FnOnce() -> [u8; 16],
    ) -> bool {
        match (self.heeds_parent, ours) {
            (true, true) => before.sampled,
            (true, false) => before.sampled && self.begins(fair),
            // A client chose the trace id, and every hop has it: it must not decide either.
            (false, _) => self.begins(fair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(sampled: bool, last: u8) -> TraceContext {
        TraceContext { trace_id: id(last), span_id: [1; 8], sampled, state: None }
    }

    fn id(last: u8) -> [u8; 16] {
        let mut id = [1; 16];
        id[8] = last;
        id
    }

    #[test]
    fn of_all_and_of_none_and_of_a_part() {
        let kept =
            |part: f64| (0..=255).filter(|it| Sampling::new(part, true).begins(|| id(*it))).count();
        assert_eq!((kept(0.0), kept(1.0), kept(0.25)), (0, 256, 64));
        assert_eq!((kept(-1.0), kept(2.0), kept(f64::NAN)), (0, 256, 0));
    }

    #[test]
    fn a_client_can_say_no_and_never_yes() {
        let (all, none) = (Sampling::new(1.0, true), Sampling::new(0.0, true));
        assert!(all.goes_on(&context(true, 0), false, || id(255)));
        assert!(!all.goes_on(&context(false, 0), false, || id(255)));
        assert!(
            !none.goes_on(&context(true, 0), false, || id(0)),
            "it asked for it, and pays nothing"
        );
        let half = Sampling::new(0.5, true);
        assert!(!half.goes_on(&context(true, 0), false, || id(255)), "its trace id does not count");
        assert!(Sampling::new(1.0, false).goes_on(&context(false, 0), false, || id(255)));
    }

    #[test]
    fn what_a_service_of_ours_keeps_is_kept_by_the_next_one() {
        let sampling = Sampling::new(0.5, true);
        for (flag, fair) in [(true, 255), (false, 0)] {
            assert_eq!(sampling.goes_on(&context(flag, fair), true, || id(fair)), flag);
        }
    }

    /// A client's trace id is the same at every hop, and it can choose one that all would keep.
    #[test]
    fn without_heed_of_the_parent_each_message_is_decided_by_an_id_that_no_client_chose() {
        let sampling = Sampling::new(0.5, false);
        for (flag, trace, fair, kept) in
            [(true, 0, 255, false), (false, 255, 0, true), (true, 255, 255, false)]
        {
            let before = context(flag, trace);
            assert_eq!(sampling.goes_on(&before, true, || id(fair)), kept, "{flag} {trace} {fair}");
        }
    }
}
