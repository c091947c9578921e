//! The clients of the AWS SDK, with explicit time limits and retries. Every request must be
//! counted, and no limit may be left to a default of the SDK.

use std::{collections::HashMap, error::Error, time::Duration};

use aws_config::{
    SdkConfig, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::QueueAttributeName,
};

use super::{Count, LONG_POLL_MAX, Misconfigured, Right, Told, is_denial, load, names::Home};
use crate::metrics::RequestCount;

/// How often the SDK sends a request at most, including the first time.
const ATTEMPTS_MAX: u32 = 3;
/// The longest pause between two attempts.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may take with all its retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a receive may take beyond its long poll. Without a limit, a receive that is never
/// answered would wait for ever.
const RECEIVE_SLACK: Duration = Duration::from_secs(10);

/// The clients of one process. `polls` receives with long polls, so it has longer time limits.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) polls: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    region: String,
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error("no AWS region is set: set AWS_REGION, or a region in the AWS profile")]
    NoRegion,
    /// A setting of the SDK is wrong; found when the settings were loaded.
    #[error(transparent)]
    Misconfigured(#[from] Misconfigured),
    /// A setting of the SDK is wrong, or there are no credentials; found at a call.
    #[error("cannot {asked}: {said}")]
    Setting {
        /// The call, in words that follow "cannot".
        asked: String,
        said: Told,
    },
    /// There is no such queue, or SQS refuses to let us use it.
    #[error(
        "cannot use the queue `{queue}` in {region}: {said} (was terraform/ applied with this prefix, account and region?)"
    )]
    NoQueue {
        queue: String,
        region: String,
        /// The answer of SQS.
        said: String,
    },
    /// IAM does not let us use the queue.
    #[error("cannot use the queue `{queue}` in {region}")]
    Denied {
        queue: String,
        region: String,
        /// The missing right, and the answer of SQS.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// AWS did not answer, was throttling, or something else answered. Trying again may help.
    #[error("cannot reach AWS to {asked}")]
    Unreachable {
        /// The call, in words that follow "cannot reach AWS to".
        asked: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Clients {
    /// Takes credentials, region and endpoints from the places where every AWS tool looks for them,
    /// and adds every request to `count`.
    ///
    /// # Errors
    /// If no region is set, or a setting is wrong.
    pub async fn load(count: RequestCount) -> Result<Clients, AwsError> {
        Clients::within_limits(&load().await?, count)
    }

    /// The clients for a configuration that is loaded already, with the time limits and retries of
    /// this module.
    ///
    /// # Errors
    /// If no region is set.
    pub fn within_limits(config: &SdkConfig, count: RequestCount) -> Result<Clients, AwsError> {
        Clients::new(&within_limits(config), count)
    }

    /// The clients for exactly this configuration.
    ///
    /// # Errors
    /// If it has no region.
    pub fn new(config: &SdkConfig, count: RequestCount) -> Result<Clients, AwsError> {
        let region = config.region().ok_or(AwsError::NoRegion)?.to_string();
        let count = Count(count);
        let sqs = aws_sdk_sqs::config::Builder::from(config).interceptor(count.clone());
        let sns = aws_sdk_sns::config::Builder::from(config).interceptor(count.clone());
        let sts = aws_sdk_sts::config::Builder::from(config).interceptor(count.clone());
        Ok(Clients {
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            polls: aws_sdk_sqs::Client::from_conf(polls(config, count)),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
            region,
        })
    }

    /// The URL of a queue.
    ///
    /// # Errors
    /// If the queue does not exist, may not be used, or AWS cannot be reached.
    pub async fn queue_url(&self, queue: &str) -> Result<String, AwsError> {
        let answer = self.sqs.get_queue_url().queue_name(queue).send().await;
        let url = answer.map_err(|it| self.no_queue("sqs:GetQueueUrl", queue, None, it))?;
        url.queue_url.ok_or_else(|| AwsError::NoQueue {
            queue: queue.to_owned(),
            region: self.region.clone(),
            said: "it has no URL".to_owned(),
        })
    }

    /// What SQS says of a queue under these names. A name that it does not answer is missing.
    ///
    /// # Errors
    /// If the queue does not exist, may not be looked at, or AWS cannot be reached.
    pub async fn queue_attributes(
        &self,
        queue: &str,
        url: &str,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>, AwsError> {
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|it| self.no_queue("sqs:GetQueueAttributes", queue, Some(url), it))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Partition, region and account of a queue.
    ///
    /// # Errors
    /// If SQS does not say.
    pub async fn home_of_queue(&self, queue: &str, url: &str) -> Result<Home, AwsError> {
        let wanted = QueueAttributeName::QueueArn;
        let said = self.queue_attributes(queue, url, std::slice::from_ref(&wanted)).await?;
        said.get(&wanted).and_then(|it| Home::of_arn(it)).ok_or_else(|| AwsError::NoQueue {
            queue: queue.to_owned(),
            region: self.region.clone(),
            said: "it has no ARN".to_owned(),
        })
    }

    /// Partition, region and account of the topics, for a command that has no queue to learn them
    /// from. Asks STS, unless the account is given.
    ///
    /// # Errors
    /// If STS does not say.
    pub async fn home(&self, account: Option<&str>) -> Result<Home, AwsError> {
        if let Some(account) = account {
            return Ok(Home::new(&self.region, account));
        }
        let asked = || "learn the account".to_owned();
        let identity = self.sts.get_caller_identity().send().await;
        let identity = identity.map_err(|it| unanswered(asked(), Told::of(&it)))?;
        let account = identity.account.ok_or_else(|| AwsError::Unreachable {
            asked: asked(),
            source: "STS names no account".into(),
        })?;
        let partition = identity.arn.as_deref().and_then(|it| it.split(':').nth(1));
        Ok(Home::new(&self.region, &account).or_in_partition(partition))
    }

    /// The right that a call to a queue needs. The account is taken from the URL of the queue, if
    /// that is known and has the form that AWS uses.
    pub(crate) fn right_to(&self, action: &'static str, queue: &str, url: Option<&str>) -> Right {
        let account = url.and_then(|it| it.rsplit('/').nth(1)).filter(|it| is_account(it));
        let home = Home::new(&self.region, account.unwrap_or("*"));
        Right { action, resource: home.queue_arn(queue) }
    }

    fn no_queue<E>(
        &self,
        action: &'static str,
        queue: &str,
        url: Option<&str>,
        error: SdkError<E>,
    ) -> AwsError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let told = Told::of(&error);
        match told.code().map(str::to_owned) {
            Some(code) if is_denial(Some(&code)) => AwsError::Denied {
                queue: queue.to_owned(),
                region: self.region.clone(),
                source: self.right_to(action, queue, url).explain(Some(&code), told.into()),
            },
            Some(code) if is_refusal(&code) => AwsError::NoQueue {
                queue: queue.to_owned(),
                region: self.region.clone(),
                said: told.to_string(),
            },
            // AWS throttles or has a fault, and may answer in a moment.
            Some(_) | None => unanswered(format!("find the queue `{queue}`"), told),
        }
    }
}

/// The configuration with the time limits and retries of this module.
fn within_limits(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let retries =
        RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX).with_max_backoff(RETRY_PAUSE_MAX);
    config
        .to_builder()
        .retry_config(retries)
        .timeout_config(timeouts)
        // Not needed: nothing is streamed, and each attempt has a time limit.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// A client of Step Functions with the same time limits and retries as the others.
#[must_use]
pub fn step_functions(config: &SdkConfig, count: RequestCount) -> aws_sdk_sfn::Client {
    let config = within_limits(config);
    let config = aws_sdk_sfn::config::Builder::from(&config).interceptor(Count(count));
    aws_sdk_sfn::Client::from_conf(config.build())
}

/// A client of EventBridge with the same time limits and retries as the others.
#[must_use]
pub fn event_bridge(config: &SdkConfig, count: RequestCount) -> aws_sdk_eventbridge::Client {
    let config = within_limits(config);
    let config = aws_sdk_eventbridge::config::Builder::from(&config).interceptor(Count(count));
    aws_sdk_eventbridge::Client::from_conf(config.build())
}

/// The error for a call that got no usable answer.
fn unanswered(asked: String, told: Told) -> AwsError {
    if told.is_setting() {
        AwsError::Setting { asked, said: told }
    } else {
        AwsError::Unreachable { asked, source: told.into() }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit())
}

/// The client for receives, which may take as long as their long poll.
fn polls(config: &SdkConfig, count: Count) -> aws_sdk_sqs::Config {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(LONG_POLL_MAX + RECEIVE_SLACK)
        // Without this, the limit of the other clients would hold, which is below a long poll.
        .disable_operation_timeout()
        .build();
    aws_sdk_sqs::config::Builder::from(config)
        .timeout_config(timeouts)
        // The poll loop has its own pause between receives that fail.
        .retry_config(RetryConfig::standard().with_max_attempts(1))
        .interceptor(count)
        .build()
}

/// The error codes of AWS for problems that a person has to fix.
const REFUSALS: [&str; 13] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "ExpiredToken",
    "InvalidAddress",
    "InvalidArn",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "NotFound",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "StateMachineDeleting",
    "StateMachineDoesNotExist",
    "UnrecognizedClientException",
];

/// Whether an error code of AWS names a problem that a person has to fix before a retry can help.
pub(crate) fn is_refusal(code: &str) -> bool {
    REFUSALS.contains(&code) || is_denial(Some(code))
}
