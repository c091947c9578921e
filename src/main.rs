//! `booking`: see [`booking::cli`].

use std::process::ExitCode;

use booking::{
    cli::{Cli, complain},
    environment,
    fault::Fault,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let ended = match environment::forget_empty() {
        Ok(()) => run(Cli::parse()),
        Err(it) => Err(Fault::Config(format!(
            "cannot begin anew without the variables that are set to nothing ({it}): unset them"
        ))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&fault);
            fault.exit_code()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(cli: Cli) -> Result<(), Fault> {
    cli.run().await
}
