//! What an answer of a mail server means, in one table, and how a delivery that failed is told. The
//! text of an answer must never be kept: mail servers repeat addresses in it.

use std::{error::Error, fmt, io};

use lettre::transport::smtp;

use super::super::Meaning;

/// The mail server will close the connection.
const CLOSING: u16 = 421;
/// The mail server wants a login first.
const NO_LOGIN: u16 = 530;

/// A step of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    StartTls,
    Login,
    From,
    To,
    Data,
    Text,
    Reset,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Connect => "the connection",
            Step::StartTls => "STARTTLS",
            Step::Login => "the login",
            Step::From => "MAIL FROM",
            Step::To => "RCPT TO",
            Step::Data => "DATA",
            Step::Text => "the text of the mail",
            Step::Reset => "RSET",
        })
    }
}

/// An answer that is no yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    code: u16,
    /// Subject and detail of the enhanced status code (RFC 3463), if the server sends these.
    enhanced: Option<(u16, u16)>,
    /// Whether it says that the server passes no mail on for us. Few servers say so by their code.
    names_relay: bool,
}

/// Why a delivery failed.
#[derive(Clone, Debug)]
pub(super) enum Why {
    Answered(Answer),
    Late,
    NotConnected(Option<io::ErrorKind>),
    /// The error of the TLS stack, which names certificates and nothing secret.
    Untrusted(rustls::Error),
    /// The answer was cut off, or is none of SMTP.
    NoAnswer,
    /// The server lacks what this step needs.
    NotOffered,
}

/// A delivery that failed, and where.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) why: Why,
}

impl Failure {
    /// Takes from an error of the SMTP client the parts that are safe to print. `name` is what
    /// stands before the @ of the addressee, at the step that says it.
    pub(super) fn of(step: Step, name: Option<&str>, error: &smtp::Error) -> Failure {
        let why = if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            Why::Answered(Answer::read(code.into(), &text, name))
        } else if let Some(it) = tls_error(error) {
            Why::Untrusted(it)
        } else if error.is_response() {
            Why::NoAnswer
        } else if error.is_client() {
            Why::NotOffered
        } else {
            Why::NotConnected(io_errors(error).next().map(io::Error::kind))
        };
        Failure { step, why }
    }

    /// What this says about the receipt.
    pub(super) fn meaning(&self) -> Meaning {
        match &self.why {
            Why::Answered(it) => it.meaning(self.step),
            Why::Late | Why::NotConnected(_) | Why::NoAnswer => Meaning::NotNow,
            Why::Untrusted(_) | Why::NotOffered => Meaning::WeAreRefused,
        }
    }

    /// Whether the server closed a connection before it was told the text: so it has no mail. A
    /// connection that was kept may have been closed long ago.
    pub(super) fn is_stale(&self) -> bool {
        let gone = match &self.why {
            Why::NotConnected(_) | Why::NoAnswer => true,
            Why::Answered(it) => it.code == CLOSING,
            Why::Late | Why::Untrusted(_) | Why::NotOffered => false,
        };
        gone && matches!(self.step, Step::From | Step::To | Step::Data)
    }

    /// Whether the connection can be used for another receipt.
    pub(super) fn keeps_connection(&self) -> bool {
        matches!(&self.why, Why::Answered(it) if it.code != CLOSING)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = self.step;
        match &self.why {
            Why::Answered(it) => write!(f, "the mail server answers {it} to {step}")?,
            Why::Late => write!(f, "the mail server did not answer in time to {step}")?,
            Why::NotConnected(None) => write!(f, "no connection to the mail server at {step}")?,
            Why::NotConnected(Some(kind)) => {
                write!(f, "no connection to the mail server, or it broke, at {step} ({kind})")?;
            }
            Why::Untrusted(it) => write!(f, "no TLS with the mail server: {it}")?,
            Why::NoAnswer => {
                write!(f, "the mail server cut its answer to {step} off, or speaks no SMTP")?;
            }
            Why::NotOffered => write!(f, "the mail server does not offer {step}")?,
        }
        match (self.meaning(), step) {
            (Meaning::WeAreRefused, Step::Login) => {
                f.write_str("; look at --smtp-user and its password")
            }
            (Meaning::WeAreRefused, Step::Connect | Step::StartTls) => {
                f.write_str("; look at --smtp-server, --smtp-tls and --smtp-ca")
            }
            (Meaning::WeAreRefused, _) => {
                f.write_str("; look at --mail-from and --smtp-user, and at what they may send")
            }
            (Meaning::AddressRefused | Meaning::Undecided | Meaning::NotNow, _) => Ok(()),
        }
    }
}

impl Error for Failure {}

impl Answer {
    pub(super) fn read(code: u16, text: &str, name: Option<&str>) -> Answer {
        let enhanced = enhanced(text.split_whitespace().next().unwrap_or_default());
        // Servers repeat addresses, names and domains in their texts, and a client chose these.
        let (text, name) = (text.to_lowercase(), name.map(str::to_lowercase));
        let is_ours = |it: &&str| {
            !it.contains('@')
                && !it.trim_end_matches('.').contains('.')
                && name.as_ref().is_none_or(|name| !it.contains(name))
        };
        let text = text.split_whitespace().filter(is_ours).collect::<Vec<_>>().join(" ");
        let names_relay = text.contains("relay") || text.contains("rcpthosts");
        Answer { code, enhanced, names_relay }
    }

    /// What it means as the answer to a step. A client chose the addressee, and the name in the
    /// text, and may choose them so that they are refused. So an answer to these is about us only
    /// if it can be nothing else.
    fn meaning(self, step: Step) -> Meaning {
        if self.code == CLOSING {
            return Meaning::NotNow;
        }
        let is_final = self.code / 100 == 5;
        let about = match step {
            Step::To => self.about_addressee(),
            Step::Text => self.about_text(),
            Step::Connect
            | Step::StartTls
            | Step::Login
            | Step::From
            | Step::Data
            | Step::Reset => About::Us,
        };
        match (about, is_final) {
            (About::Addressee, true) => Meaning::AddressRefused,
            (About::Addressee | About::Letter, false) | (About::Letter, true) => Meaning::Undecided,
            (About::Us, true) => Meaning::WeAreRefused,
            (About::Us, false) => Meaning::NotNow,
        }
    }

    /// Whom an answer to RCPT TO is about.
    fn about_addressee(self) -> About {
        match self.enhanced {
            None | Some((0 | 7, _)) if self.names_relay => About::Us,
            // 1.7 and 1.8 are about the sender.
            Some((1, 7 | 8)) => About::Us,
            // Address, mailbox, the way to the domain, and a mail that this mailbox cannot have.
            Some((1 | 2 | 4 | 6, _)) => About::Addressee,
            // A policy: of the mailbox, or of the server against us.
            Some((7, _)) if self.code != NO_LOGIN => About::Letter,
            // Without a subject, the codes of RFC 5321: those for mailboxes, and those for the
            // order of the commands and for a login, which no addressee can bring about.
            None | Some((0, _)) => match self.code {
                450 | 501 | 550..=553 | 556 => About::Addressee,
                400..=499 | 500 | 502..=504 | NO_LOGIN => About::Us,
                _ => About::Letter,
            },
            Some(_) => About::Us,
        }
    }

    /// Whom an answer to the text is about.
    fn about_text(self) -> About {
        match self.enhanced {
            Some((1, 7 | 8)) => About::Letter,
            Some((1 | 2 | 6, _)) => About::Addressee,
            Some((7, _)) => About::Letter,
            // The server took sender and addressee. If it refuses all our texts, the codes of the
            // receipts that wait aside show it.
            _ if self.code / 100 == 5 => About::Letter,
            _ => About::Us,
        }
    }
}

/// Subject and detail of an enhanced status code: three numbers and nothing else, such as `5.1.1`.
/// An address that a server repeats, or one of a network, is none.
fn enhanced(word: &str) -> Option<(u16, u16)> {
    let numbers: Vec<&str> = word.split('.').collect();
    let ["4" | "5", subject, detail] = numbers[..] else { return None };
    let number = |it: &str| it.bytes().all(|it| it.is_ascii_digit()).then(|| it.parse().ok())?;
    number(subject).zip(number(detail))
}

/// Whom an answer is about.
enum About {
    /// The addressee, who gets no mail.
    Addressee,
    /// This one letter; it may also be us.
    Letter,
    /// Us, or the server.
    Us,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match self.enhanced {
            Some((subject, detail)) => write!(f, " {}.{subject}.{detail}", self.code / 100),
            None => Ok(()),
        }
    }
}

fn io_errors(error: &smtp::Error) -> impl Iterator<Item = &io::Error> {
    let first: &(dyn Error + 'static) = error;
    let chain = std::iter::successors(Some(first), |it| (*it).source());
    chain.filter_map(|it| it.downcast_ref::<io::Error>())
}

fn tls_error(error: &smtp::Error) -> Option<rustls::Error> {
    let mut inner = io_errors(error).filter_map(io::Error::get_ref);
    inner.find_map(|it| it.downcast_ref::<rustls::Error>()).cloned()
}
