//! Checks the endpoints once, at the start. The SDK checks them only when it sends a request, and
//! its error may then quote the whole request. The text of an endpoint must not be printed: it may
//! hold a password.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::address::http_url;

/// The services that we call, under the names that they have in a profile.
const SERVICES: [&str; 7] = ["SNS", "SQS", "STS", "DynamoDB", "EventBridge", "SESv2", "SFN"];
/// The variable for all services. The variable for one service ends with its name as well.
const VARIABLE: &str = "AWS_ENDPOINT_URL";

/// An endpoint that no request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The endpoint is no address.
    #[error(
        "{setting} (or endpoint_url in the AWS profile) is not the address of an endpoint: {problem}; write \
         it like http://localhost:4566"
    )]
    NoAddress {
        /// The variable that sets the endpoint.
        setting: String,
        problem: &'static str,
    },
    /// The FIPS or dual-stack form of the endpoint is asked for as well, and there is none.
    #[error(
        "{kind} and {setting} (or the same in the AWS profile) cannot both be set: the AWS SDK has no such form of \
         an endpoint of your own; unset one of them"
    )]
    Contradiction {
        /// The variable that asks for FIPS or dual stack.
        kind: &'static str,
        /// The variable that sets the endpoint.
        setting: String,
    },
}

/// Checks that requests can be sent to every endpoint that is set, in the environment or in the
/// profile.
///
/// # Errors
/// For the first wrong endpoint. An endpoint that a profile leaves empty is wrong too, since the
/// SDK would panic over it.
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
