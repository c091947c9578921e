//! `booking`: see [`booking::cli`].

use std::{process::ExitCode, time::Duration};

use booking::{
    cli::{Cli, complain},
    environment,
    fault::Fault,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long what nobody waits for any more, such as the lookup of a name, may hold up the end.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let empty = environment::forget_empty().map_err(|it| {
        Fault::Config(format!(
            "cannot begin anew without the variables that are set to nothing ({it}): unset them"
        ))
    });
    match empty.and_then(|()| run(Cli::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&fault);
            fault.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|it| Fault::Config(format!("cannot begin to work: {it}")))?;
    let ended = runtime.block_on(cli.run());
    runtime.shutdown_timeout(LEFT_BEHIND);
    ended
}
