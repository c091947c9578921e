//! `booking resend`: a committed decision whose message died is otherwise silent.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use serde::de::DeserializeOwned;

use super::{
    Fault,
    config::{AwsArgs, StoreArgs},
    healthcheck::role,
    out,
    show::booking_id,
};
use crate::{
    aws,
    bus::{
        Bus, Message,
        aws::{AwsBus, Clients, Names},
    },
    domain::{
        RoleName,
        ids::BookingId,
        payment::Payment,
        receipt::{Addressee, Issued, Join},
        seats::{Hold, Row},
    },
    durability::Durability,
    mailer::{DEFAULT_SENDER, Mailer, folder::FolderMailer},
    metrics::RequestCount,
    runtime::{Kept, Memo, look_up},
    wiring::{self, AnyStore},
};

/// `booking resend`
#[derive(Debug, Args)]
pub struct ResendArgs {
    /// Whose decision
    #[arg(value_parser = role)]
    role: RoleName,
    /// About which booking
    id: String,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Folder of the role's data
    #[arg(long, env = "BOOKING_DATA", default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// The sender, when it is a receipt
    #[arg(long, env = "BOOKING_MAIL_FROM", default_value = DEFAULT_SENDER, value_name = "ADDRESS")]
    mail_from: String,
}

/// Publishes what was decided, again.
pub(super) async fn run(args: ResendArgs) -> Result<(), Fault> {
    let id = booking_id(&args.id)?;
    let config = aws::load().await;
    let (store, prefix) = (args.store.store, &args.aws.prefix);
    let store = AnyStore::of_command(store, &args.data, prefix, args.role, &config).await?;
    let messages = kept(&args, &store, &id).await?;
    if messages.is_empty() {
        return Err(Fault::No(format!("{} has announced nothing about booking {}", args.role, id)));
    }
    let clients =
        Clients::within_limits(&config, RequestCount::default()).map_err(wiring::aws_fault)?;
    let names = Names::new(&args.aws.prefix);
    let (bus, _) = AwsBus::connect(&clients, &names, args.role, Duration::ZERO)
        .await
        .map_err(wiring::aws_fault)?;
    for message in &messages {
        bus.publish(message).await.map_err(|it| Fault::bus(&it))?;
        out(&format!("announced again: {}", message.kind))?;
    }
    Ok(())
}

/// What the role's store has about the booking. A receipt is sent again on the way.
async fn kept(args: &ResendArgs, store: &AnyStore, id: &BookingId) -> Result<Vec<Message>, Fault> {
    match args.role {
        RoleName::Seats => seats(store, id).await,
        RoleName::Payment => Ok(messages(look::<Payment>(store, id).await?.as_ref())),
        RoleName::Receipt => {
            let kept = look::<Join>(store, id).await?;
            let sent = kept.as_ref().filter(|it| matches!(it.row.issued, Issued::Yes { .. }));
            if let Some(receipt) = sent.and_then(|it| it.row.receipt(id)) {
                if receipt.to == Addressee::Erased {
                    return Err(Fault::No(format!("the passenger of booking {id} was erased")));
                }
                let folder = wiring::receipts_folder(&args.data);
                let mailer = FolderMailer::open(&folder, &args.mail_from, Durability::PowerFailure);
                let mailer = mailer.map_err(|it| Fault::Config(it.to_string()))?;
                mailer.send(&receipt).await.map_err(|it| Fault::unreachable(&it))?;
                out(&format!("sent again: receipt {}", receipt.number))?;
            }
            Ok(messages(kept.as_ref()))
        }
        RoleName::Status => Err(Fault::Config("status announces nothing".to_owned())),
    }
}

/// Seats may have said the last word about a booking while it dealt with the one that took its hold
/// over: that word is in the other's memo.
async fn seats(store: &AnyStore, id: &BookingId) -> Result<Vec<Message>, Fault> {
    let kept = look::<Row>(store, id).await?;
    let mut said = messages(kept.as_ref());
    if let Some(Row::Booking(Hold::Refused { taken_over_by: Some(other), .. })) =
        kept.map(|it| it.row)
    {
        said.extend(messages(look::<Row>(store, &other).await?.as_ref()));
    }
    let about = |it: &Message| {
        let event: serde_json::Value = serde_json::from_str(&it.body).unwrap_or_default();
        event.get("subject").and_then(|it| it.as_str()) == Some(id.as_str())
    };
    said.retain(about);
    Ok(said)
}

async fn look<T: DeserializeOwned>(
    store: &AnyStore,
    id: &BookingId,
) -> Result<Option<Kept<T>>, Fault> {
    look_up(store, id).await.map_err(|it| store.fault(&it))
}

fn messages<T>(kept: Option<&Kept<T>>) -> Vec<Message> {
    kept.iter().flat_map(|it| &it.memos).flat_map(Memo::messages).collect()
}
