//! Where `booking top` gets what it shows: the status service, the queues, and the dead letters if
//! the operator asked for them. A source that fails must say so in words, and never end the
//! command.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::model::News;
use crate::{
    aws::{Clients, Names},
    cli::{
        dlq::rehearsal::{Rehearsal, RulesArgs, without_rows},
        status_client::StatusClient,
    },
    clock::Clock,
    config::{AwsArgs, DeliveryArgs},
    dead_letters::{DeadLetters, why::Case},
    domain::RoleName,
    fault::Fault,
    metrics::RequestCount,
    runtime::Chain,
    vitals::{self, DeadReason, Desk, Watch},
    wiring::{intake, names},
};

/// The most open bookings that are asked for: more than fit on a screen.
const OPEN_MAX: usize = 100;

/// Everything that is asked.
pub(super) struct Sources {
    status: StatusClient,
    names: Names,
    prefix: String,
    delivery: DeliveryArgs,
    rules: RulesArgs,
    /// The account, once it was asked for, or why there is none.
    account: OnceCell<Result<Account, String>>,
}

struct Account {
    clients: Clients,
    watch: Arc<dyn Watch>,
}

impl Sources {
    pub(super) fn new(
        status: StatusClient,
        aws: &AwsArgs,
        delivery: DeliveryArgs,
        rules: RulesArgs,
    ) -> Result<Sources, Fault> {
        let (names, prefix) = (names(&aws.prefix, delivery.events)?, aws.prefix.clone());
        let account = OnceCell::new();
        Ok(Sources { status, names, prefix, delivery, rules, account })
    }

    /// The rates, and the open bookings, the one that has had no news for longest first.
    pub(super) async fn status(&self) -> News {
        let query = [("limit", OPEN_MAX.to_string()), ("order", "stalest".to_owned())];
        let (rates, open) = join(self.status.rates(), self.status.page(&query)).await;
        let rates = match rates {
            Ok(Some(it)) => Ok(it),
            Ok(None) => Err(format!(
                "{} has no /rates: it is a status service that is older than this command, or none",
                self.status.url()
            )),
            Err(fault) => Err(fault.to_string()),
        };
        News::Status { rates, open: open.map_err(|it| it.to_string()) }
    }

    /// The depths of the queues.
    pub(super) async fn queues(&self) -> News {
        News::Queues(match self.account().await {
            Ok(account) => Ok(account.watch.look().await),
            Err(problem) => Err(problem.clone()),
        })
    }

    /// The dead letters of all services by reason.
    pub(super) async fn reasons(&self, stop: &CancellationToken) -> News {
        let of = |role| async move { (role, self.reasons_of(role, stop).await) };
        News::Reasons(join_all(RoleName::ALL.map(of)).await)
    }

    async fn reasons_of(
        &self,
        role: RoleName,
        stop: &CancellationToken,
    ) -> Result<Vec<DeadReason>, String> {
        let account = self.account().await.as_ref().map_err(Clone::clone)?;
        let letters = DeadLetters::connect(&account.clients, &self.names, role).await;
        let letters = letters.map_err(|it| Chain(&it).to_string())?;
        let home = letters.home().await.map_err(|it| Chain(&it).to_string())?;
        let intake = intake(self.delivery, &home, &self.names).map_err(|it| it.to_string())?;
        let receives_max = letters.receives_max().await;
        // Where the rows of the role are not, only what its rules never see can be foretold.
        let rehearsal: Option<Rehearsal> = self.rules.rehearsal(role, &self.prefix).await.ok();
        let foretell = async |case: &Case| match &rehearsal {
            Some(it) => it.of(case).await.ok(),
            None => without_rows(case),
        };
        let desk = Desk { letters: &letters, intake: &intake, receives_max };
        vitals::reasons(desk, stop, foretell).await.map_err(|it| Chain(&it).to_string())
    }

    async fn account(&self) -> &Result<Account, String> {
        let load = || async {
            let clients = Clients::load(RequestCount::default()).await;
            let clients = clients.map_err(|it| Chain(&it).to_string())?;
            let watch = vitals::of_queues(&clients, &self.names, Clock::Machine);
            Ok(Account { clients, watch })
        };
        self.account.get_or_init(load).await
    }
}
