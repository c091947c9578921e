//! `booking lambda`: one of the services as a function of AWS Lambda. Only reads the arguments.

use clap::Subcommand;

use super::Fault;
use crate::services::{Compute, payment, receipt, seats, status};

/// Which service the function is.
#[derive(Debug, Subcommand)]
pub enum Function {
    /// The service that books the seats
    Seats(seats::SeatsArgs),
    /// The service that takes the money
    Payment(payment::PaymentArgs),
    /// The service that sends the receipt
    Receipt(receipt::ReceiptArgs),
    /// The service that says how a booking stands; its function URL answers the API of status
    Status(status::StatusArgs),
}

impl Function {
    pub(super) async fn run(self) -> Result<(), Fault> {
        match self {
            Function::Seats(args) => seats::run(args, Compute::Lambda).await,
            Function::Payment(args) => payment::run(args, Compute::Lambda).await,
            Function::Receipt(args) => receipt::run(args, Compute::Lambda).await,
            Function::Status(args) => status::run(args, Compute::Lambda).await,
        }
    }
}
