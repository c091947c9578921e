//! The `booking` binary: runs [`booking::cli`], prints the error and sets the exit code. Everything
//! else belongs to the library, where tests reach it.

use std::{process::ExitCode, time::Duration};

use booking::{
    cli::{Cli, complain},
    environment,
    fault::Fault,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the process waits at its end for a blocking task, such as the lookup of a host name,
/// whose result is no longer needed.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let empty = environment::forget_empty().map_err(|it| {
        Fault::Config(format!(
            "cannot restart without the variables that are set but empty ({it}): unset them"
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
    let runtime = runtime.map_err(|it| Fault::Config(format!("cannot start: {it}")))?;
    let ended = runtime.block_on(cli.run());
    runtime.shutdown_timeout(LEFT_BEHIND);
    ended
}
