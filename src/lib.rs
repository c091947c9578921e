//! Airline seat booking by four choreographed services over SNS topics with SQS fan-out queues.

pub mod domain;
