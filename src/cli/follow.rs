//! Follows one booking to its end, for `booking request --watch` and `booking show --follow`. Only
//! prints what the status service says.

use std::time::Duration;

use tokio::time::Instant;

use super::{Fault, out, out_json, say, status_client::StatusClient, timeline};
use crate::{
    clock::Clock,
    domain::{ids::BookingId, status::Phase},
    http::view::BookingView,
};

/// How often the status service is asked about a booking that is followed.
pub(super) const EVERY: Duration = Duration::from_millis(300);

/// Follows a booking until it ends, for `limit` at most. Exit code 0 says that it completed.
///
/// # Errors
/// When it ends otherwise, or not in time; and when the status service cannot be asked at the
/// start. Later it may be restarting, so it is asked again.
pub(super) async fn to_its_end(
    desk: &StatusClient,
    booking: &BookingId,
    limit: Duration,
    json: bool,
) -> Result<(), Fault> {
    let deadline = Instant::now() + limit;
    let mut seen = desk.booking(booking).await?;
    if seen.is_none() {
        say(&format!("booking {booking} has not been seen yet: waiting for it"))?;
    }
    let (mut printed, mut is_silent) = (0, false);
    loop {
        if let Some(view) = &seen
            && tell(view, &mut printed, json)?
        {
            return ending(view);
        }
        if Instant::now() >= deadline {
            return Err(late(booking, limit));
        }
        tokio::time::sleep(EVERY).await;
        match desk.booking(booking).await {
            Ok(view) => (seen, is_silent) = (view, false),
            Err(error @ Fault::Unreachable(_)) => {
                if !is_silent {
                    say(&format!("{error}; asking again"))?;
                }
                (seen, is_silent) = (None, true);
            }
            Err(error) => return Err(error),
        }
    }
}

/// A booking that has not ended within `limit`.
pub(super) fn late(booking: &BookingId, limit: Duration) -> Fault {
    Fault::Unreachable(format!(
        "booking {booking} has not ended after {limit:?}; `booking show {booking}` says what it waits for"
    ))
}

/// Exit code 0 if the booking completed, and 1 if it ended otherwise: what it says was printed.
pub(super) fn ending(view: &BookingView) -> Result<(), Fault> {
    if view.phase == Phase::Completed { Ok(()) } else { Err(Fault::No(String::new())) }
}

/// Prints the new lines of a booking's timeline, and the whole booking once it has ended. Returns
/// whether it has.
pub(super) fn tell(view: &BookingView, printed: &mut usize, json: bool) -> Result<bool, Fault> {
    if !json {
        // A late event can sort before lines that were printed already, so the whole timeline is
        // printed again at the end.
        for line in timeline::lines(&view.timeline).lines().skip(*printed) {
            out(line)?;
            *printed += 1;
        }
    }
    match (view.is_final, json) {
        (false, _) => {}
        (true, true) => out_json(view)?,
        (true, false) => out(&format!("\n{}", timeline::render(view, Clock::Machine.now())))?,
    }
    Ok(view.is_final)
}
