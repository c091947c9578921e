//! `booking healthcheck`: the probe of a container, which needs no shell and no curl in the image.
//! It only asks `/health`; what healthy means is decided by the service.

use std::time::Duration;

use clap::Args;

use super::Fault;
use crate::{
    answer::{Unread, read},
    domain::RoleName,
    runtime::Chain,
    services::default_http,
};

/// How long a service may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// How many bytes of a service's explanation are repeated.
const PROBLEM_BYTES_MAX: usize = 512;

/// `booking healthcheck`
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// HTTP address of the service [default: the default address of ROLE]
    #[arg(long, env = "BOOKING_HTTP", value_name = "ADDRESS")]
    http: Option<String>,
    /// Role whose default address to ask
    #[arg(value_parser = role, default_value = "status")]
    role: RoleName,
}

/// Parses the name of a role.
pub(super) fn role(text: &str) -> Result<RoleName, String> {
    RoleName::of_name(text).ok_or_else(|| "expected seats, payment, receipt or status".to_owned())
}

/// Asks `/health`. If the service listens on all addresses, it is asked on the loopback address.
pub(super) async fn run(args: HealthcheckArgs) -> Result<(), Fault> {
    let address = args.http.unwrap_or_else(|| default_http(args.role).to_owned());
    let address = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let no = |problem: String| Fault::No(format!("{address} is not healthy: {problem}"));
    let http = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).no_proxy().build();
    let http = http.map_err(|it| Fault::Internal(Chain(&it).to_string()))?;
    let answer = http.get(format!("http://{address}/health")).send().await;
    let answer = answer.map_err(|it| no(Chain(&it.without_url()).to_string()))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let said = match read(answer, PROBLEM_BYTES_MAX).await {
        Ok(it) | Err(Unread::TooLarge(it)) => it,
        Err(Unread::Broken(_)) => Vec::new(),
    };
    Err(no(String::from_utf8_lossy(&said).into_owned()))
}
