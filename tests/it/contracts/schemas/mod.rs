//! The schemas of `topics/` against the decoder: what one of them takes, the other takes too, but
//! for what no schema can say ([`unsaid`]).
//!
//! The instances are made by others: hypothesis-jsonschema knows the schemas and nothing else. They
//! are the same in every run; BOOKING_SCHEMAS_SEED chooses others.

mod changes;
mod unsaid;

use std::{collections::BTreeMap, sync::OnceLock, thread};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use booking::{
    domain::{event::Kind, money::Currency},
    topics::{self, Topic},
    wire::{self, Incoming, Refusal},
};
use jsonschema::Validator;
use serde_json::{Value, json, value::RawValue};

use self::unsaid::Unsaid;
use crate::harness::{enveloped, incoming, intake, peer, root};

/// How many instances of each schema there are.
const INSTANCES: usize = 200;
/// How often each of them is changed in one place.
const CHANGES: usize = 12;
/// One case in this many may be one that no schema can decide.
const ONE_UNSAID_IN: usize = 50;

fn seed() -> u64 {
    let set = std::env::var("BOOKING_SCHEMAS_SEED").ok();
    set.map_or(17, |it| it.parse().expect("BOOKING_SCHEMAS_SEED is a number"))
}

/// The instances of a schema, as they were written.
fn instances(kind: Kind) -> impl Iterator<Item = &'static str> {
    static WRITTEN: OnceLock<Vec<(Kind, Box<RawValue>)>> = OnceLock::new();
    let all = WRITTEN.get_or_init(|| {
        let file = |kind: Kind| root().join(format!("topics/{kind}.json"));
        let mut command = peer("instances.py");
        command.arg(INSTANCES.to_string()).arg(seed().to_string()).args(Kind::ALL.map(file));
        let output = command.output().unwrap();
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "BOOKING_SCHEMAS_SEED={}: {says}", seed());
        let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
        lines.map(|it| serde_json::from_str(it).unwrap()).collect()
    });
    all.iter().filter(move |it| it.0 == kind).map(|it| it.1.get())
}

fn validator(topic: &Topic) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(&topic.data).unwrap()
}

/// The forms in which this `data` may come in, the usual ones first.
fn forms(kind: Kind, data: &str, instance: &Value) -> Vec<Incoming> {
    let id = instance["booking_id"].as_str();
    let event = |name: &str, data: &str| {
        let mut event = json!({"specversion": "1.0", "id": "e-1", "type": kind});
        if let Some(role) = kind.publisher() {
            event["source"] = json!(role.source());
            event["subject"] = json!(id.unwrap_or("b-1"));
            event["requestdigest"] = json!("0123456789abcdef".repeat(4));
        }
        let whole = event.to_string();
        format!("{},\"{name}\":{data}}}", whole.strip_suffix('}').unwrap())
    };
    let whole = event("data", data);
    let encoded = json!(STANDARD.encode(data)).to_string();
    let mut forms = Vec::new();
    if kind == Kind::BookingRequested {
        forms.push(enveloped(kind, data));
    }
    forms.extend([
        incoming(whole.clone()),
        enveloped(kind, &whole),
        enveloped(kind, &event("data_base64", &encoded)),
    ]);
    // Without a name there is nothing that the booking could be called by.
    if kind == Kind::BookingRequested && id.is_some() {
        forms.push(incoming(data.to_owned()));
    }
    forms
}

/// One schema beside the decoder, and how often they said what.
struct Trial {
    kind: Kind,
    schema: Validator,
    cases: usize,
    taken: usize,
    unsaid: BTreeMap<Unsaid, usize>,
    wrong: Vec<String>,
}

impl Trial {
    fn new(topic: &Topic) -> Trial {
        let (kind, schema) = (topic.topic, validator(topic));
        Trial { kind, schema, cases: 0, taken: 0, unsaid: BTreeMap::new(), wrong: Vec::new() }
    }

    /// Asks both about `data`, which came about by `what`, in so many of its forms.
    fn ask(&mut self, data: &str, what: &str, forms_max: usize) {
        // A number or an escape that this reader of JSON does not know is no instance of anything.
        let Ok(instance) = serde_json::from_str::<Value>(data) else { return };
        self.cases += 1;
        let allowed = self.schema.is_valid(&instance);
        self.taken += usize::from(allowed);
        for form in forms(self.kind, data, &instance).into_iter().take(forms_max) {
            let read = wire::decode(&form, &intake());
            if read.is_ok() == allowed {
                continue;
            }
            match read.as_ref().err().and_then(|it| Unsaid::of(it, &instance)) {
                Some(it) => *self.unsaid.entry(it).or_default() += 1,
                None => self.wrong.push(self.difference(&instance, read.err(), &form, what)),
            }
            return;
        }
    }

    fn difference(
        &self,
        instance: &Value,
        refusal: Option<Refusal>,
        form: &Incoming,
        what: &str,
    ) -> String {
        let schema = self.schema.validate(instance).err();
        let schema = schema.map(|it| format!("{}: {it}", it.instance_path()));
        let says = |it: Option<String>| it.unwrap_or_else(|| "yes".to_owned());
        let decoder = refusal.map(|it| it.to_string());
        format!("{what}\n  schema: {}\n  decoder: {}\n  {}", says(schema), says(decoder), form.body)
    }

    fn end(self, cases_min: usize) {
        let (kind, seed) = (self.kind, seed());
        let first: Vec<&str> = self.wrong.iter().take(12).map(String::as_str).collect();
        assert!(
            first.is_empty(),
            "{kind}, BOOKING_SCHEMAS_SEED={seed}: schema and decoder differ in {} of {} cases:\n{}",
            self.wrong.len(),
            self.cases,
            first.join("\n"),
        );
        assert!(self.cases >= cases_min, "{kind}: {} cases", self.cases);
        for (unsaid, count) in self.unsaid {
            let rare = count * ONE_UNSAID_IN < self.cases;
            assert!(rare, "{kind}, seed {seed}: {unsaid:?} {count} times in {}", self.cases);
        }
    }
}

/// One after the other for each topic, the topics beside each other.
fn of_each_topic(work: impl Fn(&Topic) + Sync) {
    thread::scope(|scope| {
        for topic in topics::all() {
            let work = &work;
            scope.spawn(move || work(&topic));
        }
    });
}

#[test]
fn what_a_schema_allows_is_taken_in_every_form() {
    of_each_topic(|topic| {
        let mut trial = Trial::new(topic);
        for data in instances(topic.topic) {
            trial.ask(data, "as it was made", usize::MAX);
            // Without escapes, which is another way through the decoder.
            let plain = serde_json::from_str::<Value>(data).unwrap().to_string();
            trial.ask(&plain, "as it was made, without escapes", usize::MAX);
        }
        // Or its patterns mean two things to two readers.
        assert_eq!(trial.taken, trial.cases, "{}: not all are instances", topic.topic);
        trial.end(2 * INSTANCES);
    });
}

#[test]
fn what_a_schema_refuses_is_refused_and_nothing_else_is() {
    of_each_topic(|topic| {
        let mut trial = Trial::new(topic);
        // Every field there is.
        let mut example = topic.example["data"].clone();
        example["booking_id"] = json!("b-1");
        for change in changes::all(&topic.data, &example) {
            trial.ask(&change.data, &change.what, 2);
        }
        let mut rng = fastrand::Rng::with_seed(seed());
        for data in instances(topic.topic) {
            let instance: Value = serde_json::from_str(data).unwrap();
            for _ in 0..CHANGES {
                let change = changes::one(&topic.data, &instance, &mut rng);
                trial.ask(&change.data, &change.what, 2);
            }
        }
        let refused = trial.cases - trial.taken;
        let both = trial.taken * 10 > trial.cases && refused * 10 > trial.cases;
        assert!(both, "{}: {} of {} are allowed", topic.topic, trial.taken, trial.cases);
        trial.end(INSTANCES * CHANGES);
    });
}

#[test]
fn the_currencies_of_a_schema_are_those_of_the_decoder() {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(|a| {
        letters().flat_map(move |b| letters().map(move |c| String::from_iter([a, b, c])))
    });
    let known: Vec<String> = codes.filter(|it| Currency::parse(it).is_ok()).collect();
    let mut found = 0;
    for topic in topics::all() {
        for amount in ["/properties/amount", "/properties/payment/properties/amount"] {
            let Some(amount) = topic.data.pointer(amount) else { continue };
            assert_eq!(amount["properties"]["currency"]["enum"], json!(known), "{}", topic.topic);
            found += 1;
        }
    }
    assert_eq!(found, 3, "topics with an amount");
}
