//! What every AWS client of a process has in common: where credentials, region and endpoints come
//! from, the count of what is sent, and how a missing right is told. Retries and time limits are
//! each adapter's own.

mod endpoints;
mod partition;
mod told;
mod way_out;

pub use endpoints::NoEndpoint;
pub use partition::partition;
pub use told::Told;
pub use way_out::NoCertificates;

use std::{error::Error, sync::Arc};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::{
    ConfigBag, FrameworkMetadata, Intercept, RuntimeComponents,
    interceptors::BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, orchestrator::Metadata};

use crate::metrics::RequestCount;

/// What AWS says of a call that IAM does not allow: DynamoDB and SQS, SNS, and older answers of
/// both.
const DENIALS: [&str; 4] =
    ["AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"];

/// Whatever went wrong.
type Cause = Box<dyn Error + Send + Sync>;

/// What a call needs, in the words of an IAM policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Such as `sqs:DeleteMessage`. A batch has no action of its own.
    pub action: &'static str,
    /// The ARN; with a star for the account while nobody has said which it is.
    pub resource: String,
}

/// IAM does not allow a call: which right is missing, as it can be pasted into a policy. Its source
/// is what AWS said, which tells a right that is missing from one that is denied elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("{}", .right.missing())]
pub struct Denied {
    right: Right,
    #[source]
    source: Cause,
}

impl Right {
    /// Says that it is missing.
    #[must_use]
    pub fn missing(&self) -> String {
        format!("IAM does not allow `{}` on `{}`", self.action, self.resource)
    }

    /// What went wrong, under the name of this right if AWS's error code says that IAM denied it.
    #[must_use]
    pub fn explain(self, code: Option<&str>, source: Cause) -> Cause {
        if is_denial(code) { Box::new(Denied { right: self, source }) } else { source }
    }
}

impl Denied {
    /// Whether an error is one, or comes from one.
    #[must_use]
    pub fn is_behind(error: &(dyn Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(it) = cause {
            // What is shared is an error of its own kind, and what it shares is behind it.
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

/// A setting of the AWS SDK that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// No request can be sent to an endpoint that is set.
    #[error(transparent)]
    Endpoint(#[from] NoEndpoint),
    /// The certificates that are to be trusted cannot be read.
    #[error(transparent)]
    Certificates(#[from] NoCertificates),
}

/// Takes credentials, region, endpoints, proxies and trusted certificates from where every AWS tool
/// takes them. Once a process: the clients share what was found.
///
/// # Errors
/// When an endpoint is none, or the trusted certificates cannot be read.
pub async fn load() -> Result<SdkConfig, Misconfigured> {
    let mut config = load_by(way_out::client(None)).await;
    // Only now it is known which profile there is to ask.
    if let Some(trusted) = way_out::trusted(&config)? {
        config = load_by(way_out::client(Some(trusted))).await;
    }
    endpoints::check(&config)?;
    // A profile that leaves it empty names none, as a variable does.
    if config.region().is_some_and(|it| it.as_ref().trim().is_empty()) {
        config = config.into_builder().region(None).build();
    }
    Ok(config)
}

/// One HTTP client for all: else each has its own, with its own connections and certificates.
async fn load_by(client: SharedHttpClient) -> SdkConfig {
    // By name, not `latest()`: its defaults change under us otherwise.
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(client);
    let loader = match FrameworkMetadata::new("booking", Some(env!("CARGO_PKG_VERSION"))) {
        Ok(it) => loader.framework_metadata(it),
        Err(_) => loader,
    };
    loader.load().await
}

/// Counts every request when it is sent, retries included.
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
