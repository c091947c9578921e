//! Builds the concrete parts of services and commands: stores, keys, rules, signals. Only this
//! module, `services`, `demo`, `audit` and `cli` may name the implementations of a seam. It must
//! not decide anything about a booking.

mod beginnings;
mod door;
mod faults;
mod gateways;
mod keys;
mod letterheads;
mod mailers;
mod parts;
mod places;
mod roads;
mod signals;
mod stores;

pub(crate) use beginnings::agree;
pub use beginnings::{begin, begin_tables, make_folder, new_deployment};
pub(crate) use door::{cannot_listen, door};
pub use faults::{aws_fault, table_fault};
pub(crate) use gateways::stripe;
pub use keys::{canary_key, seal_key, status_token};
pub use mailers::AnyMailer;
pub(crate) use mailers::{Around, Mailing};
pub use parts::{aws_config, gateway_in, seats_rules};
pub use places::{existing_store_file, gateway_file, read_store, receipts_folder, store_file};
pub use roads::{AnyOutbox, Chosen, Road, connect, intake, names, no_events, publisher};
pub(crate) use signals::Signals;
pub use stores::{AnyStore, Eye};
