//! Airline seat booking by four choreographed services over SNS topics and SQS queues.
//!
//! A client publishes one `booking-requested`. Four services hear it, each on its own queue.
//! *Seats* holds and sells the seats, *payment* charges the card and refunds it when there is no
//! seat, *receipt* sends the receipt once both are done, and *status* knows how each booking
//! stands. No coordinator tells them what to do: each service decides from the events that it has
//! heard, keeps its decision for good, and announces it as a new event. Messages may be delivered
//! twice, late or in any order, and every process may die at any line. Every booking still reaches
//! an end at which seat, money and receipt agree.
//!
//! This library is everything but the `main` of the binary `booking`, which runs any of the four
//! services and all commands.
//!
//! # Layout
//!
//! One line for each module, in reading order, from the domain outwards. A module may import only
//! modules above it in this list (a test reads the sources to keep it so).
//!
//! The domain, which is pure:
//!
//! - [`domain`]: what the services know and decide. Rows and an event go in, one step comes out.
//! - [`topics`]: the choreography: which events exist, who publishes them, and who subscribes.
//! - [`email`]: which e-mail addresses are accepted.
//! - [`outlook`]: what is still to come of a booking, as it follows from the rules.
//!
//! The wire format:
//!
//! - [`wire`]: bytes to checked events, and back: SNS envelope, CloudEvent, data, digest, tasks.
//!
//! Foundations, which know no booking:
//!
//! - [`clock`]: a wall clock and a steady clock, both as arguments.
//! - [`durability`]: what a completed write survives.
//! - [`metrics`]: what a process counts, for `/metrics`.
//! - [`traces`]: what a process tells about the way of each booking, for OpenTelemetry.
//! - [`address`]: checks a URL from a setting.
//! - `answer`: reads the answer of an HTTP server, up to a bound.
//! - `bounded`: reads a file that a setting names, up to a bound.
//! - `printable`: what of a text from elsewhere may reach a terminal.
//! - [`aws`]: what all AWS clients of a process share: endpoints, names, errors in plain words.
//!
//! The seams to the world outside, each with its implementations:
//!
//! - [`bus`]: an outbox to announce in and a queue to work from: on AWS, or in memory.
//! - [`store`]: rows that are read and conditionally written: SQLite, DynamoDB, or memory.
//! - [`gateway`]: a payment provider: a simulated one, and Stripe.
//! - [`mailer`]: a way to send a receipt: into a folder, to a mail server, to Amazon SES.
//!
//! The four services:
//!
//! - [`roles`]: each service's rules with the seam that they need: `seats`, `payment` and so on.
//!
//! What all four share:
//!
//! - [`runtime`]: unit of work, attendant and worker: from a message to its verdict and back.
//! - [`dead_letters`]: what an operator can see and do about messages that were set aside.
//! - [`vitals`]: how the services are doing, as far as their queues tell.
//! - [`check`]: compares the account, as it is, with `topics/`.
//! - [`contracts`]: what a change of `topics/` breaks, by the real decoder and rules.
//!
//! The process around them:
//!
//! - [`config`]: every setting, with its flag, environment variable, default and help text.
//! - [`environment`]: empty environment variables count as not set.
//! - [`telemetry`]: logs, as text or as JSON; sends the traces to a collector.
//! - [`fault`]: how a command fails, and its exit code.
//! - [`http`]: `/health`, `/metrics` and the API of status.
//! - [`page`]: the live page of status: the flow, the bookings, and one of them.
//! - [`wiring`]: builds the concrete parts: files, tables, keys.
//! - [`services`]: the four services, a file each: its arguments, and how it is put together.
//! - [`demo`]: all four services in one process over the memory bus, in steps or with bookings
//!   coming in.
//! - [`audit`]: compares everything that was stored, charged and sent with the invariants.
//! - [`cli`]: the command line, which is also the manual.
//!
//! For a first visit, [`domain::decision`], [`domain::payment`], [`roles`] and [`runtime`] are
//! enough.
//!
//! # What happens to one message
//!
//! 1. **Receive.** A [`Worker`] receives it by [`Queue::receive`]. SQS hides it from other
//!    receivers for its visibility timeout; a [`Lease`] tracks that time, and a heartbeat extends
//!    it. The worker hands the [`Incoming`] message to its [`Attendant`].
//! 2. **Open.** [`wire::open`] makes a [`Content`] of it: an event whose every part was checked, a
//!    canary, or a refusal that says what was expected where.
//! 3. **Decide.** The [`UnitOfWork`] reads the booking's row, or takes it to be missing if this is
//!    the first delivery of a request, which the commit confirms. If the row has a [`Memo`] of this
//!    event, the same messages are announced again, and nothing is decided. Otherwise it calls
//!    [`Rules::decide`], a pure function, and does what the returned [`Step`] says.
//! 4. **Claim.** For [`Step::Ask`], it first commits a row that says that the effect may have been
//!    asked for.
//! 5. **Effect.** Then [`Role::perform`] asks the payment provider or the mailer. The effect is
//!    idempotent, with the booking as its key. With its answer, the rules decide again.
//! 6. **Settle.** For [`Step::Settle`], [`Store::commit`] writes all changed rows in one
//!    transaction, and with them the memo: the exact messages that are announced. The write is
//!    conditional on the versions that were read. After a conflict, everything from step 3 on is
//!    done again.
//! 7. **Send.** The attendant passes each message to its [`Outbox`], and returns a [`Verdict`].
//! 8. **Delete.** For [`Verdict::Done`] the worker deletes the message. For [`Verdict::Retry`] it
//!    gives the message back, with a growing delay, and tells the [`Breaker`]. For
//!    [`Verdict::Poison`] it copies the message to the dead-letter queue, with the reason, and then
//!    deletes it.
//!
//! If the process dies after any of these steps, SQS delivers the message again. Before the settle,
//! its redelivery decides for the first time, and asks for the effect with the same key; payment
//! looks the charge up first. After the settle, it finds the memo and sends the same messages. Each
//! listener drops what it has heard before by its own memos.
//!
//! # What a panic does
//!
//! A handler that panics does not end its process. The panic becomes [`Verdict::Retry`]: the
//! message is given back, and the metric `booking_handler_panics_total` counts it. A log line in
//! the span of the delivery says where in the code the panic happened, but not its text, which may
//! quote a message. If every delivery of the message panics, SQS moves it to the dead-letter queue
//! in the end.
//!
//! A panic of a poller, the heartbeat, a sender of batches or the HTTP server ends the process,
//! since a service that lacks one of them would fail silently. Messages in flight are finished, and
//! the exit code is 70.
//!
//! # Ids such as A39 or D8
//!
//! An id of a letter and a number in a comment or above a test is a row of
//! `docs/FAILURE-MATRIX.md`. The matrix lists every order, duplicate and crash of a booking that
//! this code has to survive, with the only correct outcome. The letter is the section: A for
//! transport, B for intake, C to F for the four services, and so on.
//!
//! [`Attendant`]: runtime::Attendant
//! [`Breaker`]: runtime::Breaker
//! [`Content`]: wire::Content
//! [`Incoming`]: wire::Incoming
//! [`Lease`]: runtime::Lease
//! [`Memo`]: runtime::Memo
//! [`Outbox`]: bus::Outbox
//! [`Queue::receive`]: bus::Queue::receive
//! [`Role::perform`]: roles::Role::perform
//! [`Rules::decide`]: domain::decision::Rules::decide
//! [`Step`]: domain::decision::Step
//! [`Step::Ask`]: domain::decision::Step::Ask
//! [`Step::Settle`]: domain::decision::Step::Settle
//! [`Store::commit`]: store::Store::commit
//! [`UnitOfWork`]: runtime::UnitOfWork
//! [`Verdict`]: runtime::Verdict
//! [`Verdict::Done`]: runtime::Verdict::Done
//! [`Verdict::Poison`]: runtime::Verdict::Poison
//! [`Verdict::Retry`]: runtime::Verdict::Retry
//! [`Worker`]: runtime::Worker

pub mod address;
mod answer;
pub mod audit;
pub mod aws;
mod bounded;
pub mod bus;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contracts;
#[cfg(test)]
mod cost_tests;
pub mod dead_letters;
pub mod demo;
pub mod domain;
pub mod durability;
pub mod email;
pub mod environment;
pub mod fault;
pub mod gateway;
pub mod http;
pub mod mailer;
pub mod metrics;
pub mod outlook;
pub mod page;
mod printable;
pub mod roles;
pub mod runtime;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod topics;
pub mod traces;
pub mod vitals;
pub mod wire;
pub mod wiring;
