//! Errors of the AWS SDK in our own words.
//!
//! The SDK's errors may quote the whole request, and a request has a name, an address and a token
//! in it. So their text must never be passed on. The only exceptions are the error code and the
//! message with which AWS answered.

use std::{error::Error, fmt, io};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// The most characters of AWS's message that are passed on.
const MESSAGE_LETTERS_MAX: usize = 500;

/// An error of an AWS call that is safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    how: How,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The request was not sent, since a setting of the SDK is wrong.
    NotMade,
    /// There are no credentials, or the provider of credentials is configured wrongly.
    NoCredentials,
    /// The provider of credentials failed.
    CredentialsFailed,
    /// There was no answer in time.
    Late,
    /// There was no connection, or it broke.
    NotConnected(Option<io::ErrorKind>),
    /// The answer is not from AWS; holds its HTTP status.
    NotAws(u16),
    /// AWS answered with an error.
    Answered,
}

impl Told {
    /// Takes from an error of the SDK the parts that are safe to print.
    pub fn of<E>(error: &SdkError<E>) -> Told
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = error.code().map(str::to_owned);
        // The answer may not be from AWS, and may be of any length.
        let message = error.message().map(|it| it.chars().take(MESSAGE_LETTERS_MAX).collect());
        let how = match credentials(error) {
            Some(how) => how,
            None => match error {
                SdkError::ConstructionFailure(_) => How::NotMade,
                SdkError::TimeoutError(_) => How::Late,
                SdkError::DispatchFailure(it) if it.is_timeout() => How::Late,
                SdkError::DispatchFailure(_) => How::NotConnected(io_kind(error)),
                SdkError::ResponseError(it) => match io_kind(error) {
                    // The connection broke within the answer.
                    Some(kind) => How::NotConnected(Some(kind)),
                    None => How::NotAws(it.raw().status().as_u16()),
                },
                SdkError::ServiceError(_) if code.is_some() => How::Answered,
                SdkError::ServiceError(it) => How::NotAws(it.raw().status().as_u16()),
                // For kinds of errors that a later SDK may add.
                _ => How::NotConnected(None),
            },
        };
        Told { how, code, message }
    }

    /// The error code of AWS, if AWS answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The same without the message of AWS, for a service whose messages quote the request.
    #[must_use]
    pub fn without_message(self) -> Told {
        Told { message: None, ..self }
    }

    /// Whether a person has to fix a setting before the call can work.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        matches!(self.how, How::NotMade | How::NoCredentials)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::NotMade => f.write_str(
                "the AWS SDK could not make the request: look at region, endpoint and profile",
            ),
            How::NoCredentials => f.write_str(
                "there are no AWS credentials: set AWS_PROFILE to a profile that exists, or set \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run this where it has a role",
            ),
            How::CredentialsFailed => {
                f.write_str("the provider of AWS credentials did not answer, or gave none")
            }
            How::Late => f.write_str("no answer in time"),
            How::NotConnected(None) => f.write_str("no connection, or it broke"),
            How::NotConnected(Some(kind)) => write!(f, "no connection, or it broke ({kind})"),
            How::NotAws(status) => write!(
                f,
                "an answer with HTTP status {status} that is not one of AWS: is there a proxy, a load \
                 balancer or a portal in between?"
            ),
            How::Answered => {
                f.write_str(self.code.as_deref().unwrap_or_default())?;
                match &self.message {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Error for Told {}

/// An error and all its sources.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    // Not `it.source()`: that would borrow from the local reference, which does not live as long.
    std::iter::successors(Some(error), |it| (*it).source())
}

fn credentials(error: &(dyn Error + 'static)) -> Option<How> {
    let error = chain(error).find_map(|it| it.downcast_ref::<CredentialsError>())?;
    let setting = matches!(
        error,
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
    );
    Some(if setting { How::NoCredentials } else { How::CredentialsFailed })
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    chain(error).find_map(|it| it.downcast_ref::<io::Error>()).map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::{
        config::http::HttpResponse, error::ErrorMetadata, operation::publish::PublishError,
    };
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    /// A text that no error may repeat, wherever a library puts it.
    const SECRET: &str = "Ada ada@example.com tok_visa";

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), SECRET.into())
    }

    fn service(code: Option<&str>) -> SdkError<PublishError> {
        let mut meta = ErrorMetadata::builder().message("said AWS");
        if let Some(code) = code {
            meta = meta.code(code);
        }
        SdkError::service_error(PublishError::generic(meta.build()), answer(503))
    }

    #[test]
    fn no_kind_of_error_tells_what_was_sent_or_answered() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, SECRET);
        let other = |source| SdkError::dispatch_failure(ConnectorError::other(source, None));
        let half = io::Error::new(io::ErrorKind::UnexpectedEof, SECRET);
        let errors: [(SdkError<PublishError>, &str, bool); 10] = [
            (SdkError::construction_failure(SECRET), "could not make the request", true),
            (SdkError::timeout_error(SECRET), "no answer in time", false),
            (SdkError::dispatch_failure(ConnectorError::timeout(SECRET.into())), "in time", false),
            (
                SdkError::dispatch_failure(ConnectorError::io(refused.into())),
                "connection refused",
                false,
            ),
            (SdkError::dispatch_failure(ConnectorError::user(SECRET.into())), "broke", false),
            (
                other(CredentialsError::not_loaded(SECRET).into()),
                "there are no AWS credentials",
                true,
            ),
            (SdkError::response_error(SECRET, answer(200)), "HTTP status 200", false),
            (SdkError::response_error(half, answer(200)), "unexpected end of file", false),
            (service(Some("InternalError")), "InternalError: said AWS", false),
            (service(None), "HTTP status 503", false),
        ];
        for (error, says, is_setting) in errors {
            let told = Told::of(&error);
            let text = format!("{told} {told:?}");
            assert!(told.to_string().contains(says), "{told}");
            assert_eq!(told.is_setting(), is_setting, "{told}");
            for secret in SECRET.split(' ') {
                assert!(!text.contains(secret), "{text}");
            }
            assert!(told.source().is_none(), "{told}");
        }
    }

    #[test]
    fn of_a_long_message_the_beginning_is_told() {
        let meta = ErrorMetadata::builder().code("Long").message("x".repeat(100_000)).build();
        let error = SdkError::service_error(PublishError::generic(meta), answer(400));
        assert_eq!(Told::of(&error).to_string().len(), "Long: ".len() + MESSAGE_LETTERS_MAX);
    }
}
