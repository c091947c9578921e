//! `just bench`: runs the four services as real processes, over a small SNS and SQS on this
//! machine, and measures them.
//!
//! Read `run.rs` for one run, `plan.rs` for the list of runs, and `report/` for the report about
//! them. `proxy.rs` stands between the services and the backend, and counts the requests that AWS
//! would charge for. The bench must never report a figure of a run that lost or doubled a booking.

#![allow(unreachable_pub, reason = "this is one crate without users")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints to the terminal")]

mod backend;
mod bookings;
mod counts;
mod fifo;
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
mod setting;
mod single;
mod sizes;
mod taken;
mod topology;
mod verify;
mod watchers;

use clap::{Parser, Subcommand};

/// The allocator of the binary that is measured.
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
    /// The flag that `cargo bench` passes to every bench
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one setting, and prints its figures without writing a report
    One(single::Args),
    /// Runs the same bookings on standard and on FIFO topics and queues, and prints a table
    Fifo(fifo::Args),
    /// Runs all four services in one process, on the memory bus
    Pipeline {
        /// Where the services, the payment provider and the mailer store their data
        #[arg(long, value_enum, default_value = "sqlite")]
        kept: pipeline::StoredRow,
        /// Number of bookings
        #[arg(long, default_value_t = 50_000)]
        bookings: usize,
        /// Write the log lines of each role to a file
        #[arg(long)]
        logs: bool,
        /// Number of bookings that are stored before the run, with everything on disk
        #[arg(long, conflicts_with_all = ["kept", "logs"])]
        stored: Option<usize>,
    },
    /// Runs one process of a yardstick loop
    #[command(hide = true)]
    Loop(loops::Args),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::One(args)) => single::print(&args),
        Some(Command::Fifo(args)) => fifo::print(&args),
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
