//! Which traces are kept. A client must never be able to make us keep more of them than the
//! operator wants: it chooses the trace id and the flag `sampled`, so neither decides.

use crate::wire::TraceContext;

/// Which traces are kept: a part of those that begin here, and of the others those that a service
/// of ours keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Of 2^63 equally likely ids, so many first ones are kept.
    bound: u64,
    heeds_parent: bool,
}

impl Sampling {
    /// Keeps this part of the traces, from 0.0 (none) to 1.0 (all). `heeds_parent`: a message that
    /// a service of ours published is kept if its publisher kept its span; otherwise its trace id
    /// decides.
    #[must_use]
    pub fn new(part: f64, heeds_parent: bool) -> Sampling {
        // As the samplers of OpenTelemetry's SDKs compute it. A cast of a float saturates.
        Sampling { bound: (part.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64, heeds_parent }
    }

    /// Whether a trace is kept that begins with this id, which nobody outside may have chosen.
    #[must_use]
    pub(super) fn begins(&self, id: [u8; 16]) -> bool {
        let [.., a, b, c, d, e, f, g, h] = id;
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) < self.bound
    }

    /// Whether the next span is kept after a span of one of our services.
    #[must_use]
    pub(super) fn goes_on(&self, before: &TraceContext) -> bool {
        if self.heeds_parent { before.sampled } else { self.begins(before.trace_id) }
    }

    /// Whether the next span is kept after a span of a client. Its flag can say no, never yes.
    #[must_use]
    pub(super) fn takes_up(&self, client: &TraceContext, id: [u8; 16]) -> bool {
        self.begins(id) && (client.sampled || !self.heeds_parent)
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
            |part: f64| (0..=255).filter(|it| Sampling::new(part, true).begins(id(*it))).count();
        assert_eq!((kept(0.0), kept(1.0), kept(0.25)), (0, 256, 64));
        assert_eq!((kept(-1.0), kept(2.0), kept(f64::NAN)), (0, 256, 0));
    }

    #[test]
    fn a_client_can_say_no_and_never_yes() {
        let (all, none) = (Sampling::new(1.0, true), Sampling::new(0.0, true));
        assert!(all.takes_up(&context(true, 0), id(255)));
        assert!(!all.takes_up(&context(false, 0), id(255)));
        assert!(!none.takes_up(&context(true, 0), id(0)), "it asked for it, and pays nothing");
        let half = Sampling::new(0.5, true);
        assert!(!half.takes_up(&context(true, 0), id(255)), "its own trace id does not count");
        assert!(Sampling::new(1.0, false).takes_up(&context(false, 0), id(255)));
    }

    #[test]
    fn what_a_service_of_ours_keeps_is_kept_by_the_next_one() {
        for (heeds, flag, last, kept) in [
            (true, true, 255, true),
            (true, false, 0, false),
            (false, true, 255, false),
            (false, false, 0, true),
        ] {
            let sampling = Sampling::new(0.5, heeds);
            assert_eq!(sampling.goes_on(&context(flag, last)), kept, "{heeds} {flag} {last}");
        }
    }
}
