//! `booking resend`: announces again the decisions whose messages were lost, since nothing else
//! repeats them. It must never decide anew: it publishes only what the store has.

use std::{
    io::{self, Read},
    time::Duration,
};

use clap::Args;
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::{
    Fault,
    arguments::booking_id,
    config::{AwsArgs, DataArgs, EventsArgs, MailArgs, Span, StoreArgs, not_zero},
    progress::Progress,
    roles::Roles,
};
use crate::{
    aws::Clients,
    bus::aws::AwsBus,
    domain::{
        RoleName,
        decision::Rules,
        ids::BookingId,
        payment::Payments,
        receipt::{Addressee, Issued, Join, Receipts},
        seats::Seats,
    },
    durability::Durability,
    mailer::{MailError, Mailer},
    metrics::RequestCount,
    runtime::{self, Chain, StoredRow, look_up},
    wire::Message,
    wiring::{self, AnyMailer, AnyStore, Around, Mailing},
};

/// The most bookings that are looked up and announced at once: the size of one batch of SNS.
const AT_ONCE: usize = 10;
/// After this many batches in a row of which a role announced none, for a reason that concerns all
/// bookings, the command gives up.
const UNREACHED_MAX: u32 = 3;
/// The most bytes that are read from stdin: enough for some hundred thousand ids.
const STDIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The argument that stands for the ids on stdin.
const STDIN: &str = "-";

/// `booking resend`
#[derive(Debug, Args)]
pub struct ResendArgs {
    /// Role whose decisions to announce: seats, payment or receipt; several with commas, or all
    #[arg(value_name = "ROLE")]
    roles: Roles,
    /// Booking id; - reads ids from stdin, separated by white space
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    mail: MailArgs,
    /// How long sending a receipt may take
    #[arg(long, env = "BOOKING_EFFECT_TIMEOUT", default_value = "10s", value_name = "TIME",
          value_parser = not_zero)]
    effect_timeout: Span,
}

/// Announces the decisions again. Prints one line for each booking and role, also for those that
/// could not be announced.
pub(super) async fn run(args: ResendArgs) -> Result<(), Fault> {
    let progress = Progress::new("announces again", false);
    progress.during(resend(args, &progress)).await
}

async fn resend(args: ResendArgs, progress: &Progress) -> Result<(), Fault> {
    let ids = ids(&args.ids)?;
    let speaks = |it: &RoleName| *it != RoleName::Status;
    let roles: Vec<RoleName> = args.roles.iter().filter(speaks).collect();
    if roles.is_empty() {
        return Err(Fault::Config("status announces nothing".to_owned()));
    }
    let mut resenders = Vec::new();
    for role in roles {
        resenders.push(Resender::open(&args, role).await?);
    }
    let (mut failed, mut worst, mut begun) = (0, None, 0);
    let asked = ids.len() * resenders.len();
    let at_once = resenders.iter().map(|it| it.at_once).min().unwrap_or(AT_ONCE);
    for lot in ids.chunks(at_once) {
        begun += lot.len();
        progress.at(|| format!("{begun} of {} bookings", ids.len()));
        for resender in &mut resenders {
            let answers = join_all(lot.iter().map(|it| resender.again(it))).await;
            let none = |it: &Result<String, Unsaid>| matches!(it, Err(it) if it.is_down);
            resender.unreached = if answers.iter().all(none) { resender.unreached + 1 } else { 0 };
            for (id, answer) in lot.iter().zip(answers) {
                match answer {
                    Ok(said) => progress.out(&format!("{}  {id}  {said}", resender.role))?,
                    Err(Unsaid { fault, .. }) if asked == 1 => return Err(fault),
                    Err(Unsaid { fault, .. }) => {
                        let said = format!("{}  {id}  not announced: {fault}", resender.role);
                        progress.say(&said)?;
                        failed += 1;
                        worst = Some(worse(worst, fault));
                    }
                }
            }
        }
        if resenders.iter().any(|it| it.unreached >= UNREACHED_MAX) {
            let stopped = format!("stopped at booking {}: {failed} not announced again", lot[0]);
            return Err(saying(worst.unwrap_or(Fault::Unreachable(String::new())), stopped));
        }
    }
    worst.map_or(Ok(()), |it| Err(saying(it, format!("{failed} of {asked} not announced again"))))
}

/// Why a booking was not announced again.
struct Unsaid {
    fault: Fault,
    /// Whether this concerns all bookings: nothing can be reached, or no mail is accepted from us.
    is_down: bool,
}

impl From<Fault> for Unsaid {
    fn from(fault: Fault) -> Unsaid {
        let is_down = matches!(fault, Fault::Unreachable(_));
        Unsaid { fault, is_down }
    }
}

/// The ids of the command line and of stdin. All are checked before the first one is used. An error
/// says only where the wrong id stands, since it may be a card number that was pasted by mistake.
fn ids(given: &[String]) -> Result<Vec<BookingId>, Fault> {
    let mut ids = Vec::with_capacity(given.len());
    for text in given {
        if text != STDIN {
            ids.push(booking_id(text)?);
            continue;
        }
        let mut piped = String::new();
        let read = io::stdin().lock().take(STDIN_BYTES_MAX + 1).read_to_string(&mut piped);
        read.map_err(|it| Fault::Usage(format!("cannot read ids from stdin: {it}")))?;
        if piped.len() as u64 > STDIN_BYTES_MAX {
            return Err(Fault::Usage(format!("more than {STDIN_BYTES_MAX} bytes on stdin")));
        }
        for (at, text) in piped.split_whitespace().enumerate() {
            let wrong = |it| Fault::Usage(format!("ID {} on stdin: {it}", at + 1));
            ids.push(BookingId::parse(text).map_err(wrong)?);
        }
    }
    Ok(ids)
}

/// The graver of two faults: one that a person has to mend counts more than one that may be over
/// in a moment, and that counts more than a booking about which there is nothing to announce.
fn worse(before: Option<Fault>, fault: Fault) -> Fault {
    let grave = |it: &Fault| match it {
        Fault::No(_) => 0,
        Fault::Unreachable(_) => 1,
        Fault::Usage(_) | Fault::Config(_) => 2,
        Fault::Internal(_) | Fault::Interrupted => 3,
    };
    match before {
        Some(before) if grave(&before) >= grave(&fault) => before,
        _ => fault,
    }
}

/// A fault of the same kind, and so with the same exit code, that says `text`.
fn saying(fault: Fault, text: String) -> Fault {
    match fault {
        Fault::No(_) => Fault::No(text),
        Fault::Usage(_) => Fault::Usage(text),
        Fault::Internal(_) => Fault::Internal(text),
        Fault::Unreachable(_) => Fault::Unreachable(text),
        Fault::Config(_) => Fault::Config(text),
        Fault::Interrupted => Fault::Interrupted,
    }
}

/// One role: its store, and its topics.
struct Resender {
    role: RoleName,
    store: AnyStore,
    /// For receipt: what sends receipts.
    mailer: Option<AnyMailer>,
    bus: AwsBus,
    /// How many bookings it deals with at once.
    at_once: usize,
    /// The last batches in a row of which none could be announced, for a reason that concerns all.
    unreached: u32,
    /// They send the batches of the bus.
    _drivers: JoinSet<()>,
}

impl Resender {
    async fn open(args: &ResendArgs, role: RoleName) -> Result<Resender, Fault> {
        let mailing = match role {
            RoleName::Receipt => Some(Mailing::read(&args.mail)?),
            RoleName::Seats | RoleName::Payment | RoleName::Status => None,
        };
        let config = wiring::aws_config().await?;
        let (store, prefix) = (args.store.store, &args.aws.prefix);
        let store = AnyStore::of_command(store, &args.data.folder, prefix, role, &config).await?;
        let count = RequestCount::default();
        let clients = Clients::within_limits(&config, count.clone()).map_err(wiring::aws_fault)?;
        let names = wiring::names(prefix, args.events)?;
        let ways = (args.events.events, &config, &count);
        let connecting = wiring::connect(ways, &clients, &names, role, Duration::ZERO, false);
        let (bus, _, drivers) = connecting.await?;
        let around = || Around {
            data: &args.data.folder,
            durability: Durability::PowerFailure,
            aws: &config,
            requests: RequestCount::default(),
            limit: args.effect_timeout.0,
        };
        let most = mailing.as_ref().and_then(Mailing::in_hand_max).map_or(AT_ONCE, usize::from);
        let mailer = mailing.map(|it| it.open(around())).transpose()?;
        let at_once = most.min(AT_ONCE);
        Ok(Resender { role, store, mailer, bus, at_once, unreached: 0, _drivers: drivers })
    }

    /// Announces again what the role decided about a booking, and says what that was.
    async fn again(&self, id: &BookingId) -> Result<String, Unsaid> {
        let (messages, mut said) = self.kept(id).await?;
        if messages.is_empty() {
            let nothing = format!("{} has announced nothing about booking {id}", self.role);
            return Err(Fault::No(nothing).into());
        }
        for message in &messages {
            self.bus.publish(message).await.map_err(|it| Fault::bus(&it))?;
            said.push(format!("announced again: {}", message.kind));
        }
        Ok(said.join("; "))
    }

    /// The messages about the booking that are in the role's store. For receipt, the receipt is
    /// sent again first; the second list says so.
    async fn kept(&self, id: &BookingId) -> Result<(Vec<Message>, Vec<String>), Unsaid> {
        let (store, mut said) = (&self.store, Vec::new());
        let messages = match self.role {
            RoleName::Seats => announced::<Seats>(store, id).await?,
            RoleName::Payment => announced::<Payments>(store, id).await?,
            RoleName::Receipt => {
                let kept = look::<Join>(store, id).await?;
                let sent = kept.as_ref().filter(|it| matches!(it.row.issued, Issued::Yes { .. }));
                // Sent even if that mail never went out before: nobody may be told again that a
                // void receipt is valid.
                let void = sent.and_then(|it| it.row.void(id));
                let sent = sent.and_then(|it| it.row.receipt(id));
                for receipt in sent.into_iter().chain(void) {
                    if receipt.to == Addressee::Erased {
                        let erased = format!("the passenger of booking {id} was erased");
                        return Err(Fault::No(erased).into());
                    }
                    if let Some(mailer) = &self.mailer {
                        mailer.send(&receipt).await.map_err(|it| unsent(&it))?;
                        said.push(format!("sent again: receipt {}", receipt.number));
                    }
                }
                announced::<Receipts>(store, id).await?
            }
            RoleName::Status => Vec::new(),
        };
        Ok((messages, said))
    }
}

/// The fault for a receipt that was not sent: its exit code says whether sending it again may help.
fn unsent(error: &MailError) -> Unsaid {
    let fault = match error {
        MailError::Unwritable { .. } | MailError::AddressRefused { .. } => {
            Fault::No(Chain(error).to_string())
        }
        // The same login or sender would be refused for all others, and perhaps locked.
        MailError::WeAreRefused { .. } => {
            return Unsaid { fault: Fault::config(error), is_down: true };
        }
        // This says nothing about other receipts.
        MailError::Undecided { .. } => {
            return Unsaid { fault: Fault::unreachable(error), is_down: false };
        }
        MailError::Failed { .. } => Fault::unreachable(error),
    };
    fault.into()
}

/// All that a role has announced about a booking.
async fn announced<R: Rules>(store: &AnyStore, id: &BookingId) -> Result<Vec<Message>, Fault> {
    runtime::said::<R>(store, id).await.map_err(|it| store.fault(&it))
}

async fn look<T: DeserializeOwned>(
    store: &AnyStore,
    id: &BookingId,
) -> Result<Option<StoredRow<T>>, Fault> {
    look_up(store, id).await.map_err(|it| store.fault(&it))
}
