//! Sends receipts through Amazon SES, by its API, so that a task needs its role and no password.
//! SES gives each mail a Message-ID of its own; the receipt number stays in the subject and in the
//! header `X-Receipt-Number`. What SES says must never be told but for its code: it names the
//! address.

use std::{sync::Arc, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sesv2::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};

use super::{
    Cause, Letterhead, MailError, Mailer, Meaning,
    letter::{self, Letter},
};
use crate::{
    aws::{AwsError, Count, Right, Told, is_denial, is_refusal, partition},
    domain::receipt::Receipt,
    metrics::RequestCount,
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The error codes for a problem with us or our account, which a person has to fix.
const ABOUT_US: [&str; 5] = [
    "AccountSuspendedException",
    "BadRequestException",
    "MailFromDomainNotVerifiedException",
    "NotFoundException",
    "SendingPausedException",
];
/// What a message of `BadRequestException` has in it if the addressee cannot be mailed to.
const ABOUT_ADDRESS: [&str; 5] =
    ["invalid domain name", "local address", "missing final", "domain contains", "illegal address"];

/// Sends receipts through one account of Amazon SES.
#[derive(Clone, Debug)]
pub struct SesMailer {
    head: Arc<Letterhead>,
    client: Client,
    right: Right,
}

impl SesMailer {
    /// A mailer that sends letters with this head, of whose sender SES has verified the address or
    /// the domain. A receipt may take `limit`.
    ///
    /// # Errors
    /// If no region is set.
    pub fn new(
        config: &SdkConfig,
        count: RequestCount,
        head: Arc<Letterhead>,
        limit: Duration,
    ) -> Result<SesMailer, AwsError> {
        let region = config.region().ok_or(AwsError::NoRegion)?.to_string();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(limit)
            .operation_timeout(limit)
            .build();
        let builder = Builder::from(config)
            .timeout_config(timeouts)
            // The queue repeats the request. A repetition by the SDK could be a second mail.
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .interceptor(Count(count));
        let resource =
            format!("arn:{}:ses:{region}:*:identity/{}", partition(&region), head.domain());
        let right = Right { action: "ses:SendRawEmail", resource };
        Ok(SesMailer { head, client: Client::from_conf(builder.build()), right })
    }

    /// What an error of SES says about a receipt, and the error that is told.
    fn failure(&self, error: &SdkError<SendEmailError>) -> (Meaning, Cause) {
        let told = Told::of(error);
        let meaning = meaning(&told, error.message());
        let code = told.code().map(str::to_owned);
        (meaning, self.right.clone().explain(code.as_deref(), told.without_message().into()))
    }
}

/// What an answer of SES means. Throttling, a quota, and whatever is not known here may be over
/// later.
fn meaning(told: &Told, message: Option<&str>) -> Meaning {
    if told.is_setting() {
        return Meaning::WeAreRefused;
    }
    let Some(code) = told.code() else { return Meaning::NotNow };
    let message = message.unwrap_or_default().to_ascii_lowercase();
    if code == "BadRequestException" && ABOUT_ADDRESS.iter().any(|it| message.contains(it)) {
        return Meaning::AddressRefused;
    }
    // SES uses this code for a sandbox and for a sender that is not verified, but also for content
    // that it does not take, and a client chose the name in it.
    if code == "MessageRejected" {
        let is_us = message.contains("not verified");
        return if is_us { Meaning::WeAreRefused } else { Meaning::Undecided };
    }
    if ABOUT_US.contains(&code) || is_denial(Some(code)) || is_refusal(code) {
        return Meaning::WeAreRefused;
    }
    Meaning::NotNow
}

/// The letter as a request, with its addressees beside it, so that nothing in it can add one.
fn parts(letter: Letter) -> Result<(Destination, EmailContent), Cause> {
    let to = letter.envelope.to().iter().map(ToString::to_string).collect();
    let destination = Destination::builder().set_to_addresses(Some(to)).build();
    let raw = RawMessage::builder().data(Blob::new(letter.text)).build()?;
    Ok((destination, EmailContent::builder().raw(raw).build()))
}

impl Mailer for SesMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let letter = letter::compose_apart(receipt, &self.head).await?;
        let from = letter.envelope.from().map(ToString::to_string);
        let number = &receipt.number;
        let (destination, content) = parts(letter)
            .map_err(|source| MailError::Unwritable { number: number.clone(), source })?;
        let asked = self
            .client
            .send_email()
            .set_from_email_address(from)
            .destination(destination)
            .content(content)
            .send();
        match asked.await {
            Ok(_) => Ok(()),
            Err(error) => {
                let (meaning, cause) = self.failure(&error);
                Err(meaning.of(number, cause))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use aws_sdk_sesv2::{config::http::HttpResponse, error::ErrorMetadata};

    use super::*;

    fn error(code: &str, message: &str) -> SdkError<SendEmailError> {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        let answer = HttpResponse::new(400.try_into().unwrap(), "".into());
        SdkError::service_error(SendEmailError::generic(meta), answer)
    }

    /// Failure matrix: E13.
    #[test]
    fn an_answer_of_ses_is_about_the_address_or_about_us_or_about_neither() {
        let not_verified = "Email address is not verified. The following identities failed the \
                            check in region EU-CENTRAL-1: ada@example.com";
        for (code, message, wanted) in [
            ("BadRequestException", "Invalid domain name: ''.", Meaning::AddressRefused),
            ("BadRequestException", "Missing final '@domain'", Meaning::AddressRefused),
            ("BadRequestException", "Missing required header 'From'.", Meaning::WeAreRefused),
            ("MessageRejected", not_verified, Meaning::WeAreRefused),
            ("MessageRejected", "The content is not valid", Meaning::Undecided),
            ("MailFromDomainNotVerifiedException", "", Meaning::WeAreRefused),
            ("AccountSuspendedException", "", Meaning::WeAreRefused),
            ("SendingPausedException", "", Meaning::WeAreRefused),
            ("AccessDeniedException", "", Meaning::WeAreRefused),
            ("UnrecognizedClientException", "", Meaning::WeAreRefused),
            ("TooManyRequestsException", "", Meaning::NotNow),
            ("LimitExceededException", "", Meaning::NotNow),
            ("ThrottlingException", "", Meaning::NotNow),
            ("InternalFailure", "", Meaning::NotNow),
        ] {
            let error = error(code, message);
            let told = Told::of(&error);
            assert_eq!(meaning(&told, Some(message)), wanted, "{code}: {message}");
        }
        let late = SdkError::<SendEmailError>::timeout_error("ada@example.com");
        assert_eq!(meaning(&Told::of(&late), None), Meaning::NotNow);
    }

    #[test]
    fn an_error_of_ses_names_its_code_and_the_right_that_is_missing_and_no_address() {
        let config = SdkConfig::builder()
            .region(aws_config::Region::new("eu-central-1"))
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .build();
        let from = Arc::new(Letterhead::new("Shop <shop@example.org>").unwrap());
        let limit = Duration::from_secs(1);
        let mailer = SesMailer::new(&config, RequestCount::default(), from, limit).unwrap();
        let told = |code| {
            let (meaning, cause) = mailer.failure(&error(code, "ada@example.com"));
            let error = meaning.of("R-1", cause);
            let chain = std::iter::successors(Some(&error as &dyn Error), |it| (*it).source());
            chain.map(|it| it.to_string()).collect::<Vec<_>>().join(": ")
        };
        let rejected = told("MessageRejected");
        assert!(rejected.ends_with(": MessageRejected"), "{rejected}");
        let denied = told("AccessDeniedException");
        assert!(denied.contains("`ses:SendRawEmail`") && denied.contains("identity/example.org"));
        assert!(!rejected.contains("ada@") && !denied.contains("ada@"), "{rejected} {denied}");
    }
}
