//! The settings of the mail: which mailer, who sends, and the mail server. A password must never be
//! among them: a file or a variable holds it, which `wiring::keys` reads.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lettre::message::Mailbox;

use super::letters::LetterArgs;
use crate::{email, mailer::DEFAULT_SENDER};

/// How receipts are sent.
#[derive(Clone, Debug, Args)]
pub struct MailArgs {
    /// How receipts are sent. It must be named; `resend` needs it for receipts only
    #[arg(long, env = "BOOKING_MAILER", value_enum)]
    pub mailer: Option<MailerName>,

    /// The sender of receipts
    #[arg(long, env = "BOOKING_MAIL_FROM", default_value = DEFAULT_SENDER, value_name = "ADDRESS", value_parser = sender)]
    pub mail_from: String,

    #[command(flatten)]
    pub letters: LetterArgs,

    #[command(flatten)]
    pub smtp: SmtpArgs,
}

/// The mailers that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MailerName {
    /// One e-mail file for each receipt, receipts/NUMBER.eml in the data folder
    Folder,
    /// A mail server (--smtp-server)
    Smtp,
    /// Amazon SES, with the credentials of the AWS SDK (docs/MAIL.md)
    Ses,
}

/// The settings of the mailer `smtp`. The password itself must never be on the command line, where
/// every process of the machine could read it.
#[derive(Clone, Debug, Args)]
pub struct SmtpArgs {
    /// The mail server, HOST or HOST:PORT. Without a port: 587, or 465 with --smtp-tls implicit, or
    /// 25 with off
    // A text, since clap would repeat an address that it refuses, with a password in it.
    #[arg(long, env = "BOOKING_SMTP_SERVER", hide_env_values = true, value_name = "HOST")]
    pub smtp_server: Option<String>,

    /// How the connection to the mail server is encrypted
    #[arg(long, env = "BOOKING_SMTP_TLS", value_enum, default_value_t = SmtpTls::Starttls)]
    pub smtp_tls: SmtpTls,

    /// File with the certificates, in PEM, that are trusted in place of those of the system
    #[arg(long, env = "BOOKING_SMTP_CA", value_name = "FILE")]
    pub smtp_ca: Option<PathBuf>,

    /// The user of the mail server. Without one, nobody logs in
    #[arg(long, env = "BOOKING_SMTP_USER", value_name = "USER")]
    pub smtp_user: Option<String>,

    /// File with the password of this user. Instead, the variable BOOKING_SMTP_PASSWORD can hold
    /// the password itself
    #[arg(long, env = "BOOKING_SMTP_PASSWORD_FILE", value_name = "FILE")]
    pub smtp_password_file: Option<PathBuf>,
}

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SmtpTls {
    /// After STARTTLS, which the mail server must offer
    Starttls,
    /// From the first byte
    Implicit,
    /// Not at all. Then a password is only sent within this machine
    Off,
}

fn sender(text: &str) -> Result<String, String> {
    let sender: Mailbox = text
        .parse()
        .map_err(|_| "expected a sender such as 'Booking <receipts@example.com>'".to_owned())?;
    email::parse(sender.email.as_ref()).map_err(|it| format!("expected {it}"))?;
    Ok(text.to_owned())
}
