//! What all AWS clients of a process share: settings and credentials, the names of resources, the
//! count of requests, and errors that are safe to print. It must not know a queue's or a table's
//! contents; the adapters do.

mod clients;
mod endpoints;
mod names;
mod partition;
mod redrive;
mod told;
mod way_out;

pub(crate) use clients::is_refusal;
pub use clients::{AwsError, Clients, event_bridge, step_functions};
pub use endpoints::NoEndpoint;
pub(crate) use names::FIFO;
pub use names::{DeadQueue, Home, Names, QueueOf};
pub use partition::partition;
pub use redrive::Redrive;
pub use told::Told;
pub use way_out::NoCertificates;

use std::{error::Error, sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::{
    ConfigBag, FrameworkMetadata, Intercept, RuntimeComponents,
    interceptors::BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, orchestrator::Metadata};

use crate::metrics::RequestCount;

/// The longest long poll that SQS allows.
pub const LONG_POLL_MAX: Duration = Duration::from_secs(20);

/// The error codes for a call that IAM does not allow: those of DynamoDB and SQS, those of SNS,
/// older ones of both, and those of single entries of EventBridge.
const DENIALS: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorizedForDetailTypeException",
    "NotAuthorizedForSourceException",
];

type Cause = Box<dyn Error + Send + Sync>;

/// The right that a call needs, in the words of an IAM policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// An IAM action, such as `sqs:DeleteMessage`. A batch has the action of its single calls.
    pub action: &'static str,
    /// An ARN, with a star in place of the account while that is not known.
    pub resource: String,
}

/// IAM does not allow a call. The text names the right, so that it can be pasted into a policy. The
/// source is the answer of AWS, from which one can tell whether the right is missing or is denied
/// by another policy.
#[derive(Debug, thiserror::Error)]
#[error("{}", .right.missing())]
pub struct Denied {
    right: Right,
    #[source]
    source: Cause,
}

impl Right {
    /// The text that says that this right is missing.
    #[must_use]
    pub fn missing(&self) -> String {
        format!("IAM does not allow `{}` on `{}`", self.action, self.resource)
    }

    /// The cause itself or, if the error code of AWS says that IAM denied the call, a [`Denied`]
    /// with this right and the cause.
    #[must_use]
    pub fn explain(self, code: Option<&str>, source: Cause) -> Cause {
        if is_denial(code) { Box::new(Denied { right: self, source }) } else { source }
    }
}

impl Denied {
    /// Whether an error is a `Denied`, or has one among its sources.
    #[must_use]
    pub fn is_behind(error: &(dyn Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(it) = cause {
            // An error that several deliveries share is wrapped in an `Arc`.
            let shared = it.downcast_ref::<Arc<dyn Error + Send + Sync>>();
            if it.is::<Denied>() || shared.is_some_and(|it| it.is::<Denied>()) {
                return true;
            }
            cause = it.source();
        }
        false
    }
}

/// Whether an error code says that IAM did not allow the call.
#[must_use]
pub fn is_denial(code: Option<&str>) -> bool {
    code.is_some_and(|it| DENIALS.contains(&it))
}

/// A setting of the AWS SDK that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// No request can be sent to an endpoint.
    #[error(transparent)]
    Endpoint(#[from] NoEndpoint),
    /// The certificates to trust cannot be read.
    #[error(transparent)]
    Certificates(#[from] NoCertificates),
}

/// Loads credentials, region, endpoints, proxies and trusted certificates from the places where
/// every AWS tool looks for them. Call it once in a process, and share the result among clients.
///
/// # Errors
/// If an endpoint is no address, or the certificates to trust cannot be read.
pub async fn load() -> Result<SdkConfig, Misconfigured> {
    let mut config = load_by(way_out::client(None)).await;
    // Which profile is used is known only now, and it may name certificates.
    if let Some(trusted) = way_out::trusted(&config)? {
        config = load_by(way_out::client(Some(trusted))).await;
    }
    endpoints::check(&config)?;
    // A region that is empty in a profile counts as not set, like an empty variable.
    if config.region().is_some_and(|it| it.as_ref().trim().is_empty()) {
        config = config.into_builder().region(None).build();
    }
    Ok(config)
}

/// Loads the configuration with one HTTP client for all AWS clients. Otherwise each would have its
/// own, with its own connections and certificates.
async fn load_by(client: SharedHttpClient) -> SdkConfig {
    // A fixed version, and not `latest()`, whose defaults change with an update of the SDK.
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(client);
    let loader = match FrameworkMetadata::new("booking", Some(env!("CARGO_PKG_VERSION"))) {
        Ok(it) => loader.framework_metadata(it),
        Err(_) => loader,
    };
    loader.load().await
}

/// Counts every request when it is sent, including retries.
#[derive(Clone, Debug)]
pub struct Count(pub RequestCount);

impl Intercept for Count {
    fn name(&self) -> &'static str {
        "count requests"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let Some(it) = bag.load::<Metadata>() {
            self.0.add(it.service(), it.name());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> Right {
        let resource = "arn:aws:sqs:eu-central-1:123456789012:booking-seats".to_owned();
        Right { action: "sqs:DeleteMessage", resource }
    }

    #[test]
    fn a_denied_call_names_the_right_in_the_words_of_a_policy_and_then_what_aws_said() {
        for code in ["AccessDenied", "AccessDeniedException", "AuthorizationError"] {
            let error = right().explain(Some(code), "no identity-based policy allows it".into());
            assert_eq!(
                error.to_string(),
                "IAM does not allow `sqs:DeleteMessage` on \
                 `arn:aws:sqs:eu-central-1:123456789012:booking-seats`"
            );
            assert_eq!(error.source().unwrap().to_string(), "no identity-based policy allows it");
            assert!(Denied::is_behind(&*error));
            let shared: Arc<dyn Error + Send + Sync> = Arc::from(error);
            assert!(Denied::is_behind(&shared));
        }
    }

    #[test]
    fn what_is_not_denied_is_told_as_it_is() {
        for code in [None, Some("NotFound"), Some("ThrottlingException")] {
            let error = right().explain(code, "as it is".into());
            assert!(error.to_string() == "as it is" && error.source().is_none());
            assert!(!Denied::is_behind(&*error));
        }
    }
}
