//! Sends receipts through a mail server. Connections are kept and used again. A receipt must never
//! count as sent before the server has answered that it has all of its text.
//!
//! | what | module |
//! |---|---|
//! | where the server is, and who logs in | `server` |
//! | what an answer means, in one table | `answers` |
//!
//! If the connection breaks after the text was sent and before the answer, nobody knows whether the
//! server has the mail. Then it is sent again, with the same Message-ID: it is sent at least once.

mod answers;
#[cfg(test)]
mod answers_tests;
mod server;

pub use server::{BadServer, Encryption, Server};

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lettre::transport::smtp::{
    self,
    authentication::DEFAULT_MECHANISMS,
    client::AsyncSmtpConnection,
    commands::{Data, Mail, Rcpt, Rset},
    extension::ClientId,
    response::Severity,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use self::answers::{Failure, Step, Why};
use super::{
    Letterhead, MailError, Mailer, Meaning,
    letter::{self, Letter},
};
use crate::domain::receipt::Receipt;

/// The most connections at once: mail servers allow a client few.
const CONNECTIONS_MAX: usize = 4;
/// The most receipts that should be in hand at once: twice the connections, so that none waits for
/// long for its turn.
pub const IN_HAND: u16 = 8;
/// A connection that was not used for this long is not used again: the server may have closed it.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// The part of the time limit that one step may take, so that an error can name the step.
const STEP_SHARE: f64 = 0.8;
/// The part of the time limit that clearing a connection may take, after which it is given up.
const RESET_SHARE: f64 = 0.1;
/// The part of the time limit that a receipt may wait for a connection that is free.
const WAIT_SHARE: f64 = 0.5;
/// The answer to DATA that asks for the text.
const GO_ON: u16 = 354;

/// Sends receipts through one mail server.
#[derive(Debug)]
pub struct SmtpMailer {
    head: Arc<Letterhead>,
    server: Server,
    limit: Duration,
    /// One permit for each connection.
    turns: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that nobody uses, and since when.
struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Idle({:?})", self.since)
    }
}

/// No step took too long by itself, but all of them together did.
#[derive(Debug, thiserror::Error)]
#[error("the mail server did not take it in time")]
struct TooLate;

/// No connection became free in time.
#[derive(Debug, thiserror::Error)]
#[error("all connections to the mail server are in use")]
struct NoTurn;

impl SmtpMailer {
    /// A mailer that sends letters with this head through `server`. A receipt may take `limit`.
    #[must_use]
    pub fn new(server: Server, head: Arc<Letterhead>, limit: Duration) -> SmtpMailer {
        let (turns, idle) = (Semaphore::new(CONNECTIONS_MAX), Mutex::new(Vec::new()));
        SmtpMailer { head, server, limit, turns, idle }
    }

    async fn send_in_time(&self, receipt: &Receipt) -> Result<(), MailError> {
        let letter = letter::compose_apart(receipt, &self.head).await?;
        let turn = timeout(self.limit.mul_f64(WAIT_SHARE), self.turns.acquire()).await;
        // That we have few connections says nothing about the server.
        let Ok(_turn) = turn else { return Err(Meaning::Undecided.of(&receipt.number, NoTurn)) };
        let passed = self.deliver(&letter).await;
        passed.map_err(|it| it.meaning().of(&receipt.number, it))
    }

    async fn deliver(&self, letter: &Letter) -> Result<(), Failure> {
        if let Some(kept) = self.kept() {
            match self.pass(kept, letter).await {
                Err(failure) if failure.is_stale() => {}
                other => return other,
            }
        }
        let fresh = self.connect().await?;
        self.pass(fresh, letter).await
    }

    /// A connection that was kept and is likely to work.
    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|it| it.since.elapsed() < IDLE_MAX);
        idle.pop().map(|it| it.connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { connection, since: Instant::now() });
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let Server { host, port, encryption, tls, login } = &self.server;
        // Many mail servers refuse a client that names itself by a loopback address.
        let hello = ClientId::Domain(self.head.domain().to_owned());
        let address = (host.as_str(), *port);
        let implicit = (*encryption == Encryption::Implicit).then(|| tls.clone());
        let open = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(self.limit.mul_f64(STEP_SHARE)),
            &hello,
            implicit,
            None,
        );
        let mut connection = self.within(Step::Connect, open).await?;
        if *encryption == Encryption::StartTls {
            self.within(Step::StartTls, connection.starttls(tls.clone(), &hello)).await?;
        }
        if let Some(login) = login {
            self.within(Step::Login, connection.auth(DEFAULT_MECHANISMS, login)).await?;
        }
        Ok(connection)
    }

    /// Hands a letter over, and keeps the connection if it can be used again. If this is dropped in
    /// between, the connection is dropped with it.
    async fn pass(
        &self,
        mut connection: AsyncSmtpConnection,
        letter: &Letter,
    ) -> Result<(), Failure> {
        let passed = self.say(&mut connection, letter).await;
        let is_clear = match &passed {
            Ok(()) => true,
            Err(failure) if failure.keeps_connection() => {
                self.within(Step::Reset, connection.command(Rset)).await.is_ok()
            }
            Err(_) => false,
        };
        if is_clear {
            self.keep(connection);
        }
        passed
    }

    async fn say(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &Letter,
    ) -> Result<(), Failure> {
        let from = Mail::new(letter.envelope.from().cloned(), Vec::new());
        self.within(Step::From, connection.command(from)).await?;
        for to in letter.envelope.to() {
            let rcpt = Rcpt::new(to.clone(), Vec::new());
            self.within_about(Step::To, Some(to.user()), connection.command(rcpt)).await?;
        }
        let answer = self.within(Step::Data, connection.command(Data)).await?;
        // Any other code is not the answer to DATA: somebody on the way added a line. Somebody who
        // adds answers of the right codes behind the one to STARTTLS is not noticed. With implicit
        // TLS nobody can add any (docs/SECURITY.md).
        if !answer.has_code(GO_ON) {
            return Err(Failure { step: Step::Data, why: Why::NoAnswer });
        }
        let answer = self.within(Step::Text, connection.message(&letter.text)).await?;
        // The SMTP client takes 354 for a success, too.
        if answer.code().severity != Severity::PositiveCompletion {
            return Err(Failure { step: Step::Text, why: Why::NoAnswer });
        }
        Ok(())
    }

    /// One step, which has a time limit.
    async fn within<T>(
        &self,
        step: Step,
        asked: impl Future<Output = Result<T, smtp::Error>>,
    ) -> Result<T, Failure> {
        self.within_about(step, None, asked).await
    }

    /// The same, for a step that says the name of an addressee.
    async fn within_about<T>(
        &self,
        step: Step,
        name: Option<&str>,
        asked: impl Future<Output = Result<T, smtp::Error>>,
    ) -> Result<T, Failure> {
        let share = if step == Step::Reset { RESET_SHARE } else { STEP_SHARE };
        match timeout(self.limit.mul_f64(share), asked).await {
            Ok(answer) => answer.map_err(|it| Failure::of(step, name, &it)),
            Err(_) => Err(Failure { step, why: Why::Late }),
        }
    }
}

impl Mailer for SmtpMailer {
    async fn send(&self, receipt: &Receipt) -> Result<(), MailError> {
        let sent = timeout(self.limit, self.send_in_time(receipt)).await;
        sent.unwrap_or_else(|_| Err(Meaning::NotNow.of(&receipt.number, TooLate)))
    }
}
