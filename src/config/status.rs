//! The settings of whoever asks status, and of who may ask it. They never hold the token itself,
//! but only the place where it is.

use std::path::PathBuf;

use clap::{Args, builder::BoolishValueParser};

/// The token of the status service. The token itself is never on the command line.
#[derive(Clone, Debug, Args)]
pub struct StatusTokenArgs {
    /// File with the token that status wants from whoever asks it: 16 characters or more, such as
    /// the output of `openssl rand -hex 32`. BOOKING_STATUS_TOKEN can hold the token itself
    /// instead. A browser is asked for a password: it is the token, with any user name
    #[arg(long, env = "BOOKING_STATUS_TOKEN_FILE", value_name = "FILE")]
    pub status_token_file: Option<PathBuf>,
}

/// Who may ask the status service.
#[derive(Clone, Debug, Args)]
pub struct DoorArgs {
    #[command(flatten)]
    pub token: StatusTokenArgs,

    /// Let everybody who can reach the address see the bookings. Without it, status listens without
    /// a token only where this machine alone can reach it
    #[arg(long, env = "BOOKING_HTTP_OPEN", value_parser = BoolishValueParser::new())]
    pub http_open: bool,
}

/// Where the status service is.
#[derive(Clone, Debug, Args)]
pub struct StatusUrl {
    #[command(flatten)]
    pub token: StatusTokenArgs,

    /// URL of the status service
    #[arg(
        long = "status-url",
        env = "BOOKING_STATUS_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub url: String,
}
