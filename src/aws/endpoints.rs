//! Endpoints, looked at once at the start. The SDK looks at them when a request is sent, and then says what it
//! makes of the whole request.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use reqwest::Url;

/// The services that are asked, as variables and as the sections of a profile name them.
const SERVICES: [(&str, &str); 4] = [
    ("SNS", "AWS_ENDPOINT_URL_SNS"),
    ("SQS", "AWS_ENDPOINT_URL_SQS"),
    ("STS", "AWS_ENDPOINT_URL_STS"),
    ("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB"),
];

/// An endpoint that no request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{setting} (or endpoint_url in the AWS profile) is not the address of an endpoint: {problem}; write it \
     like http://localhost:4566"
)]
pub struct NoEndpoint {
    setting: &'static str,
    problem: &'static str,
}

/// Whether requests can be sent to every endpoint that is set, in the environment or in the profile.
///
/// # Errors
/// With the first one that is none. It is not repeated: it may hold a password.
pub(super) fn check(config: &SdkConfig) -> Result<(), NoEndpoint> {
    if let Some(it) = config.endpoint_url() {
        check_one("AWS_ENDPOINT_URL", it)?;
    }
    let Some(settings) = config.service_config() else { return Ok(()) };
    for (service, setting) in SERVICES {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .expect("all parts of the key are given");
        if let Some(it) = settings.load_config(key) {
            check_one(setting, &it)?;
        }
    }
    Ok(())
}

fn check_one(setting: &'static str, text: &str) -> Result<(), NoEndpoint> {
    let no = |problem| Err(NoEndpoint { setting, problem });
    let Ok(url) = Url::parse(text) else { return no("it is no URL") };
    if !matches!(url.scheme(), "http" | "https") {
        return no("it does not begin with http:// or https://");
    }
    if !url.has_host() {
        return no("it names no host");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_and_a_host() {
        for good in
            ["http://localhost:4566", "https://sqs.eu-central-1.amazonaws.com", "http://[::1]:1/x"]
        {
            assert_eq!(check_one("X", good), Ok(()), "{good}");
        }
        for wrong in
            ["localhost:4566", "localhost", "//localhost", "ftp://localhost", "http://", "s3cret"]
        {
            let said = check_one("AWS_ENDPOINT_URL_SQS", wrong).unwrap_err().to_string();
            assert!(
                said.contains("AWS_ENDPOINT_URL_SQS") && said.contains("http://localhost:4566")
            );
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
