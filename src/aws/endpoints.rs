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
pub enum NoEndpoint {
    /// It is no address. It is not repeated: it may hold a password.
    #[error(
        "{setting} (or endpoint_url in the AWS profile) is not the address of an endpoint: {problem}; write \
         it like http://localhost:4566"
    )]
    NoAddress {
        /// The variable.
        setting: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A FIPS or dual-stack form of it is wanted as well, and there is none.
    #[error(
        "{kind} and {setting} (or the same in the AWS profile) cannot both be set: the AWS SDK has no such form of \
         an endpoint of your own; unset one of them"
    )]
    Contradiction {
        /// The variable that wants a kind.
        kind: &'static str,
        /// The variable that has an endpoint.
        setting: String,
    },
}

/// Whether requests can be sent to every endpoint that is set, in the environment or in the
/// profile.
///
/// # Errors
/// With the first one that none can be sent to; also one that a profile leaves empty, over which
/// the SDK would panic.
pub(super) fn check(config: &SdkConfig) -> Result<(), NoEndpoint> {
    if let Some(it) = config.endpoint_url() {
        check_one(config, VARIABLE.to_owned(), it)?;
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
            check_one(config, format!("{VARIABLE}_{}", service.to_uppercase()), &it)?;
        }
    }
    Ok(())
}

fn check_one(config: &SdkConfig, setting: String, text: &str) -> Result<(), NoEndpoint> {
    if let Err(problem) = http_url(text) {
        return Err(NoEndpoint::NoAddress { setting, problem });
    }
    let kinds = [
        ("AWS_USE_FIPS_ENDPOINT", config.use_fips()),
        ("AWS_USE_DUALSTACK_ENDPOINT", config.use_dual_stack()),
    ];
    match kinds.into_iter().find(|(_, wanted)| *wanted == Some(true)) {
        Some((kind, _)) => Err(NoEndpoint::Contradiction { kind, setting }),
        None => Ok(()),
    }
}
