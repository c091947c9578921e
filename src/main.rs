//! `booking`: see [`booking::cli`].

use std::process::ExitCode;

use booking::cli::{Cli, complain};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&fault);
            fault.exit_code()
        }
    }
}
