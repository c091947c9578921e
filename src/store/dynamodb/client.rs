//! The SDK's client, with every default that matters written down.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{Client, config::Builder};

use crate::{aws::Count, metrics::RequestCount};

/// How often the SDK sends a request before it gives up, the first time included.
const ATTEMPTS_MAX: u32 = 4;
/// The pause before the second time; it doubles, with full jitter.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause between two of them.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one request may take: DynamoDB answers in milliseconds, or something is broken.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a request with its retries may take: less than an outside effect, which may be a table.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// What a person has to mend, as DynamoDB calls it.
pub(super) const REFUSALS: [&str; 7] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
    // At the start, when nothing but names is sent: no such index, or other keys than ours.
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
