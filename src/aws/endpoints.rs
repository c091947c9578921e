//! Endpoints, looked at once at the start. The SDK looks at them when a request is sent, and then
//! says what it makes of the whole request.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::address::http_url;

/// The services that are asked, as the sections of a profile name them.
const SERVICES: [&str; 4] = ["SNS", "SQS", "STS", "DynamoDB"];
/// The variable of all services; that of one ends with its name.
const VARIABLE: &str = "AWS_ENDPOINT_URL";

/// An endpoint that no request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{setting} (or endpoint_url in the AWS profile) is not the address of an endpoint: {problem}; write it \
     like http://localhost:4566"
)]
pub struct NoEndpoint {
    setting: String,
    problem: &'static str,
}

/// Whether requests can be sent to every endpoint that is set, in the environment or in the
/// profile.
///
/// # Errors
/// With the first one that is none. It is not repeated: it may hold a password.
pub(super) fn check(config: &SdkConfig) -> Result<(), NoEndpoint> {
    if let Some(it) = config.endpoint_url() {
        check_one(VARIABLE.to_owned(), it)?;
    }
    let Some(settings) = config.service_config() else { return Ok(()) };
    for service in SERVICES {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env(VARIABLE)
            .profile("endpoint_url")
            .build()
            .expect("all parts of the key are given");
        if let Some(it) = settings.load_config(key) {
            check_one(format!("{VARIABLE}_{}", service.to_uppercase()), &it)?;
        }
    }
    Ok(())
}

fn check_one(setting: String, text: &str) -> Result<(), NoEndpoint> {
    http_url(text).map(drop).map_err(|problem| NoEndpoint { setting, problem })
}
