//! What the command line says about itself to shells and to `man`. All of it is derived from the
//! arguments, so that it never differs from `--help`.

use std::{fs, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Fault, out, say};

/// What `booking` prints without a command.
pub(super) const WELCOME: &str = "\
Airline seat booking by four choreographed services over SNS and SQS.

Three commands to try:
  booking demo             bookings going through all four services, in this process, without AWS;
                           `booking demo --serve` goes on, and shows them on a page
  booking topics           which service publishes each event, and which services hear it
  booking request --help   how to publish a booking request; `booking show` then says how it stands

`booking --help` lists all commands.
";

/// `booking completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell for which to print them
    shell: Shell,
}

/// `booking man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Command whose page to print, such as `show` or `dlq ls`; without one, the page of booking
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
    /// Write the pages of all commands into this folder, which must exist
    #[arg(long, value_name = "DIR", conflicts_with = "path")]
    folder: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs, mut booking: Command) -> Result<(), Fault> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut booking, "booking", &mut text);
    printed(text)
}

/// Prints one page, or writes all of them.
pub(super) fn man(args: &ManArgs, mut booking: Command) -> Result<(), Fault> {
    if let Some(folder) = &args.folder {
        let unwritable = |it: std::io::Error| {
            Fault::Config(format!("cannot write to {} (--folder): {it}", folder.display()))
        };
        fs::read_dir(folder).map_err(unwritable)?;
        clap_mangen::generate_to(booking, folder).map_err(unwritable)?;
        return say(&format!("read one with: man {}/booking-show.1", folder.display()));
    }
    booking.build();
    let (mut command, mut name) = (booking, "booking".to_owned());
    for step in &args.path {
        let Some(next) = command.find_subcommand(step).cloned() else {
            let has: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            return Err(Fault::Usage(match has.is_empty() {
                true => format!("`{name}` has no commands, so no `{step}`"),
                false => format!("`{name}` has no command `{step}`, but {}", has.join(", ")),
            }));
        };
        name = format!("{name} {}", next.get_name());
        command = next;
    }
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.display_name(name.replace(' ', "-")));
    page.render(&mut text).map_err(|it| Fault::Internal(format!("the page: {it}")))?;
    printed(text)
}

fn printed(text: Vec<u8>) -> Result<(), Fault> {
    out(&String::from_utf8(text).map_err(|it| Fault::Internal(it.to_string()))?)
}
