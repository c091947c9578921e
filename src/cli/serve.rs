//! `booking demo --serve`: the demo as a web page that goes on until it is stopped. Only reads the
//! arguments and prints; `demo::live` does the rest.

use std::{str::FromStr, time::Duration};

use clap::Args;
use tokio::net::TcpListener;

use super::{Fault, out};
use crate::{
    config::{DoorArgs, Span},
    demo::live::{self, Settings},
    domain::RoleName,
    services::default_http,
    wiring::{Signals, cannot_listen, door},
};

/// The fewest and the most bookings of a minute.
const A_MINUTE: std::ops::RangeInclusive<u32> = 1..=60_000;
/// The longest that a service stands still.
const PAUSE_MAX: Duration = Duration::from_mins(10);
/// The fewest and the most bookings until the demo starts over.
const KEEP: std::ops::RangeInclusive<i64> = 100..=1_000_000;

/// The arguments of `booking demo --serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Serve the page of status, with bookings that come in until Ctrl-C stops it
    #[arg(long, conflicts_with_all = ["bookings", "data", "json"])]
    serve: bool,
    /// How many bookings come in: 2/s, or 30/min
    #[arg(long, default_value = "2/s", value_name = "N/s", requires = "serve")]
    rate: Rate,
    /// Address of the page [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", requires = "serve")]
    http: Option<String>,
    /// How long one of the services stands still once a minute, so that bookings get stuck; 0s for
    /// never
    #[arg(long, default_value = "20s", value_name = "TIME", requires = "serve", value_parser = pause)]
    pause: Span,
    /// Number of bookings after which it starts over with empty stores, as it does after a day
    #[arg(long, default_value_t = 100_000, value_name = "N", requires = "serve",
          value_parser = clap::value_parser!(u32).range(KEEP))]
    keep: u32,
    #[command(flatten)]
    door: DoorArgs,
}

/// How many bookings come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    a_minute: u32,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Rate, &'static str> {
        let wrong = "expected a rate such as 2/s or 30/min: from 1/min to 1000/s";
        let (count, minutes) = match text.split_once('/') {
            Some((count, "s")) => (count, 60),
            Some((count, "min")) => (count, 1),
            Some(_) | None => return Err(wrong),
        };
        let count: u32 = count.parse().map_err(|_| wrong)?;
        let a_minute = count.checked_mul(minutes).filter(|it| A_MINUTE.contains(it));
        Ok(Rate { a_minute: a_minute.ok_or(wrong)? })
    }
}

fn pause(text: &str) -> Result<Span, &'static str> {
    let span: Span = text.parse()?;
    if span.0 <= PAUSE_MAX { Ok(span) } else { Err("expected at most 10m") }
}

impl ServeArgs {
    /// Whether to serve.
    pub(super) fn wanted(&self) -> bool {
        self.serve
    }
}

/// Serves until a signal comes.
pub(super) async fn run(args: ServeArgs, seed: u64) -> Result<(), Fault> {
    let mut signals = Signals::listen()?;
    let address = args.http.unwrap_or_else(|| default_http(RoleName::Status).to_owned());
    let start = async {
        let token = door(&args.door, &address).await?;
        let bound = TcpListener::bind(&address).await;
        let listener = bound.map_err(|it| cannot_listen(&address, &it))?;
        Ok((token, listener))
    };
    let Some((token, listener)) = signals.or(start).await? else { return Ok(()) };
    let at = listener
        .local_addr()
        .map_err(|it| Fault::Config(format!("cannot read the address (--http): {it}")))?;
    // Removed when this function returns.
    let folder = tempfile::Builder::new().prefix("booking-demo-").tempdir();
    let folder =
        folder.map_err(|it| Fault::Config(format!("cannot create a temporary folder: {it}")))?;
    let every = Duration::from_mins(1) / args.rate.a_minute;
    let (pause, keep) = (args.pause.0, args.keep as usize);
    out(&format!(
        "seats, payment, receipt and status run in this process, over a bus in memory, and bookings\n\
         come in. Nothing of it stays: the stores are in {}\n\
         See them at http://{at}/ and stop with Ctrl-C\n",
        folder.path().display()
    ))?;
    let settings = Settings { seed, every, pause, keep, token };
    live::run(listener, folder.path(), &settings, signals, out).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_a_second_or_a_minute() {
        let read = |it: &str| it.parse::<Rate>().map(|it| it.a_minute);
        assert_eq!((read("2/s"), read("30/min")), (Ok(120), Ok(30)));
        assert_eq!((read("1/min"), read("1000/s")), (Ok(1), Ok(60_000)));
        for wrong in
            ["", "2", "0/s", "1001/s", "2/h", "-1/s", "1.5/s", "99999999999/s", "4294967295/s"]
        {
            assert!(read(wrong).is_err_and(|it| it.contains("1/min to 1000/s")), "{wrong}");
        }
    }
}
