//! The standard variables of OpenTelemetry, as far as they concern traces. A variable whose value
//! makes no sense must never be ignored. No error may repeat a value: headers and addresses may
//! hold a secret.

use std::time::Duration;

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};

use crate::{address::http_url, traces::Sampling};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const COMPRESSIONS: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const CERTIFICATES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const CLIENT_CERTIFICATES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const QUEUE: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
const BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// What follows the address of a collector, for traces.
const PATH: [&str; 2] = ["v1", "traces"];
/// The most spans that can be set to wait: some 100 MB.
const QUEUE_MAX: u64 = 100_000;
/// The longest that can be set for a request or a pause.
const TIME_MAX_MS: u64 = 600_000;

/// Where traces go, and how.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    /// The variable that the address is from.
    pub(super) named: &'static str,
    /// May hold a secret in its path or query.
    pub(super) endpoint: Url,
    /// How long the collector may take to accept spans, further tries included.
    pub(super) timeout: Duration,
    pub(super) sampling: Sampling,
    /// How many spans may wait.
    pub(super) queue: usize,
    /// How many spans are sent at once.
    pub(super) batch: usize,
    /// How long a span may wait for others.
    pub(super) delay: Duration,
}

/// A variable whose value makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct WrongSetting {
    /// The name of the variable.
    pub setting: &'static str,
    /// What is wrong, without the value.
    pub problem: String,
}

/// Reads the variables by `var`. `None` if no endpoint is set, or if traces are turned off.
///
/// # Errors
/// For the first variable whose value makes no sense. Without an endpoint, no other is looked at.
pub(super) fn read(var: impl Fn(&str) -> Option<String>) -> Result<Option<Settings>, WrongSetting> {
    let var = |name: &str| var(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
    if var(DISABLED).is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let Some((named, endpoint)) = endpoint(&var)? else { return Ok(None) };
    match var(EXPORTER).as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Ok(None),
        Some(_) => return Err(wrong(EXPORTER, "expected otlp or none")),
    }
    let first = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| var(name).map(|it| (name, it)))
    };
    if let Some((name, it)) = first(PROTOCOLS)
        && it != "http/protobuf"
    {
        return Err(wrong(name, "expected http/protobuf: no other protocol is spoken here"));
    }
    if let Some((name, it)) = first(COMPRESSIONS)
        && it != "none"
    {
        return Err(wrong(name, "expected none: spans are sent as they are"));
    }
    if let Some((name, _)) = first(CERTIFICATES) {
        let instead = "is not read here: let the system trust the authority (SSL_CERT_FILE)";
        return Err(wrong(name, instead));
    }
    if let Some((name, _)) = first(CLIENT_CERTIFICATES) {
        return Err(wrong(name, "is not read here: let a collector beside this service have it"));
    }
    if let Some((name, it)) = first(HEADERS) {
        headers(&it).ok_or_else(|| {
            wrong(
                name,
                "expected name=value, several with commas, and %2C for a comma and %25 for a % in \
                 a value",
            )
        })?;
    }
    let whole = |name: &'static str, it: &str, from: u64, to: u64| {
        let number = it.parse().ok().filter(|it| (from..=to).contains(it));
        number.ok_or_else(|| wrong(name, &format!("expected a whole number from {from} to {to}")))
    };
    let number = |name: &'static str, default: u64, from: u64, to: u64| {
        var(name).map_or(Ok(default), |it| whole(name, &it, from, to))
    };
    let timeout = first(TIMEOUTS);
    let timeout = timeout.map_or(Ok(10_000), |(name, it)| whole(name, &it, 1, TIME_MAX_MS))?;
    let queue = number(QUEUE, 2048, 1, QUEUE_MAX)?;
    let batch = number(BATCH, queue.min(512), 1, queue)?;
    let delay = number(DELAY, 5000, 1, TIME_MAX_MS)?;
    let size = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
    Ok(Some(Settings {
        named,
        endpoint,
        timeout: Duration::from_millis(timeout),
        sampling: sampling(&var)?,
        queue: size(queue),
        batch: size(batch),
        delay: Duration::from_millis(delay),
    }))
}

/// The address for traces: that of its own variable as it is, that of the common one with a path.
fn endpoint(
    var: &impl Fn(&str) -> Option<String>,
) -> Result<Option<(&'static str, Url)>, WrongSetting> {
    let (setting, text) = match (var(TRACES_ENDPOINT), var(ENDPOINT)) {
        (Some(it), _) => (TRACES_ENDPOINT, it),
        (None, Some(it)) => (ENDPOINT, it),
        (None, None) => return Ok(None),
    };
    let mut url = http_url(&text)
        .map_err(|it| wrong(setting, &format!("{it}; write it like http://localhost:4318")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            setting,
            "must hold no user and no password: use OTEL_EXPORTER_OTLP_HEADERS",
        ));
    }
    if setting == ENDPOINT
        && let Ok(mut segments) = url.path_segments_mut()
    {
        segments.pop_if_empty().extend(PATH);
    }
    Ok(Some((setting, url)))
}

fn sampling(var: &impl Fn(&str) -> Option<String>) -> Result<Sampling, WrongSetting> {
    let name = var(SAMPLER);
    let name = name.as_deref().unwrap_or("parentbased_always_on");
    let (name, heeds_parent) = match name.strip_prefix("parentbased_") {
        Some(it) => (it, true),
        None => (name, false),
    };
    let part = match name {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => {
            let part = var(SAMPLER_ARG).map_or(Some(1.0), |it| it.parse().ok());
            let part = part.filter(|it| (0.0..=1.0).contains(it));
            part.ok_or_else(|| wrong(SAMPLER_ARG, "expected a number from 0.0 to 1.0"))?
        }
        _ => {
            let known = "expected always_on, always_off or traceidratio, or one of them after \
                         parentbased_";
            return Err(wrong(SAMPLER, known));
        }
    };
    Ok(Sampling::new(part, heeds_parent))
}

/// Whether each header can be sent. The exporter reads them itself, and would leave out the others.
fn headers(text: &str) -> Option<()> {
    for header in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        let (name, value) = header.split_once('=')?;
        name.trim().parse::<HeaderName>().ok()?;
        HeaderValue::from_str(&decoded(value.trim())?).ok()?;
    }
    Some(())
}

/// A value without its escapes, such as `%20`. `None` if an escape is none.
fn decoded(value: &str) -> Option<String> {
    let (mut decoded, mut rest) = (Vec::with_capacity(value.len()), value.bytes());
    while let Some(it) = rest.next() {
        let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
        decoded.push(match it {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            it => it,
        });
    }
    String::from_utf8(decoded).ok()
}

fn wrong(setting: &'static str, problem: &str) -> WrongSetting {
    WrongSetting { setting, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read_from(set: &[(&str, &str)]) -> Result<Option<Settings>, WrongSetting> {
        let set: HashMap<&str, &str> = set.iter().copied().collect();
        read(|name| set.get(name).map(|it| (*it).to_owned()))
    }

    const HERE: (&str, &str) = (ENDPOINT, "http://localhost:4318");

    #[test]
    fn without_an_endpoint_there_are_no_traces_whatever_else_is_set() {
        assert!(read_from(&[]).is_ok_and(|it| it.is_none()));
        assert!(read_from(&[(SAMPLER, "nonsense")]).is_ok_and(|it| it.is_none()));
        for off in [(DISABLED, "TRUE"), (EXPORTER, "none")] {
            assert!(read_from(&[HERE, off]).is_ok_and(|it| it.is_none()), "{off:?}");
        }
        assert!(read_from(&[HERE, (DISABLED, "no")]).is_ok_and(|it| it.is_some()));
    }

    #[test]
    fn the_common_endpoint_gets_the_path_of_traces_and_its_own_stays_as_it_is() {
        for (set, url) in [
            (vec![HERE], "http://localhost:4318/v1/traces"),
            (vec![(ENDPOINT, "https://c.example/otlp/")], "https://c.example/otlp/v1/traces"),
            (vec![HERE, (TRACES_ENDPOINT, "http://t:1/x")], "http://t:1/x"),
            (vec![(TRACES_ENDPOINT, "http://t:1")], "http://t:1/"),
        ] {
            let settings = read_from(&set).unwrap_or_else(|it| panic!("{it}")).unwrap();
            assert_eq!(settings.endpoint.as_str(), url);
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_standard() {
        let settings = read_from(&[HERE]).unwrap_or_else(|it| panic!("{it}")).unwrap();
        assert_eq!((settings.queue, settings.batch), (2048, 512));
        assert_eq!((settings.timeout.as_secs(), settings.delay.as_secs()), (10, 5));
        assert_eq!(settings.sampling, Sampling::new(1.0, true));
        let part = [HERE, (SAMPLER, "traceidratio"), (SAMPLER_ARG, "0.25")];
        let settings = read_from(&part).unwrap_or_else(|it| panic!("{it}")).unwrap();
        assert_eq!(settings.sampling, Sampling::new(0.25, false));
        assert!(read_from(&[HERE, (HEADERS[0], "authorization=Bearer%20a%25%2C,x=")]).is_ok());
        let small = read_from(&[HERE, (QUEUE, "100")]).unwrap_or_else(|it| panic!("{it}")).unwrap();
        assert_eq!((small.queue, small.batch), (100, 100));
    }

    #[test]
    fn what_makes_no_sense_is_named_and_its_value_is_not_told() {
        for (name, value) in [
            (ENDPOINT, "secret:4318"),
            (ENDPOINT, "http://user:secret@collector:4318"),
            (TRACES_ENDPOINT, "http://secret@collector:4318"),
            (EXPORTER, "secret"),
            (PROTOCOLS[1], "secret"),
            (PROTOCOLS[0], "grpc"),
            (COMPRESSIONS[1], "gzip"),
            (CERTIFICATES[1], "/secret.pem"),
            (CLIENT_CERTIFICATES[0], "/secret.pem"),
            (HEADERS[1], "secret"),
            (HEADERS[0], "authorization=se\ncret"),
            (HEADERS[1], "se cret=1"),
            (HEADERS[1], "authorization=secret%zz"),
            (HEADERS[1], "authorization=secret%2"),
            (HEADERS[1], "authorization=secret%0Ax"),
            (TIMEOUTS[1], "secret"),
            (TIMEOUTS[0], "0"),
            (QUEUE, "-1"),
            (QUEUE, "100001"),
            (BATCH, "2049"),
            (DELAY, "5s"),
            (SAMPLER, "secret"),
        ] {
            let error = read_from(&[HERE, (name, value)]).map(|_| ()).unwrap_err();
            assert_eq!(error.setting, name, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let part = [HERE, (SAMPLER, "parentbased_traceidratio"), (SAMPLER_ARG, "1.5")];
        assert_eq!(read_from(&part).map(|_| ()).unwrap_err().setting, SAMPLER_ARG);
    }
}
