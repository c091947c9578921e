//! A role's rules over its stored rows, with nobody outside to ask: what a dry run is made of.

use std::path::PathBuf;

use clap::Args;

use super::{
    super::{
        Fault,
        config::{Span, StoreArgs},
    },
    words::{Forecast, Tell, tell},
};
use crate::{
    clock::Clock,
    domain::{
        RoleName, event::Event, payment::Payments, receipt::Receipts, seats::Seats,
        status::Statuses,
    },
    runtime::preview,
    wiring::{self, AnyStore},
};

/// What the rules of a dry run need.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Folder of the role's data, for --dry-run
    #[arg(long, env = "BOOKING_DATA", default_value = "data", value_name = "DIR")]
    data: PathBuf,
    /// The schedule that `booking seats` has, for --dry-run of seats: a JSON file, or `sample`
    #[arg(long, env = "BOOKING_FLIGHTS", value_name = "FILE")]
    flights: Option<String>,
    /// The hold limit that `booking seats` has, for --dry-run of seats
    #[arg(long, env = "BOOKING_HOLD_LIMIT", default_value = "15m", value_name = "TIME")]
    hold_limit: Span,
}

/// One role, ready to be asked what it would do.
pub(super) struct Rehearsal {
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
    /// The role's rules over its rows, which are only read.
    pub(super) async fn rehearsal(&self, role: RoleName, prefix: &str) -> Result<Rehearsal, Fault> {
        let rules = match role {
            RoleName::Seats => {
                let flights = self.flights.as_deref().ok_or_else(|| {
                    Fault::Config(
                        "seats decides by the schedule: give the one that `booking seats` has with --flights"
                            .to_owned(),
                    )
                })?;
                Rulebook::Seats(wiring::seats_rules(flights, self.hold_limit)?)
            }
            RoleName::Payment => Rulebook::Payment,
            RoleName::Receipt => Rulebook::Receipt,
            RoleName::Status => Rulebook::Status,
        };
        let (config, store) = (wiring::aws_config().await?, self.store.store);
        let store = AnyStore::to_look_at(store, &self.data, prefix, role, &config).await?;
        Ok(Rehearsal { rules, store })
    }
}

impl Rehearsal {
    /// What would happen with the event as the rows stand now.
    pub(super) async fn of(&self, event: &Event) -> Result<Forecast, Fault> {
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
