//! The context of a trace, in the two forms in which it comes: W3C trace context, and the header of
//! AWS X-Ray. What is malformed is no context, since no booking may fail because of its trace. A
//! client chooses all of it, so it must never be an identity.

use std::fmt::Write;

use super::{
    Incoming,
    envelope::{Envelope, without_mark},
    json::Fields,
};

/// The SNS message attributes that carry the context of one hop. Raw delivery makes them message
/// attributes of SQS.
pub const TRACEPARENT: &str = "traceparent";
/// As [`TRACEPARENT`].
pub const TRACESTATE: &str = "tracestate";
/// The longest `tracestate` that is passed on, in bytes: as much as W3C asks for.
const STATE_BYTES_MAX: usize = 512;
/// What the two attributes take beside their values, in bytes: names and data types.
const NAMES_BYTES: usize = 2 * (TRACEPARENT.len() + "String".len());
/// The size of a `traceparent`, in bytes.
const PARENT_BYTES: usize = 55;

/// One span, as others may refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Never all zeros.
    pub trace_id: [u8; 16],
    /// Never all zeros.
    pub span_id: [u8; 8],
    /// Whether whoever made the span keeps it.
    pub sampled: bool,
    /// What other tracing systems added. It is passed on as it came and may be any text, so it must
    /// stand in no span and in no log.
    pub state: Option<String>,
}

impl TraceContext {
    /// Reads a `traceparent`, and beside it a `tracestate`. Later versions of the format are read
    /// as far as they agree with version 00.
    #[must_use]
    pub fn read(parent: &str, state: Option<&str>) -> Option<TraceContext> {
        let mut parts = parent.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let [version] = bytes(version)?;
        let (trace_id, span_id, [flags]) = (bytes(trace)?, bytes(span)?, bytes(parts.next()?)?);
        if version == u8::MAX || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let known = |it: &&str| {
            !it.is_empty()
                && it.len() <= STATE_BYTES_MAX
                && it.bytes().all(|it| matches!(it, b' '..=b'~'))
        };
        let state = state.filter(known).map(str::to_owned);
        TraceContext { trace_id, span_id, sampled: flags & 1 == 1, state }.valid()
    }

    /// Reads the header of AWS X-Ray, such as
    /// `Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1`.
    #[must_use]
    pub fn of_x_ray(header: &str) -> Option<TraceContext> {
        let part = |name: &str| {
            let mut parts = header.split(';').filter_map(|it| it.trim().split_once('='));
            parts.find(|it| it.0 == name).map(|it| it.1)
        };
        let mut root = part("Root")?.split('-');
        let (version, time, random) = (root.next()?, root.next()?, root.next()?);
        let (time, random): ([u8; 4], [u8; 12]) = (bytes(time)?, bytes(random)?);
        if version != "1" || root.next().is_some() {
            return None;
        }
        let mut trace_id = [0; 16];
        trace_id[..4].copy_from_slice(&time);
        trace_id[4..].copy_from_slice(&random);
        let (span_id, sampled) = (bytes(part("Parent")?)?, part("Sampled") != Some("0"));
        TraceContext { trace_id, span_id, sampled, state: None }.valid()
    }

    fn valid(self) -> Option<TraceContext> {
        (self.trace_id != [0; 16] && self.span_id != [0; 8]).then_some(self)
    }

    /// The `traceparent` of this span.
    #[must_use]
    pub fn parent(&self) -> String {
        let mut text = String::with_capacity(PARENT_BYTES);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "00-{:032x}-{:016x}-{:02x}",
            u128::from_be_bytes(self.trace_id),
            u64::from_be_bytes(self.span_id),
            u8::from(self.sampled)
        );
        text
    }

    /// The header of AWS X-Ray that names this span.
    #[must_use]
    pub fn x_ray(&self) -> String {
        let trace = format!("{:032x}", u128::from_be_bytes(self.trace_id));
        let (time, random) = trace.split_at(8);
        let span = u64::from_be_bytes(self.span_id);
        format!("Root=1-{time}-{random};Parent={span:016x};Sampled={}", u8::from(self.sampled))
    }

    /// The size of the attributes that carry this context, in bytes, on the safe side.
    #[must_use]
    pub fn attribute_bytes(&self) -> usize {
        NAMES_BYTES + PARENT_BYTES + self.state.as_ref().map_or(0, String::len)
    }
}

/// As many bytes as the hexadecimal text has, which must be in small letters.
fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digit = |it: u8| match it {
        b'0'..=b'9' => Some(it - b'0'),
        b'a'..=b'f' => Some(it - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if hex.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

/// What a delivery tells about the trace that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The span that published the message: from the SNS message attributes, or else from the
    /// `AWSTraceHeader` of SQS.
    pub context: Option<TraceContext>,
    /// The id that SNS or EventBridge gave to the message, if there is an envelope. It is the same
    /// in all queues, and no publisher can choose it.
    pub message_id: Option<String>,
}

impl Incoming {
    /// Adds what the envelope tells about the hop. The cost is linear in the size of the body.
    pub fn take_up(&mut self) {
        let Ok(outer) = Fields::parse(without_mark(&self.body)) else { return };
        let Some(envelope) = Envelope::of(&outer) else { return };
        let [parent, state] = envelope.attributes([TRACEPARENT, TRACESTATE]);
        let context = parent.and_then(|it| TraceContext::read(&it, state.as_deref()));
        let message_id = envelope.message_id().map(|it| it.as_str().to_owned());
        let hop = self.hop.get_or_insert_default();
        hop.context = context.or(hop.context.take());
        hop.message_id = message_id;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let read = TraceContext::read(PARENT, Some("vendor=1")).unwrap();
        assert!(read.sampled && read.state.as_deref() == Some("vendor=1"));
        assert_eq!(read.parent(), PARENT);
        let no = PARENT.replace("-01", "-00");
        assert_eq!(TraceContext::read(&no, None).unwrap().parent(), no);
        // A later version may say more, and what is known of it counts.
        let later = PARENT.replace("00-0", "cc-0");
        assert_eq!(TraceContext::read(&format!("{later}-more"), None).unwrap().parent(), PARENT);
    }

    #[test]
    fn what_is_no_context_is_ignored() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-ée\u{df}7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::read(wrong, None), None, "{wrong}");
        }
        let long = "x".repeat(STATE_BYTES_MAX + 1);
        for wrong in ["", "line\nbreak", "vendor=é", &long] {
            assert_eq!(TraceContext::read(PARENT, Some(wrong)).unwrap().state, None, "{wrong}");
        }
    }

    #[test]
    fn the_header_of_x_ray_names_the_same_ids() {
        let header = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1";
        let parent = "00-67891233abcdef012345678912345678-463ac35c9f6413ad-01";
        assert_eq!(TraceContext::of_x_ray(header).unwrap().parent(), parent);
        assert_eq!(TraceContext::read(parent, None).unwrap().x_ray(), header);
        let turned = "Sampled=0;Lineage=a:1|b; Parent=463ac35c9f6413ad;Root=1-67891233-abcdef012345678912345678";
        assert!(!TraceContext::of_x_ray(turned).unwrap().sampled);
        for wrong in [
            "",
            "Root=1-67891233-abcdef012345678912345678",
            "Root=2-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad",
            "Root=1-6789123-abcdef0123456789123456789;Parent=463ac35c9f6413ad",
            "Root=1-00000000-000000000000000000000000;Parent=463ac35c9f6413ad",
        ] {
            assert_eq!(TraceContext::of_x_ray(wrong), None, "{wrong}");
        }
    }

    fn incoming(body: String) -> Incoming {
        let sent_at = jiff::Timestamp::UNIX_EPOCH;
        Incoming { body, kind_attribute: None, sent_at, attempt: 1, hop: None }
    }

    #[test]
    fn the_attributes_of_sns_come_before_the_header_of_x_ray() {
        let other = TraceContext::read(&PARENT.replace("0af7", "ffff"), None);
        let of = |parent: &str| {
            let attributes = json!({"traceparent": {"Type": "String", "Value": parent}});
            let envelope = json!({
                "TopicArn": "arn", "Message": "{}", "MessageId": "m-1", "MessageAttributes": attributes,
            });
            let mut incoming = incoming(envelope.to_string());
            incoming.hop = Some(Box::new(Hop { context: other.clone(), message_id: None }));
            incoming.take_up();
            *incoming.hop.unwrap()
        };
        let hop = of(PARENT);
        assert_eq!(hop.message_id.as_deref(), Some("m-1"));
        assert_eq!(hop.context.unwrap().parent(), PARENT);
        assert_eq!(of("nonsense").context, other, "what is malformed counts as not there");
        // A body without an envelope changes nothing.
        let mut raw = incoming(json!({"specversion": "1.0", "traceparent": PARENT}).to_string());
        raw.take_up();
        assert_eq!(raw.hop, None);
    }
}
