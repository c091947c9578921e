//! `booking healthcheck`: needs no shell and no curl in the container.

use std::time::Duration;

use clap::Args;

use super::{
    Fault,
    answer::{Unread, read},
    config::default_http,
};
use crate::{domain::RoleName, runtime::Chain};

/// How long a service may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// How much of what is wrong is repeated, in bytes.
const PROBLEM_BYTES_MAX: usize = 512;

/// `booking healthcheck`
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Address of the service's HTTP [default: the default address of ROLE, or of status]
    #[arg(long, env = "BOOKING_HTTP", value_name = "ADDRESS")]
    http: Option<String>,
    /// The role whose default address to ask
    #[arg(value_parser = role, default_value = "status")]
    role: RoleName,
}

/// Reads a role on the command line.
pub(super) fn role(text: &str) -> Result<RoleName, String> {
    let found = RoleName::ALL.into_iter().find(|it| it.as_str() == text);
    found.ok_or_else(|| "expected seats, payment, receipt or status".to_owned())
}

/// Asks `/health`. An address that listens everywhere is asked at home.
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
