//! Where the trace of a booking can be seen. A booking must never choose more of the address than
//! the digits of its trace.

use std::str::FromStr;

use crate::{address::http_url, domain::trace::TraceId};

/// What stands for the id of the trace.
const PLACE: &str = "{trace_id}";

/// The address of a trace in a tool for traces, such as
/// `https://traces.example.com/trace/{trace_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceUrl(String);

impl TraceUrl {
    /// The address of one trace.
    #[must_use]
    pub fn of(&self, trace: TraceId) -> String {
        self.0.replace(PLACE, &trace.to_string())
    }
}

impl FromStr for TraceUrl {
    type Err = &'static str;

    /// Says what is wrong with the address, without repeating it.
    fn from_str(text: &str) -> Result<TraceUrl, &'static str> {
        let (before, _) = text.split_once(PLACE).ok_or("it does not contain {trace_id}")?;
        // Whatever a trace is called, it must not decide which host is asked.
        let host = http_url(before).map_err(|_| {
            "it is not an address that begins with http:// or https:// and a host, before {trace_id}"
        })?;
        let whole = http_url(&text.replace(PLACE, "0"))?;
        if host.host_str() != whole.host_str() || host.port() != whole.port() {
            return Err("{trace_id} stands in its host");
        }
        if !whole.username().is_empty() || whole.password().is_some() {
            return Err("it has a user or a password, which everybody could read on the page");
        }
        if text.chars().any(|it| it.is_whitespace() || it.is_control()) {
            return Err("it has a space or a control character");
        }
        Ok(TraceUrl(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_of_its_own_and_a_place_for_the_trace() {
        let trace = TraceId::parse("0af7651916cd43dd8448eb211c80319c").unwrap();
        let url: TraceUrl = "https://traces.example.com/t/{trace_id}?v=1".parse().unwrap();
        let wanted = "https://traces.example.com/t/0af7651916cd43dd8448eb211c80319c?v=1";
        assert_eq!(url.of(trace), wanted);
        for bad in [
            "",
            "{trace_id}",
            "https://traces.example.com/",
            "https://{trace_id}/",
            "https://traces{trace_id}.example.com/",
            "https://traces.example.com{trace_id}",
            "https://traces.example.com:80{trace_id}/",
            "javascript:alert('{trace_id}')",
            "//traces.example.com/{trace_id}",
            "ftp://traces.example.com/{trace_id}",
            "https://ada:secret@traces.example.com/{trace_id}",
            "https://traces.example.com/ {trace_id}",
        ] {
            let refused = bad.parse::<TraceUrl>().expect_err(bad);
            assert!(!refused.contains("example") && !refused.contains("secret"), "{refused}");
        }
    }
}
