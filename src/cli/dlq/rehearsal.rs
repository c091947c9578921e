//! A dry run of one message: applies the role's rules to its stored rows. Must not write, and must
//! not call a gateway or a mailer.

use clap::Args;

use crate::{
    clock::Clock,
    config::{DataArgs, HoldArgs, StoreArgs},
    dead_letters::{
        why::Case,
        words::{Forecast, Tell, tell},
    },
    domain::{
        RoleName, event::Event, payment::Payments, receipt::Receipts, seats::Seats,
        status::Statuses,
    },
    fault::Fault,
    runtime::preview,
    wire::Refusal,
    wiring::{self, AnyStore},
};

/// What a role does with a canary.
pub(super) const CANARY: &str =
    "a canary of `booking check`: if its key is right, the role reports it to status";

/// The arguments of a dry run.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Schedule that `booking seats` uses, for --dry-run of seats: a JSON file, or `sample`
    #[arg(long, env = "BOOKING_FLIGHTS", value_name = "FILE|sample")]
    flights: Option<String>,
    #[command(flatten)]
    hold: HoldArgs,
}

/// The rules of one role, and its store to read from.
pub(crate) struct Rehearsal {
    rules: Rulebook,
    store: AnyStore,
}

enum Rulebook {
    Seats(Seats),
    Payment,
    Receipt,
    Status,
}

impl RulesArgs {
    /// Opens the role's store, which is only read.
    pub(crate) async fn rehearsal(&self, role: RoleName, prefix: &str) -> Result<Rehearsal, Fault> {
        let rules = match role {
            RoleName::Seats => {
                let flights = self.flights.as_deref().ok_or_else(|| {
                    Fault::Config(
                        "a dry run of seats needs the schedule that `booking seats` has with --flights"
                            .to_owned(),
                    )
                })?;
                Rulebook::Seats(wiring::seats_rules(flights, self.hold.hold_limit)?)
            }
            RoleName::Payment => Rulebook::Payment,
            RoleName::Receipt => Rulebook::Receipt,
            RoleName::Status => Rulebook::Status,
        };
        let (config, store) = (wiring::aws_config().await?, self.store.store);
        let store = AnyStore::to_look_at(store, &self.data.folder, prefix, role, &config).await?;
        Ok(Rehearsal { rules, store })
    }
}

/// What the role would do with a dead letter that its rules never see; `None` for one that they do.
pub(crate) fn without_rows(case: &Case) -> Option<Forecast> {
    case.read.as_ref().err().map(|it| refused(case, it))
}

fn refused(case: &Case, refusal: &Refusal) -> Forecast {
    match case.canary {
        true => Forecast::NoOp(CANARY.to_owned()),
        false => Forecast::StillPoison(refusal.to_string()),
    }
}

impl Rehearsal {
    /// What the role would do with a dead letter, given the rows that are stored now.
    pub(crate) async fn of(&self, case: &Case) -> Result<Forecast, Fault> {
        match &case.read {
            Ok(event) => self.of_event(event).await,
            Err(refusal) => Ok(refused(case, refusal)),
        }
    }

    async fn of_event(&self, event: &Event) -> Result<Forecast, Fault> {
        match &self.rules {
            Rulebook::Seats(rules) => self.by(rules, event).await,
            Rulebook::Payment => self.by(&Payments, event).await,
            Rulebook::Receipt => self.by(&Receipts, event).await,
            Rulebook::Status => self.by(&Statuses, event).await,
        }
    }

    async fn by<R: Tell>(&self, rules: &R, event: &Event) -> Result<Forecast, Fault> {
        let found = preview(rules, &self.store, event, Clock::Machine.now()).await;
        let found = found.map_err(|it| self.store.fault(&it))?;
        Ok(tell(&found, event))
    }
}
