//! The SDK's client. Every limit that matters is set here; none may depend on a default of the SDK.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{Client, config::Builder};

use crate::{aws::Count, metrics::RequestCount};

/// How often the SDK sends a request before it gives up, including the first attempt.
const ATTEMPTS_MAX: u32 = 4;
/// The pause before the second attempt. It doubles before each further one, with full jitter.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause between two attempts.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one attempt may take. DynamoDB normally answers in milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a request with its retries may take. It must be less than the limit of an outside
/// effect, since the simulated gateway keeps its ledger in a table, too.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// The error codes of DynamoDB for problems that only a person can fix.
pub(super) const REFUSALS: [&str; 7] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
    // At the start, when requests contain only names: an index is missing or has other keys.
    "ValidationException",
];

pub(super) fn client(config: &SdkConfig, count: RequestCount) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(RETRY_PAUSE_FIRST)
        .with_max_backoff(RETRY_PAUSE_MAX);
    let builder = Builder::from(config).timeout_config(timeouts).retry_config(retries);
    Client::from_conf(builder.interceptor(Count(count)).build())
}
