//! The SDK's clients, with every default that matters written down, and a count of what they send.

use std::{error::Error, time::Duration};

use aws_config::{
    SdkConfig, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::QueueAttributeName,
};

use super::{super::BusError, names::Home};
use crate::{
    aws::{self, Count, Misconfigured, Right, Told, is_denial},
    metrics::RequestCount,
};

/// How often the SDK sends a request before it gives up, the first time included.
const ATTEMPTS_MAX: u32 = 3;
/// The longest pause between two of them.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one request may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request with its retries may take.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);
/// What a receive may take beyond its long poll: now and then one never returns.
const RECEIVE_SLACK: Duration = Duration::from_secs(10);
/// The longest long poll.
const LONG_POLL_MAX: Duration = Duration::from_secs(20);

/// The clients of one process.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) polls: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    region: String,
}

/// Why an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// No region was given.
    #[error("no AWS region is set: set AWS_REGION, or a region in the AWS profile")]
    NoRegion,
    /// A setting of the SDK makes no sense.
    #[error(transparent)]
    Misconfigured(#[from] Misconfigured),
    /// What a call found out: a setting of the SDK makes no sense, or there are no credentials.
    #[error("cannot {asked}: {said}")]
    Setting {
        /// What was asked.
        asked: String,
        /// What is wrong.
        said: Told,
    },
    /// There is no such queue, or it is not ours to use.
    #[error(
        "cannot use the queue `{queue}` in {region}: {said} (was terraform/ applied with this prefix, account and region?)"
    )]
    NoQueue {
        /// Its name.
        queue: String,
        /// Where it was looked for.
        region: String,
        /// What SQS said.
        said: String,
    },
    /// IAM does not let us use it.
    #[error("cannot use the queue `{queue}` in {region}")]
    Denied {
        /// Its name.
        queue: String,
        /// Where it is.
        region: String,
        /// Which right is missing, and what SQS said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// AWS did not answer, or not with an answer, or has no time.
    #[error("cannot reach AWS to {asked}")]
    Unreachable {
        /// What was asked.
        asked: String,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Clients {
    /// Takes credentials, region and endpoints from where every AWS tool takes them, and adds every
    /// request to `count`.
    ///
    /// # Errors
    /// When no region is set, or a setting makes no sense.
    pub async fn load(count: RequestCount) -> Result<Clients, AwsError> {
        Clients::within_limits(&aws::load().await?, count)
    }

    /// The same over what the process has loaded already.
    ///
    /// # Errors
    /// When no region is set.
    pub fn within_limits(config: &SdkConfig, count: RequestCount) -> Result<Clients, AwsError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_max_backoff(RETRY_PAUSE_MAX);
        let limited = config
            .to_builder()
            .retry_config(retries)
            .timeout_config(timeouts)
            // Nothing is streamed, and each attempt has its own limit.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Clients::new(&limited.build(), count)
    }

    /// The clients of a configuration that somebody else made.
    ///
    /// # Errors
    /// When it has no region.
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
    /// When it is not there, may not be used, or AWS cannot be reached.
    pub async fn queue_url(&self, queue: &str) -> Result<String, AwsError> {
        let answer = self.sqs.get_queue_url().queue_name(queue).send().await;
        let url = answer.map_err(|it| self.no_queue("sqs:GetQueueUrl", queue, None, it))?;
        url.queue_url.ok_or_else(|| AwsError::NoQueue {
            queue: queue.to_owned(),
            region: self.region.clone(),
            said: "it has no URL".to_owned(),
        })
    }

    /// Partition, region and account of a queue.
    ///
    /// # Errors
    /// When SQS does not say.
    pub async fn home_of_queue(&self, queue: &str, url: &str) -> Result<Home, AwsError> {
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|it| self.no_queue("sqs:GetQueueAttributes", queue, Some(url), it))?;
        let arn = answer.attributes.and_then(|mut it| it.remove(&QueueAttributeName::QueueArn));
        arn.as_deref().and_then(Home::of_arn).ok_or_else(|| AwsError::NoQueue {
            queue: queue.to_owned(),
            region: self.region.clone(),
            said: "it has no ARN".to_owned(),
        })
    }

    /// Where our own account's topics are, for who has no queue: asks STS unless the account is
    /// given.
    ///
    /// # Errors
    /// When STS does not say.
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

    /// What a call to a queue needs. Its account stands in its URL, if that is known and is one of
    /// AWS.
    pub(super) fn right_to(&self, action: &'static str, queue: &str, url: Option<&str>) -> Right {
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
            Some(code) if refused(&code) => AwsError::NoQueue {
                queue: queue.to_owned(),
                region: self.region.clone(),
                said: told.to_string(),
            },
            // Throttled, or broken: it may answer in a moment.
            Some(_) | None => unanswered(format!("find the queue `{queue}`"), told),
        }
    }
}

/// AWS was asked, and there is no answer to go on with.
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

/// Receives may take as long as their long poll, and a stream that stands still is what they are.
fn polls(config: &SdkConfig, count: Count) -> aws_sdk_sqs::Config {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(LONG_POLL_MAX + RECEIVE_SLACK)
        // What is not said here is taken from the other clients, whose limit is below a long poll.
        .disable_operation_timeout()
        .build();
    aws_sdk_sqs::config::Builder::from(config)
        .timeout_config(timeouts)
        // The poll loop has its own pause between receives that fail.
        .retry_config(RetryConfig::standard().with_max_attempts(1))
        .interceptor(count)
        .build()
}

/// What a person has to mend, as AWS calls it.
const REFUSALS: [&str; 9] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "ExpiredToken",
    "InvalidAddress",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "NotFound",
    "QueueDoesNotExist",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// The bus error for an SDK error: refused when waiting will not help. It names the right if that
/// is what is missing.
pub(super) fn failure<E>(
    operation: &'static str,
    name: &str,
    right: Right,
    error: SdkError<E>,
) -> BusError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let told = Told::of(&error);
    if told.is_setting() {
        let (name, source) = (name.to_owned(), told.into());
        return BusError::Refused { operation, name, source };
    }
    let code = told.code().map(str::to_owned);
    said(operation, name, right, code.as_deref(), told.into())
}

/// The same for an error code and what else was said.
pub(super) fn said(
    operation: &'static str,
    name: &str,
    right: Right,
    code: Option<&str>,
    source: Box<dyn Error + Send + Sync>,
) -> BusError {
    let name = name.to_owned();
    let refused = code.is_some_and(refused);
    let source = right.explain(code, source);
    if refused {
        BusError::Refused { operation, name, source }
    } else {
        BusError::Failed { operation, name, source }
    }
}

/// Whether a person has to mend it before trying again helps.
fn refused(code: &str) -> bool {
    REFUSALS.contains(&code) || is_denial(Some(code))
}
