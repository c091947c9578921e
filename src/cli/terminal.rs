//! Writes to stdout and stderr: everything that a command prints, and every error. Only the log,
//! the line of progress and the screen of `top` are written elsewhere. Every text must go through
//! [`crate::printable`]. That lets line breaks pass, so a text from outside must be passed through
//! [`line()`] first.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::{
    fault::Fault,
    printable::{escaped, line, lines},
};

/// Prints to stdout.
pub(super) fn print(text: &str) -> Result<(), Fault> {
    write(&lines(text))
}

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string(value).map_err(|it| Fault::Internal(it.to_string()))?;
    write(&escaped(&text))
}

/// Prints a text exactly as it is: only for an operator who asked for that and was warned.
pub(super) fn print_unmasked(text: &str) -> Result<(), Fault> {
    write(text)
}

/// Writes to stdout. A reader that closes the pipe early, such as `head`, is no error.
fn write(text: &str) -> Result<(), Fault> {
    let mut stdout = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::Internal(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says on stderr why a command failed, in one line. Prints nothing if the text is empty: then the
/// command has printed its answer already.
pub fn complain(fault: &Fault) {
    let text = fault.to_string();
    if !text.is_empty() {
        // If stderr is closed, there is no place left to report that.
        let _ = writeln!(io::stderr(), "booking: {}", line(&text));
    }
}

/// Prints a line on stderr: a remark for the person at the terminal, kept apart from the output
/// that a program may read from stdout.
pub(super) fn say(text: &str) -> Result<(), Fault> {
    match writeln!(io::stderr(), "{}", line(text)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::Internal(format!("cannot write to stderr: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether there is a terminal to draw a screen on and to read keys from.
pub(super) fn has_screen() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether stderr is a terminal, so that a person may be watching it.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}
