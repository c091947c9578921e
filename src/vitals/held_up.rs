//! The bookings that a message of a FIFO queue holds up. SQS does not tell how many there are, and
//! each service knows those of which it gave back a message itself: so its `/health` is asked. It
//! must never read an answer without end, and never follow one to another address.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use reqwest::{Client, Url, redirect::Policy};
use serde::Deserialize;

use super::{HeldUp, Vitals, Watch, kept::Kept};
use crate::{
    address::http_url,
    answer::{Unread, read},
    clock::Clock,
    domain::RoleName,
    runtime::Chain,
};

/// How long a service may take to answer: less than the page waits for a look.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long a look takes at most, with that of the watch below.
const LOOK_MAX: Duration = Duration::from_secs(13);
/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where one service answers `/health`. Its text form is `ROLE=URL`, with or without `/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthUrl {
    role: RoleName,
    url: Url,
}

impl std::str::FromStr for HealthUrl {
    type Err = String;

    /// Reads `payment=http://payment:8082`. An error never repeats the text, which may have a
    /// password.
    fn from_str(text: &str) -> Result<HealthUrl, String> {
        let (role, url) = text
            .trim()
            .split_once('=')
            .ok_or("expected ROLE=URL, such as payment=http://payment.internal:8082")?;
        let role = RoleName::of_name(role)
            .ok_or("expected seats, payment, receipt or status before the =")?;
        let mut url = http_url(url)?;
        if !url.path().ends_with("/health") {
            url.path_segments_mut().map_err(|()| "it names no host")?.pop_if_empty().push("health");
        }
        Ok(HealthUrl { role, url })
    }
}

/// What `watch` sees, and for each service that has a URL how many bookings it holds up. The
/// services are asked when somebody looks, and at most once in some seconds.
///
/// # Errors
/// When the HTTP client cannot be made, or a service has two URLs.
pub fn with_held_up(
    watch: Arc<dyn Watch>,
    urls: &[HealthUrl],
    clock: Clock,
) -> Result<Arc<dyn Watch>, String> {
    let mut asked = BTreeMap::new();
    for HealthUrl { role, url } in urls {
        if asked.insert(*role, url.clone()).is_some() {
            return Err(format!("{role} has two URLs"));
        }
    }
    // A password of the URL would go to whomever an answer names, or to a proxy.
    let http = Client::builder().redirect(Policy::none()).no_proxy().build();
    let http = http.map_err(|it| Chain(&it).to_string())?;
    Ok(Arc::new(Kept::new(Asking { watch, http, asked }, clock, LOOK_MAX)))
}

struct Asking {
    watch: Arc<dyn Watch>,
    http: Client,
    asked: BTreeMap<RoleName, Url>,
}

impl Watch for Asking {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vitals> + Send + '_>> {
        Box::pin(async {
            let asked = join_all(
                self.asked
                    .iter()
                    .map(async |(role, url)| (*role, ask(&self.http, *role, url).await)),
            );
            let (mut vitals, answers) = tokio::join!(self.watch.look(), asked);
            for (role, answer) in answers {
                let mut of_it = vitals.services.iter_mut().filter(|it| it.role == role);
                if let Some(service) = of_it.next() {
                    service.held_up = Some(answer);
                }
            }
            vitals
        })
    }
}

/// The answer to `GET /health`, as far as it is needed.
#[derive(Deserialize)]
struct Answer {
    role: RoleName,
    health: Health,
}

#[derive(Deserialize)]
struct Health {
    blocked_groups: Option<Groups>,
}

#[derive(Deserialize)]
struct Groups {
    count: u64,
    longest_s: f64,
}

/// How many bookings a service holds up, or why that is not known.
async fn ask(http: &Client, role: RoleName, url: &Url) -> Result<HeldUp, String> {
    // It asks before it looks at the time: a look that its caller left is driven on by the next.
    tokio::time::timeout(ANSWER_MAX, answer(http, role, url)).await.unwrap_or_else(|_| {
        Err(format!("its /health did not answer within {} s", ANSWER_MAX.as_secs()))
    })
}

async fn answer(http: &Client, role: RoleName, url: &Url) -> Result<HeldUp, String> {
    let unreachable =
        |it: reqwest::Error| format!("its /health cannot be asked: {}", Chain(&it.without_url()));
    let answer = http.get(url.clone()).send().await.map_err(unreachable)?;
    let status = answer.status();
    let strange =
        || format!("at its address (--watch-health) nothing answers like a service: {status}");
    let body = read(answer, ANSWER_BYTES_MAX).await.map_err(|it| match it {
        Unread::TooLarge(_) => strange(),
        Unread::Broken(it) => unreachable(it),
    })?;
    // One that is not healthy answers 503, and says the same.
    let Answer { role: who, health } = serde_json::from_slice(&body).map_err(|_| strange())?;
    if who != role {
        return Err(format!("at its address (--watch-health) {who} answers"));
    }
    let Some(Groups { count, longest_s }) = health.blocked_groups else {
        return Ok(HeldUp::default());
    };
    let longest = Duration::try_from_secs_f64(longest_s).map_err(|_| strange())?;
    Ok(HeldUp { bookings: count, longest })
}

#[cfg(test)]
#[path = "held_up_tests.rs"]
mod tests;
