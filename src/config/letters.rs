//! What is printed on receipts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::email;

/// The letterhead of receipts, besides their sender.
#[derive(Clone, Debug, Args)]
pub struct LetterArgs {
    /// E-mail address that receipts name for questions, and to which a reply goes [default: none]
    #[arg(long, env = "BOOKING_MAIL_CONTACT", value_name = "ADDRESS", value_parser = contact)]
    pub mail_contact: Option<String>,

    /// The schedule of seats, from which a receipt has the airports and the time of departure: a
    /// JSON file, or `sample`. Without it a receipt says the flight and its date
    #[arg(long, env = "BOOKING_FLIGHTS", value_name = "FILE|sample")]
    pub flights: Option<String>,

    /// Whether a receipt has a PDF attached [default: on, and off for --mailer folder]
    #[arg(long, env = "BOOKING_MAIL_PDF", value_enum)]
    pub mail_pdf: Option<Attached>,

    /// Folder of fonts (.ttf, .otf, .ttc) for names that the built-in font cannot print in a PDF,
    /// such as Chinese or Arabic. Text and HTML need none
    #[arg(long, env = "BOOKING_MAIL_FONTS", value_name = "DIR")]
    pub mail_fonts: Option<PathBuf>,
}

/// Whether something is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attached {
    /// It is attached
    On,
    /// It is not
    Off,
}

fn contact(text: &str) -> Result<String, String> {
    email::parse(text).map_err(|it| format!("expected {it}"))
}
