//! Reads the canary key, the seal key, the key of the Stripe account, the password of the mail
//! server and the token of status from a file or from an environment variable. None of them may be
//! taken from the command line, and none may be printed.

use std::{
    io::{self, Read},
    path::Path,
};

use reqwest::Url;

use crate::{
    address::http_url,
    config::{CanaryArgs, IntegrationArgs, SmtpArgs, StatusTokenArgs, StripeArgs},
    fault::Fault,
    gateway::stripe::StripeKey,
    http::Token,
    wire::{CanaryKey, SealKey},
};

/// No file of keys is longer than this, so no more bytes of one are read.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// The places where one key can be given.
struct Places<'a> {
    /// The name of the key in error messages.
    what: &'static str,
    /// The environment variable that holds the key itself. The variable with `_FILE` appended names
    /// the file.
    variable: &'static str,
    /// The argument that names the file.
    flag: &'static str,
    /// The file that was named, if any.
    file: Option<&'a Path>,
}

/// The canary key, if one is given.
///
/// # Errors
/// If the key cannot be read, is too short, or is given twice.
pub fn canary_key(args: &CanaryArgs) -> Result<Option<CanaryKey>, Fault> {
    let places = Places {
        what: "the canary key",
        variable: "BOOKING_CANARY_KEY",
        flag: "--canary-key-file",
        file: args.canary_key_file.as_deref(),
    };
    let Some((text, place)) = places.read()? else { return Ok(None) };
    let wrong = |it| Fault::Config(format!("{place}: {it}"));
    CanaryKey::parse(&text).map(Some).map_err(wrong)
}

/// The key that the requests of a state machine are sealed with.
///
/// # Errors
/// If no key is given, if it cannot be read, is too short, or is given twice.
pub fn seal_key(args: &IntegrationArgs) -> Result<SealKey, Fault> {
    let places = Places {
        what: "the seal key",
        variable: "BOOKING_SEAL_KEY",
        flag: "--seal-key-file",
        file: args.seal_key_file.as_deref(),
    };
    let missing = || {
        Fault::Config(
            "--integration step-functions needs a key to seal requests with: name its file \
             (--seal-key-file) or set BOOKING_SEAL_KEY"
                .to_owned(),
        )
    };
    let (text, place) = places.read()?.ok_or_else(missing)?;
    SealKey::parse(&text).map_err(|it| Fault::Config(format!("{place}: {it}")))
}

/// The address of Stripe, and the key of the account, which may be sent there.
///
/// # Errors
/// If no key is given, if two are given, if the key cannot be read or is not a secret or restricted
/// key, if the address is none of http or https, if a live key would be sent without TLS, or if the
/// address has a user, a password, a query or a fragment. The address is not shown.
pub(super) fn stripe_account(args: &StripeArgs) -> Result<(Url, StripeKey), Fault> {
    let places = Places {
        what: "the key of Stripe",
        variable: "BOOKING_STRIPE_KEY",
        flag: "--stripe-key-file",
        file: args.stripe_key_file.as_deref(),
    };
    let missing = || {
        Fault::Config(
            "--gateway stripe needs a key: name its file (--stripe-key-file) or set \
             BOOKING_STRIPE_KEY"
                .to_owned(),
        )
    };
    let (text, place) = places.read()?.ok_or_else(missing)?;
    let wrong = |it| Fault::Config(format!("{place}: {it}"));
    let key = StripeKey::parse(&text).map_err(wrong)?;
    let stays = |it| Fault::Config(format!("BOOKING_STRIPE_URL (--stripe-url): {it}"));
    let url = http_url(&args.stripe_url).map_err(stays)?;
    key.may_go_to(&url).map_err(stays)?;
    Ok((url, key))
}

/// The password of the mail server, if one is given. The end of its line is not a part of it.
///
/// # Errors
/// If the password cannot be read, or is given twice.
pub(super) fn smtp_password(args: &SmtpArgs) -> Result<Option<String>, Fault> {
    let places = Places {
        what: "the password of the mail server",
        variable: "BOOKING_SMTP_PASSWORD",
        flag: "--smtp-password-file",
        file: args.smtp_password_file.as_deref(),
    };
    let line = |it: String| it.trim_end_matches(['\r', '\n']).to_owned();
    Ok(places.read()?.map(|(text, _)| line(text)))
}

/// The token of status, if one is given: its text, for a client, and what a server compares.
///
/// # Errors
/// If the token cannot be read, is no token, or is given twice.
pub fn status_token(args: &StatusTokenArgs) -> Result<Option<(String, Token)>, Fault> {
    let places = Places {
        what: "the token of status",
        variable: "BOOKING_STATUS_TOKEN",
        flag: "--status-token-file",
        file: args.status_token_file.as_deref(),
    };
    let Some((text, place)) = places.read()? else { return Ok(None) };
    let wrong = |it| Fault::Config(format!("{place}: {it}"));
    let token = Token::parse(&text).map_err(wrong)?;
    Ok(Some((text.trim().to_owned(), token)))
}

impl Places<'_> {
    /// The text of the key and a description of its place, or `None` if no key is given.
    fn read(&self) -> Result<Option<(String, String)>, Fault> {
        let Places { what, variable, flag, file } = self;
        let given = std::env::var(variable).ok().filter(|it| !it.is_empty());
        match (given, file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                let twice =
                    format!("{variable} and {variable}_FILE are both set: give one of them");
                Err(Fault::Config(twice))
            }
            (Some(key), None) => Ok(Some((key, (*variable).to_owned()))),
            (None, Some(file)) => {
                let mut text = String::new();
                let place = format!("{} ({flag})", file.display());
                let read =
                    |file: std::fs::File| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
                let unreadable =
                    |it: io::Error| Fault::Config(format!("cannot read {what} {place}: {it}"));
                let bytes = std::fs::File::open(file).and_then(read).map_err(unreadable)?;
                if bytes as u64 > FILE_BYTES_MAX {
                    let long =
                        format!("{place} has more than {FILE_BYTES_MAX} bytes: is it {what}?");
                    return Err(Fault::Config(long));
                }
                Ok(Some((text, place)))
            }
        }
    }
}
