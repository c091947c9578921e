//! `booking`: see [`booking::cli`].

use std::{io::Write, process::ExitCode};

use booking::cli::Cli;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let text = fault.to_string();
            if !text.is_empty() {
                // Nothing is left to be done about a stderr that is closed.
                let _ = writeln!(std::io::stderr(), "booking: {text}");
            }
            fault.exit_code()
        }
    }
}
