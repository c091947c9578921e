//! `booking topics`: prints the choreography in several forms, and says what other contracts break.

mod diff;
mod other;

use clap::{Args, Subcommand, ValueEnum};

use self::diff::DiffArgs;
use crate::{cli::terminal::print, fault::Fault, http, topics};

/// `booking topics`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TopicsArgs {
    #[command(subcommand)]
    #[allow(missing_docs)]
    pub command: Option<TopicsCommand>,
    /// Output format
    #[arg(long, value_enum, default_value_t = TopicsFormat::Table)]
    pub format: TopicsFormat,
}

/// The commands of `booking topics`.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Say what is different in other contracts, and whom that breaks
    ///
    /// Compares other topic files with those of this program: the topics, their publishers and
    /// subscribers, and each field of each schema. Each difference is put into the events of a few
    /// bookings, and the real decoders and rules of this program play them to their end. Exit code
    /// 1 says that a service would set events aside, or that a booking would end otherwise. Uses no
    /// AWS.
    Diff(DiffArgs),
}

/// Output formats of `booking topics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TopicsFormat {
    /// A Markdown table
    Table,
    /// A Mermaid flowchart
    Mermaid,
    /// An SVG picture of the publisher of each event and the services that hear it
    Svg,
    /// A Graphviz graph
    Dot,
    /// The files of topics/, with schemas and examples
    Json,
    /// An AsyncAPI 3 document of all topics, for the tools of other teams
    Asyncapi,
    /// An OpenAPI 3.1 document of what status answers over HTTP
    Openapi,
}

/// Prints the choreography, or runs the command below.
pub(super) fn run(args: TopicsArgs) -> Result<(), Fault> {
    if let Some(TopicsCommand::Diff(args)) = args.command {
        return diff::run(&args);
    }
    print(&match args.format {
        TopicsFormat::Table => topics::table(),
        TopicsFormat::Mermaid => topics::mermaid(),
        TopicsFormat::Svg => topics::svg(),
        TopicsFormat::Dot => topics::dot(),
        TopicsFormat::Json => topics::json(),
        TopicsFormat::Asyncapi => topics::asyncapi(),
        TopicsFormat::Openapi => format!("{:#}", http::openapi()),
    })
}
