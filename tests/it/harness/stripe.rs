//! A Stripe that fails as a test plans: localstripe in a process of its own, behind the front in
//! tests/it/peers/stripe.py. The harness must never leave these processes behind.

use std::{collections::BTreeMap, process::Child, sync::OnceLock, time::Duration};

use booking::{
    domain::ids::BookingId,
    gateway::stripe::{StripeGateway, StripeKey},
};
use serde_json::{Value, json};

use super::peers::{peer, started};

/// The key of the tests. localstripe accepts every key that begins with `sk_`.
pub const KEY: &str = "sk_test_of_the_tests";
/// How many seconds late an answer comes, if a test plans that.
const LATE_S: &str = "3";
/// How long the gateway waits for an answer: long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(2);

/// The provider, and the front that fails as planned.
pub struct Stripe {
    front: String,
    provider: String,
    /// The front ends when its stdin closes. This handle keeps it open, and the operating system
    /// closes it however the test process ends.
    _leash: Child,
}

/// The money of one booking in the provider's own lists: amounts in the minor unit, and currencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub charges: Vec<(u64, String)>,
    pub refunds: Vec<(u64, String)>,
    /// The states of the intents that took no money.
    pub others: Vec<String>,
}

impl Stripe {
    /// The Stripe that all tests of this run share.
    pub fn running() -> &'static Stripe {
        static RUNNING: OnceLock<Stripe> = OnceLock::new();
        RUNNING.get_or_init(|| Stripe::start(LATE_S))
    }

    /// Another one, whose late answers come so many seconds late.
    pub fn start(late_s: &str) -> Stripe {
        let (child, ports) = started(peer("stripe.py").arg(late_s));
        let url = |name: &str| format!("http://127.0.0.1:{}", ports[name]);
        Stripe { front: url("front"), provider: url("provider"), _leash: child }
    }

    /// The URL of the front.
    pub fn url(&self) -> &str {
        &self.front
    }

    /// A gateway to the front.
    pub fn gateway(&self) -> StripeGateway {
        self.gateway_with(KEY, LIMIT)
    }

    /// A gateway with another key or another time limit.
    pub fn gateway_with(&self, key: &str, limit: Duration) -> StripeGateway {
        let key = StripeKey::parse(key).unwrap();
        StripeGateway::new(&self.front.parse().unwrap(), &key, limit).unwrap()
    }

    /// Plans the faults of the next requests for a booking, one fault for each request.
    pub async fn plan(&self, booking: &BookingId, plan: &[(&str, &[&str])]) {
        let mut faults = json!({ "booking": booking.as_str() });
        for (question, of) in plan {
            faults[*question] = json!(of);
        }
        let ask = reqwest::Client::new().post(format!("{}/_faults", self.front)).json(&faults);
        assert!(ask.send().await.unwrap().status().is_success());
    }

    /// The faults that happened: booking, kind of request, fault.
    pub async fn struck(&self) -> Vec<(String, String, String)> {
        reqwest::get(format!("{}/_struck", self.front)).await.unwrap().json().await.unwrap()
    }

    /// The money of every booking, from the provider's own lists and not through the front.
    pub async fn moved(&self) -> BTreeMap<String, Moved> {
        let mut all: BTreeMap<String, Moved> = BTreeMap::new();
        let booking = |it: &Value| it["metadata"]["booking"].as_str().unwrap().to_owned();
        let money = |it: &Value| {
            (it["amount"].as_u64().unwrap(), it["currency"].as_str().unwrap().to_owned())
        };
        for intent in self.list("payment_intents").await {
            let moved = all.entry(booking(&intent)).or_default();
            match intent["status"].as_str().unwrap() {
                "succeeded" => moved.charges.push(money(&intent)),
                other => moved.others.push(other.to_owned()),
            }
        }
        for refund in self.list("refunds").await {
            // A refund that a person made names no booking.
            if refund["metadata"]["booking"].is_null() {
                continue;
            }
            all.entry(booking(&refund)).or_default().refunds.push(money(&refund));
        }
        all
    }

    /// The money of one booking.
    pub async fn moved_of(&self, booking: &BookingId) -> Moved {
        self.moved().await.remove(booking.as_str()).unwrap_or_default()
    }

    /// The intents of one booking, from the provider's own list, the newest first.
    pub async fn intents_of(&self, booking: &BookingId) -> Vec<Value> {
        let mut all = self.list("payment_intents").await;
        all.retain(|it| it["metadata"]["booking"] == booking.as_str());
        all
    }

    /// Gives money back as a person does in the dashboard: `amount` in the minor unit, or all.
    pub async fn give_back_by_hand(&self, intent: &Value, amount: Option<u64>) {
        let mut form = vec![("payment_intent", intent["id"].as_str().unwrap().to_owned())];
        form.extend(amount.map(|it| ("amount", it.to_string())));
        self.do_by_hand("refunds", &form).await;
    }

    /// Confirms an intent as the card holder does.
    pub async fn confirm_as_the_holder(&self, intent: &Value) {
        let text = |name: &str| intent[name].as_str().unwrap().to_owned();
        let path = format!("payment_intents/{}/_authenticate", text("id"));
        let form = [("client_secret", text("client_secret")), ("success", "true".to_owned())];
        self.do_by_hand(&path, &form).await;
    }

    async fn do_by_hand(&self, path: &str, form: &[(&str, String)]) {
        let url = format!("{}/v1/{path}", self.provider);
        let ask = reqwest::Client::new().post(url).bearer_auth(KEY).form(form);
        assert!(ask.send().await.unwrap().status().is_success());
    }

    async fn list(&self, what: &str) -> Vec<Value> {
        let ask = reqwest::Client::new()
            .get(format!("{}/v1/{what}?limit=1000000", self.provider))
            .bearer_auth(KEY);
        let list: Value = ask.send().await.unwrap().json().await.unwrap();
        assert_eq!(list["has_more"], false);
        list["data"].as_array().unwrap().clone()
    }
}
