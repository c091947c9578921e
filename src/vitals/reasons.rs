//! The dead letters of a service by reason, with what a redrive would do. Only for operators who
//! ask for it by name: looking at a message hides it for a moment, and takes the right to read
//! bodies. Nothing of a body may leave this module.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::DeadReason;
use crate::{
    bus::BusError,
    dead_letters::{
        DeadLetters, Scan,
        why::{Case, why},
        words::Forecast,
    },
    wire::Intake,
};

/// The most dead letters of a queue that are looked at.
pub(crate) const LOOKED_AT_MAX: usize = 100;
/// The most reasons that are told apart. The services have about ten.
const REASONS_MAX: usize = 16;
/// The reason that stands for all beyond [`REASONS_MAX`].
const OTHERS: &str = "others";

/// The dead letters of one service and how to read them.
pub(crate) struct Desk<'a> {
    pub(crate) letters: &'a DeadLetters,
    pub(crate) intake: &'a Intake,
    /// After how many receives SQS moves a message to the dead-letter queue.
    pub(crate) receives_max: Option<u64>,
}

/// The reasons of at most [`LOOKED_AT_MAX`] messages of each of the two queues, the most frequent
/// first. `foretell` says what putting a message back would do, if that is known. Every message is
/// visible again at the end, also after an error, and when `stop` is cancelled, which ends the look
/// early.
///
/// # Errors
/// When a queue cannot be received from.
pub(crate) async fn reasons(
    desk: Desk<'_>,
    stop: &CancellationToken,
    foretell: impl AsyncFn(&Case) -> Option<Forecast>,
) -> Result<Vec<DeadReason>, BusError> {
    let mut scan = Scan::new(desk.letters, LOOKED_AT_MAX);
    let mut tally = Tally::default();
    let looked: Result<(), BusError> = async {
        while let Some(next) = stop.run_until_cancelled(scan.next()).await {
            let Some(messages) = next? else { break };
            for dead in messages {
                let why = why(&dead, desk.receives_max);
                let case = Case::new(dead, why, desk.intake);
                let forecast = foretell(&case).await;
                tally.add(&case.why.class, forecast.as_ref());
            }
        }
        Ok(())
    }
    .await;
    scan.finish().await;
    looked.map(|()| tally.reasons())
}

/// What is counted of the messages of one reason.
#[derive(Debug, Default)]
struct Counts {
    /// The service would do something about these.
    would: u64,
    /// The service would change nothing.
    no_op: u64,
    /// The service would set these aside again.
    poison: u64,
    /// What it would do is not known here.
    unknown: u64,
}

#[derive(Debug, Default)]
struct Tally(BTreeMap<String, Counts>);

impl Tally {
    fn add(&mut self, class: &str, forecast: Option<&Forecast>) {
        let room = self.0.len() < REASONS_MAX || self.0.contains_key(class);
        let counts = self.0.entry(if room { class } else { OTHERS }.to_owned()).or_default();
        match forecast {
            Some(Forecast::Would(_)) => counts.would += 1,
            Some(Forecast::NoOp(_)) => counts.no_op += 1,
            Some(Forecast::StillPoison(_)) => counts.poison += 1,
            None => counts.unknown += 1,
        }
    }

    fn reasons(self) -> Vec<DeadReason> {
        let reason = |(reason, it): (String, Counts)| DeadReason {
            reason,
            count: it.would + it.no_op + it.poison + it.unknown,
            redrive: it.words(),
        };
        let mut reasons: Vec<DeadReason> = self.0.into_iter().map(reason).collect();
        reasons.sort_by_key(|it| std::cmp::Reverse(it.count));
        reasons
    }
}

impl Counts {
    /// What a redrive would do, in words that follow "a redrive:".
    fn words(&self) -> String {
        let parts = [
            (self.would, "would be worked on"),
            (self.no_op, "would change nothing"),
            (self.poison, "would be set aside again"),
            (self.unknown, "not known here: `dlq redrive --dry-run` beside the data says it"),
        ];
        let said =
            parts.iter().filter(|it| it.0 > 0).map(|(count, what)| format!("{count} {what}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_are_counted_by_reason_with_what_a_redrive_would_do() {
        let mut tally = Tally::default();
        let text = || "a text about Ada".to_owned();
        tally.add("conflict", Some(&Forecast::Would(text())));
        tally.add("malformed", Some(&Forecast::StillPoison(text())));
        tally.add("malformed", Some(&Forecast::StillPoison(text())));
        tally.add("malformed", Some(&Forecast::NoOp(text())));
        tally.add("conflict", None);
        let told = tally.reasons();
        let counts: Vec<(&str, u64)> =
            told.iter().map(|it| (it.reason.as_str(), it.count)).collect();
        assert_eq!(counts, [("malformed", 3), ("conflict", 2)]);
        assert_eq!(told[0].redrive, "1 would change nothing, 2 would be set aside again");
        assert!(told[1].redrive.starts_with("1 would be worked on, 1 not known here"), "{told:?}");
        assert!(!format!("{told:?}").contains("Ada"), "{told:?}");
    }

    #[test]
    fn whoever_makes_up_reasons_does_not_fill_the_screen() {
        let mut tally = Tally::default();
        for at in 0..1_000 {
            tally.add(&format!("made-up-{at}"), None);
        }
        let told = tally.reasons();
        assert_eq!(told.len(), REASONS_MAX + 1);
        assert_eq!(told[0].reason, OTHERS);
        assert_eq!(told.iter().map(|it| it.count).sum::<u64>(), 1_000);
    }
}
