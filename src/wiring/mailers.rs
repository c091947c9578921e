//! Builds the mailer that `--mailer` names. It must never choose one by itself: a mailer that only
//! writes files is named like the others.

use std::{path::Path, sync::Arc, time::Duration};

use aws_config::SdkConfig;

use super::{beginnings::receipts, faults::aws_fault, keys, letterheads::letterhead, stores::Eye};
use crate::{
    bounded,
    config::{Attached, MailArgs, MailerName, SmtpArgs, SmtpTls},
    domain::receipt::Receipt,
    durability::Durability,
    fault::Fault,
    mailer::{
        Letterhead, MailError, Mailer,
        folder::FolderMailer,
        ses::SesMailer,
        smtp::{self, BadServer, Encryption, Server, SmtpMailer},
    },
    metrics::RequestCount,
};

/// The most bytes of a file of certificates: enough for several hundred.
const CERTIFICATES_BYTES_MAX: u64 = 1024 * 1024;

/// A mailer of any kind.
#[derive(Debug)]
pub enum AnyMailer {
    /// Into files.
    Folder(FolderMailer),
    /// To a mail server.
    Smtp(Box<SmtpMailer>),
    /// To Amazon SES.
    Ses(Box<SesMailer>),
}

/// The futures of the outside are boxed, since they are large while a mail is under way.
impl Mailer for AnyMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        match self {
            AnyMailer::Folder(it) => it.send(receipt).await,
            AnyMailer::Smtp(it) => Box::pin(it.send(receipt)).await,
            AnyMailer::Ses(it) => Box::pin(it.send(receipt)).await,
        }
    }
}

impl AnyMailer {
    /// What watches over the mailer, if it has anything to be watched.
    pub(crate) fn eye(&self) -> Option<Eye> {
        match self {
            AnyMailer::Folder(it) => Some(Eye::Receipts(it.watch())),
            AnyMailer::Smtp(_) | AnyMailer::Ses(_) => None,
        }
    }
}

/// The mailer that was chosen: its settings are checked, and nothing is opened yet.
#[derive(Clone, Debug)]
pub(crate) struct Mailing {
    head: Arc<Letterhead>,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Folder,
    Smtp(Box<Server>),
    Ses,
}

/// What a mailer is opened with.
pub(crate) struct Around<'a> {
    /// The data folder, in which the folder of receipts is.
    pub(crate) data: &'a Path,
    /// What a receipt in the folder survives.
    pub(crate) durability: Durability,
    pub(crate) aws: &'a SdkConfig,
    pub(crate) requests: RequestCount,
    /// How long a receipt may take.
    pub(crate) limit: Duration,
}

impl Mailing {
    /// Reads and checks the settings of the mailer that is named.
    ///
    /// # Errors
    /// If none is named, or one of its settings is missing or wrong.
    pub(crate) fn read(args: &MailArgs) -> Result<Mailing, Fault> {
        let how = match args.mailer {
            None => {
                return Err(Fault::Usage(
                    "name the mailer: --mailer (BOOKING_MAILER) folder, smtp or ses".to_owned(),
                ));
            }
            Some(MailerName::Folder) => How::Folder,
            Some(MailerName::Smtp) => How::Smtp(Box::new(server(&args.smtp)?)),
            Some(MailerName::Ses) => How::Ses,
        };
        // Whoever writes thousands of receipts into a folder does not pay for what nobody prints.
        let attach = if matches!(how, How::Folder) { Attached::Off } else { Attached::On };
        Ok(Mailing { head: letterhead(args, attach)?, how })
    }

    /// The most receipts in hand, if this mailer has such a bound: more of them would wait for a
    /// connection, and use up receives.
    pub(crate) fn in_hand_max(&self) -> Option<u16> {
        match self.how {
            How::Smtp(_) => Some(smtp::IN_HAND),
            How::Folder | How::Ses => None,
        }
    }

    /// What the receipts will look like.
    pub(crate) fn head(&self) -> &Letterhead {
        &self.head
    }

    /// Opens the mailer.
    ///
    /// # Errors
    /// If the folder of receipts cannot be used, or no AWS region is set.
    pub(crate) fn open(self, around: Around<'_>) -> Result<AnyMailer, Fault> {
        match self.how {
            How::Folder => {
                let folder = receipts(around.data)?;
                let mailer = FolderMailer::open(&folder, self.head, around.durability);
                mailer.map(AnyMailer::Folder).map_err(|it| {
                    let place = folder.display();
                    Fault::Config(format!("cannot use the folder {place} (--data): {it}"))
                })
            }
            How::Smtp(server) => {
                let mailer = SmtpMailer::new(*server, self.head, around.limit);
                Ok(AnyMailer::Smtp(Box::new(mailer)))
            }
            How::Ses => {
                let mailer = SesMailer::new(around.aws, around.requests, self.head, around.limit);
                Ok(AnyMailer::Ses(Box::new(mailer.map_err(aws_fault)?)))
            }
        }
    }
}

/// The mail server of the settings, with its login.
fn server(args: &SmtpArgs) -> Result<Server, Fault> {
    let Some(address) = args.smtp_server.as_deref() else {
        return Err(Fault::Config(
            "--mailer smtp needs a mail server: --smtp-server (BOOKING_SMTP_SERVER)".to_owned(),
        ));
    };
    let encryption = match args.smtp_tls {
        SmtpTls::Starttls => Encryption::StartTls,
        SmtpTls::Implicit => Encryption::Implicit,
        SmtpTls::Off => Encryption::Off,
    };
    let certificates = match &args.smtp_ca {
        None => None,
        Some(file) => Some(bounded::read(file, CERTIFICATES_BYTES_MAX).map_err(|it| {
            Fault::Config(format!("cannot read {} (--smtp-ca): {it}", file.display()))
        })?),
    };
    let server = Server::new(address, encryption, certificates.as_deref()).map_err(wrong)?;
    match (args.smtp_user.as_deref(), keys::smtp_password(args)?) {
        (None, None) => Ok(server),
        (Some(user), Some(password)) => server.with_login(user, &password).map_err(wrong),
        (Some(_), None) => Err(Fault::Config(
            "--smtp-user needs a password: name its file (--smtp-password-file) or set \
             BOOKING_SMTP_PASSWORD"
                .to_owned(),
        )),
        (None, Some(_)) => Err(Fault::Config(
            "there is a password of the mail server, and no user: --smtp-user".to_owned(),
        )),
    }
}

/// Says which setting is wrong, without its text.
fn wrong(error: BadServer) -> Fault {
    let setting = match error {
        BadServer::Address => "BOOKING_SMTP_SERVER (--smtp-server)",
        BadServer::Certificates => "BOOKING_SMTP_CA (--smtp-ca)",
        BadServer::InClear => "BOOKING_SMTP_TLS (--smtp-tls)",
        BadServer::Login => "BOOKING_SMTP_USER (--smtp-user) and BOOKING_SMTP_PASSWORD",
    };
    Fault::Config(format!("{setting}: {error}"))
}
