//! A payment provider and a mail server for the services of a run, and what is there afterwards: in
//! the provider's own lists, and on the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use booking::{
    audit::Evidence,
    domain::{
        RoleName,
        ids::BookingId,
        money::{Currency, Money},
    },
    durability::Durability,
    gateway::simulated::Movement,
    store::sqlite::Engine,
    wiring::store_file,
};

use crate::harness::{KEY, Mail, MailServer, Stripe};

/// How late a late answer of the provider comes, in seconds: later than payment waits for it.
const LATE_S: &str = "7";
/// How long a charge or a mail may take, on a machine with so much else to do.
const PATIENCE: &str = "5s";
/// How long a message is hidden, without a heartbeat: shorter than the nemesis stops a service.
const VISIBILITY: &str = "8s";

/// The most receipts in hand with SMTP. A strike adds at most this many copies: only for a receipt
/// in hand can it be unknown whether the server took it.
const IN_HAND_MAX: usize = 8;

/// Where the money and the mail of a run go.
pub struct Outside {
    stripe: Stripe,
    mail: MailServer,
}

/// The mails of a run, by receipt number.
pub struct Mails(BTreeMap<String, Vec<Mail>>);

impl Outside {
    pub fn start() -> Outside {
        Outside { stripe: Stripe::start(LATE_S), mail: MailServer::start() }
    }

    /// The settings of every service.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut settings = self.mail.environment();
        settings.extend([
            ("BOOKING_GATEWAY", "stripe".to_owned()),
            ("BOOKING_STRIPE_KEY", KEY.to_owned()),
            ("BOOKING_STRIPE_URL", self.stripe.url().to_owned()),
            ("BOOKING_EFFECT_TIMEOUT", PATIENCE.to_owned()),
            ("BOOKING_VISIBILITY", VISIBILITY.to_owned()),
        ]);
        settings
    }

    pub fn mails(&self) -> Mails {
        let mut all = BTreeMap::<String, Vec<Mail>>::new();
        for mail in self.mail.mails() {
            let number = mail.header("X-Receipt-Number").expect("each has its number").to_owned();
            all.entry(number).or_default().push(mail);
        }
        Mails(all)
    }

    /// What the services have stored, and beside it the provider's own lists and the mails.
    pub async fn evidence(&self, data: &Path) -> Evidence {
        let mut ledger = Vec::new();
        for (booking, moved) in self.stripe.moved().await {
            let lines = [("charge", moved.charges), ("refund", moved.refunds)];
            for (movement, of) in lines {
                for (minor, currency) in of {
                    let booking = BookingId::parse(&booking).unwrap();
                    let currency = Currency::parse(&currency.to_uppercase()).unwrap();
                    ledger.push(Movement {
                        movement: movement.to_owned(),
                        reference: format!("{movement} of {booking}"),
                        booking,
                        amount: Money::new(minor, currency).unwrap(),
                    });
                }
            }
        }
        let stored = |role: RoleName| {
            Engine::open_existing(&store_file(data, role), role, Durability::ProcessDeath)?.all()
        };
        Evidence::gather(stored, ledger, self.mails().numbers().into_iter().collect()).unwrap()
    }
}

impl Mails {
    /// The receipts that arrived.
    pub fn numbers(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }

    /// All copies of a receipt are one mail. Each strike against receipt adds at most one copy
    /// of each receipt that was in hand.
    pub fn check(&self, strikes: usize) -> String {
        let mut more = 0;
        for (number, copies) in &self.0 {
            for copy in copies {
                assert_eq!(copy.header("Message-ID"), copies[0].header("Message-ID"), "{number}");
                assert_eq!((&copy.text, &copy.to), (&copies[0].text, &copies[0].to), "{number}");
            }
            assert!(copies.len() <= 1 + strikes, "{number} arrived {} times", copies.len());
            more += copies.len() - 1;
        }
        assert!(more <= strikes * IN_HAND_MAX, "{more} more copies of {strikes} strikes");
        format!(
            "{} mails and {more} more copies of {strikes} strikes against receipt",
            self.0.len()
        )
    }
}
