//! `just bench`: the four services as real processes over a small SNS and SQS on this machine,
//! measured.
//!
//! Read `run.rs` for what one run is, `plan.rs` for which runs there are, and `report/` for what is
//! made of them. `proxy.rs` stands between the services and the backend: what it counts is what AWS
//! would charge for.

#![allow(unreachable_pub, reason = "everything here is of one crate")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to who started it")]

mod backend;
mod bookings;
mod counts;
mod growth;
mod load;
mod loops;
mod observer;
mod pipeline;
mod place;
mod plan;
mod proc;
mod proxy;
mod report;
mod results;
mod run;
mod services;
mod single;
mod taken;
mod topology;
mod verify;

use clap::{Parser, Subcommand};

/// As the binary that is measured has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures booking and writes docs/BENCHMARKS.md
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    plan: plan::Args,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One setting, printed and not written down: for whoever tunes
    One(single::Args),
    /// All four services in one process, on the memory bus
    Pipeline {
        /// Where rows are, and what the payment provider and the mailer keep
        #[arg(long, value_enum, default_value = "sqlite")]
        kept: pipeline::StoredRow,
        /// How many bookings
        #[arg(long, default_value_t = 50_000)]
        bookings: usize,
        /// With a file for each role's log lines
        #[arg(long)]
        logs: bool,
        /// Behind so many that are stored already, with everything on disk
        #[arg(long, conflicts_with_all = ["kept", "logs"])]
        stored: Option<usize>,
    },
    /// A process of a yardstick loop
    #[command(hide = true)]
    Loop(loops::Args),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::One(args)) => single::print(&args),
        Some(Command::Pipeline { kept, bookings, logs, stored }) => {
            let figures = match stored {
                Some(stored) => pipeline::behind(stored, bookings)?,
                None => pipeline::run(bookings, kept, logs)?,
            };
            println!("{figures:?}");
            Ok(())
        }
        Some(Command::Loop(args)) => loops::run(&args),
        None => plan::measure(&cli.plan),
    }
}
