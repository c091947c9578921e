//! Follows one booking to its end, for `booking request --watch` and `booking show --follow`. Only
//! prints what the status service says.

use std::time::Duration;

use tokio::time::Instant;

use super::{Fault, out, out_json, say, status_client::StatusClient, timeline};
use crate::{
    clock::Clock,
    domain::{
        ids::{BookingId, Digest},
        status::Phase,
    },
    http::view::BookingView,
};

/// The request that is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) digest: Digest,
    /// Whether it can be refused, although it was checked: by a service that cannot open it.
    pub(super) may_be_refused: bool,
}

/// How often the status service is asked about a booking that is followed.
const EVERY: Duration = Duration::from_millis(300);

/// Follows a booking until it ends, for `limit` at most. Exit code 0 says that it completed.
///
/// `own` is the request that is followed, if it is one. Then nothing is printed of a booking that
/// belongs to another request with the same id.
///
/// # Errors
/// When it ends otherwise, or not in time. Status may be restarting, so one that cannot be asked is
/// asked again.
pub(super) async fn to_its_end(
    desk: &StatusClient,
    booking: &BookingId,
    own: Option<Own>,
    limit: Duration,
    json: bool,
) -> Result<(), Fault> {
    let deadline = Instant::now() + limit;
    let (mut printed, mut was_told) = (0, false);
    loop {
        let asked = desk.booking(booking).await;
        let is_late = Instant::now() >= deadline;
        match asked {
            Ok(Some(view)) if is_told(&view, own)? && tell(&view, &mut printed, json)? => {
                let well = view.phase == Phase::Completed;
                // What it says was printed.
                return if well { Ok(()) } else { Err(Fault::No(String::new())) };
            }
            Ok(_) => was_told = false,
            Err(error @ Fault::Unreachable(_)) if !is_late => {
                if !was_told {
                    say(&format!("{error}; asking again"))?;
                }
                was_told = true;
            }
            Err(error) => return Err(error),
        }
        if is_late {
            return Err(Fault::Unreachable(format!(
                "booking {booking} has not ended after {limit:?}; `booking show {booking}` says what \
                 it waits for"
            )));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Whether what status says is about the request that is followed.
fn is_told(view: &BookingView, own: Option<Own>) -> Result<bool, Fault> {
    let Some(own) = own else { return Ok(true) };
    let is_another = view.request_digest.is_some_and(|it| it != own.digest);
    if is_another && view.is_answered() {
        return Err(Fault::No(format!(
            "CONFLICT: booking {} belongs to another request with this id, which came first. If \
             payment charges this request, it gives the money back. Try again without --id: then \
             nobody can guess the id",
            view.booking_id
        )));
    }
    // On a topic, a refusal under this id is of somebody else's request: this one was checked
    // before it was sent.
    Ok(!is_another && (own.may_be_refused || view.phase != Phase::Rejected))
}

/// Prints the new lines of a booking's timeline, and the whole booking once it has ended. Returns
/// whether it has.
fn tell(view: &BookingView, printed: &mut usize, json: bool) -> Result<bool, Fault> {
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
