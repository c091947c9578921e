//! `booking top`: the whole system on one screen of a terminal, once a second. It only looks, and
//! the terminal must be given back as it was, whatever happens.

mod model;
mod screen;
mod sources;
mod tty;

use std::time::Duration;

use clap::Args;
use futures_util::{
    FutureExt,
    future::LocalBoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::{
    model::{Model, News},
    sources::Sources,
    tty::{Key, Keys, Tty},
};
use super::{
    Fault,
    config::{AwsArgs, DeliveryArgs, StatusUrl},
    dlq::rehearsal::RulesArgs,
    say,
    status_client::{Reader, StatusClient},
    terminal::has_screen,
};
use crate::{clock::Clock, wiring::Signals};

/// How often status is asked, and the screen drawn at least.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How often the queues are asked. SQS itself says that its figures lag behind by seconds.
const QUEUES_EVERY: Duration = Duration::from_secs(5);
/// How long the command waits at its end until dead letters that it looked at are visible again.
const GIVE_BACK_MAX: Duration = Duration::from_secs(10);

/// `booking top`
#[derive(Debug, Args)]
pub struct TopArgs {
    #[command(flatten)]
    status: StatusUrl,
    #[command(flatten)]
    aws: AwsArgs,
    /// Also show the dead letters by reason, with what a redrive would do: looked at once, and
    /// again at each `r`. Looking hides up to 100 messages of each queue for some seconds
    #[arg(long)]
    dead_letter_reasons: bool,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    rules: RulesArgs,
}

/// Shows the screen until `q`, Ctrl-C or a signal.
pub(super) async fn run(args: TopArgs) -> Result<(), Fault> {
    if !has_screen() {
        return Err(Fault::Usage(
            "top draws a screen, and this is no terminal: use `booking list --open`, which prints \
             lines, and `booking dlq ls all`"
                .to_owned(),
        ));
    }
    let desk = StatusClient::new(&args.status, Reader::Person)?;
    let mut signals = Signals::listen()?;
    let mut model = Model::new(desk.url(), args.dead_letter_reasons);
    let (sources, stop) =
        (Sources::new(desk, &args.aws, args.delivery, args.rules)?, CancellationToken::new());
    let mut news = FuturesUnordered::new();
    news.push(after(Duration::ZERO, sources.status()));
    news.push(after(Duration::ZERO, sources.queues()));
    if args.dead_letter_reasons {
        news.push(sources.reasons(&stop).boxed_local());
    }

    let mut tty = Tty::take()?;
    let mut keys = Keys::listen();
    let mut seconds = interval(STATUS_EVERY);
    let ended = loop {
        if let Err(gone) = tty.draw(|it| screen::draw(it, &model, Clock::Machine.now())) {
            break Err(gone);
        }
        tokio::select! {
            biased;
            () = signals.next() => break Ok(()),
            key = keys.next() => match key {
                Key::Quit => break Ok(()),
                Key::Look if model.may_look() => {
                    model.looks();
                    news.push(sources.reasons(&stop).boxed_local());
                }
                Key::Look | Key::Resized => {}
            },
            Some(learnt) = news.next() => {
                match &learnt {
                    News::Status { .. } => news.push(after(STATUS_EVERY, sources.status())),
                    News::Queues(_) => news.push(after(QUEUES_EVERY, sources.queues())),
                    News::Reasons(_) => {}
                }
                model.learn(learnt);
            }
            _ = seconds.tick() => {}
        }
    };
    drop(tty);
    keys.end().await;
    stop.cancel();
    if model.is_looking() {
        let most = GIVE_BACK_MAX.as_secs();
        say(&format!("stopping: gives back what it has hidden, which takes {most} s at most"))?;
        let back = async { while !matches!(news.next().await, Some(News::Reasons(_)) | None) {} };
        // What is not given back by then is visible again by itself.
        let _ = timeout(GIVE_BACK_MAX, back).await;
    }
    ended
}

/// What `ask` learns, after a pause.
fn after<'a>(pause: Duration, ask: impl Future<Output = News> + 'a) -> LocalBoxFuture<'a, News> {
    async move {
        sleep(pause).await;
        ask.await
    }
    .boxed_local()
}
