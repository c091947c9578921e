//! Finds what is different between two sets of contracts, and what that does to events. Words for
//! people, such as descriptions, are not compared.

use serde_json::Value;

use super::{
    alter::{Alteration, Path},
    contract::{Contract, Hears},
    values::{candidates, may_allow_more, required, types},
};
use crate::domain::RoleName;

/// The most changes that are looked at.
const CHANGES_MAX: usize = 400;
/// Keywords that say nothing about which values are allowed.
const WORDS: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "examples",
    "default",
    "deprecated",
    "readOnly",
];
/// Keywords whose parts are compared one by one.
const PARTS: [&str; 3] = ["properties", "required", "items"];
/// What an event says about itself and every event of a topic says alike. The values of the other
/// fields are those of one event.
const ALIKE: [&str; 4] = ["specversion", "type", "datacontenttype", "dataschema"];

/// One difference, and what it does to the events of the topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The topic.
    pub topic: String,
    /// What is different, such as `data.amount.minor`, `source` or `subscribers`.
    pub field: String,
    /// How, such as `removed` or `type: integer → string`.
    pub how: String,
    /// What may become of an event, each to be tried alone.
    pub tries: Vec<Try>,
    /// Why nothing can be tried, if that is so although events may be different.
    pub untried: Option<&'static str>,
}

/// Something that may become of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// What becomes of it.
    pub alteration: Alteration,
    /// Whether it is surely nothing that an event may be today. If it is not, another ending may be
    /// the ending of another booking, and only a refusal counts.
    pub is_new: bool,
}

/// There are too many differences to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {CHANGES_MAX} differences: are these the contracts of this program?")]
pub struct TooMany;

/// The differences, in the order of the topics.
///
/// # Errors
/// If there are too many.
pub(super) fn changes(ours: &[Contract], there: &[Contract]) -> Result<Vec<Change>, TooMany> {
    let mut all = Vec::new();
    let named = |topic: &str, of: &[Contract]| of.iter().position(|it| it.topic == topic);
    for own in ours {
        let other = named(&own.topic, there).map(|at| &there[at]);
        let mut finder = Finder {
            topic: &own.topic,
            today: &own.example,
            example: other.map_or(&Value::Null, |it| &it.example),
            found: Vec::new(),
        };
        match other {
            Some(other) => finder.contract(own, other),
            None => finder.topic_is_gone(own),
        }
        all.append(&mut finder.found);
        if all.len() > CHANGES_MAX {
            return Err(TooMany);
        }
    }
    for other in there.iter().filter(|it| named(&it.topic, ours).is_none()) {
        all.push(Change {
            topic: other.topic.clone(),
            field: "topic".to_owned(),
            how: "added".to_owned(),
            tries: Vec::new(),
            untried: None,
        });
    }
    Ok(all)
}

struct Finder<'a> {
    topic: &'a str,
    /// An event of our contract.
    today: &'a Value,
    /// An event of the other contract.
    example: &'a Value,
    found: Vec<Change>,
}

impl Finder<'_> {
    fn add(&mut self, field: impl ToString, how: impl Into<String>, tries: Vec<Try>) {
        self.found.push(Change {
            topic: self.topic.to_owned(),
            field: field.to_string(),
            how: how.into(),
            tries,
            untried: None,
        });
    }

    fn topic_is_gone(&mut self, own: &Contract) {
        let deaf = roles(&own.subscribers).collect();
        self.add("topic", "removed", vec![new(Alteration::Unheard(deaf))]);
    }

    fn contract(&mut self, own: &Contract, other: &Contract) {
        if own.publisher != other.publisher {
            let source = source_of(&other.publisher).into();
            let says = Alteration::With(Path::default().field("source"), source);
            let how = format!("{} → {}", own.publisher, other.publisher);
            self.add("publisher", how, vec![new(says)]);
        }
        self.subscribers(&own.subscribers, &other.subscribers);
        self.attributes(&own.example, &other.example);
        self.schemas(&own.data, &other.data, &Path::default().field("data"));
    }

    fn subscribers(&mut self, own: &[Hears], other: &[Hears]) {
        for gone in own.iter().filter(|it| !other.contains(it)) {
            self.subscriber(&gone.role, "removed", |it| Alteration::Unheard(vec![it]));
        }
        for more in other.iter().filter(|it| !own.contains(it)) {
            self.subscriber(&more.role, "added", Alteration::HeardAlsoBy);
        }
    }

    fn subscriber(&mut self, name: &str, how: &str, does: impl Fn(RoleName) -> Alteration) {
        let role = RoleName::of_name(name);
        let tries = role.map(|it| new(does(it))).into_iter().collect();
        self.add("subscribers", format!("{name} {how}"), tries);
        if role.is_none() {
            self.cannot_try("it is a service of somebody else");
        }
    }

    /// What the examples say about themselves, around `data`.
    fn attributes(&mut self, own: &Value, other: &Value) {
        let names = |of: &Value| -> Vec<String> {
            of.as_object().into_iter().flatten().map(|it| it.0.clone()).collect()
        };
        let place = |name: &str| Path::default().field(name);
        for name in names(own) {
            let (before, Some(after)) = (&own[&name], other.get(&name)) else {
                self.add(&name, "removed", vec![new(Alteration::Without(place(&name)))]);
                continue;
            };
            let is_alike = ALIKE.contains(&name.as_str()) && before != after;
            let is_retyped = name != "data" && type_of(before) != type_of(after);
            // Of a source the publisher tells, unless the contract contradicts itself.
            let is_other = name == "source" && !self.is_said_by_a_client(before, after);
            if is_alike || is_retyped || is_other {
                let says = Alteration::With(place(&name), after.clone());
                self.add(&name, format!("{before} → {after}"), vec![new(says)]);
            }
        }
        for name in names(other).into_iter().filter(|it| own.get(it).is_none()) {
            let says = Alteration::With(place(&name), other[&name].clone());
            self.add(&name, "added", vec![new(says)]);
        }
    }

    /// Whether two sources are the same, or both of clients, who choose their own.
    fn is_said_by_a_client(&self, before: &Value, after: &Value) -> bool {
        let of_ours = |it: &Value| RoleName::ALL.iter().any(|role| *it == role.source());
        before == after || !of_ours(before) && !of_ours(after)
    }

    fn schemas(&mut self, own: &Value, other: &Value, path: &Path) {
        if own == other {
            return;
        }
        if !self.keywords(own, other, path) {
            return;
        }
        let fields = |of: &Value| of["properties"].as_object().cloned().unwrap_or_default();
        let (before, after) = (fields(own), fields(other));
        let requires = |of: &Value, name: &str| required(of).any(|it| it == name);
        for (name, schema) in &before {
            let place = path.field(name);
            let Some(then) = after.get(name) else {
                self.add(&place, "removed", vec![new(Alteration::Without(place.clone()))]);
                continue;
            };
            match (requires(own, name), requires(other, name)) {
                (true, false) => {
                    let without = vec![new(Alteration::Without(place.clone()))];
                    self.add(&place, "no longer required", without);
                }
                (false, true) => self.add(&place, "required", Vec::new()),
                (true, true) | (false, false) => {}
            }
            self.schemas(schema, then, &place);
        }
        for (name, schema) in after.iter().filter(|it| !before.contains_key(it.0)) {
            let place = path.field(name);
            // Whatever its value, no event has such a field today.
            self.values("added".to_owned(), &Value::Bool(false), schema, &place, true);
        }
        if let (Some(before), Some(after)) = (own.get("items"), other.get("items")) {
            self.schemas(before, after, &path.items());
        }
    }

    /// What is different here, apart from the parts. Whether the parts can be compared.
    fn keywords(&mut self, own: &Value, other: &Value, path: &Path) -> bool {
        let (Some(before), Some(after)) = (own.as_object(), other.as_object()) else {
            self.values("another schema".to_owned(), own, other, path, true);
            return false;
        };
        let names = before.keys().chain(after.keys().filter(|it| !before.contains_key(*it)));
        let is_retyped = types(own) != types(other);
        let is_part = |it: &str| PARTS.contains(&it) && !is_retyped;
        let (mut words, mut may_be_more) = (Vec::new(), false);
        for name in names.filter(|it| !WORDS.contains(&it.as_str()) && !is_part(it)) {
            let (own, other) = (before.get(name), after.get(name));
            if own == other {
                continue;
            }
            may_be_more |= may_allow_more(name, own, other);
            words.push(match (name.as_str(), own, other) {
                ("type", Some(own), Some(other)) => {
                    format!("type: {} → {}", unquoted(own), unquoted(other))
                }
                (name, None, _) => format!("{name} added"),
                (name, _, None) => format!("{name} removed"),
                (name, ..) => format!("other {name}"),
            });
        }
        if !words.is_empty() {
            self.values(words.join(", "), own, other, path, may_be_more);
        }
        !is_retyped
    }

    /// Other values in a place. `may_be_more`: whether some of them may not be there today.
    fn values(&mut self, how: String, own: &Value, other: &Value, path: &Path, may_be_more: bool) {
        let found = candidates(other, own, path.of(self.example), path.of(self.today));
        let tries: Vec<Try> = found
            .into_iter()
            .map(|it| Try {
                alteration: Alteration::With(path.clone(), it.value),
                is_new: it.is_new,
            })
            .collect();
        let nothing = tries.is_empty() && may_be_more;
        self.add(path, how, tries);
        if nothing {
            self.cannot_try("the example shows no value that is not there today");
        }
    }

    fn cannot_try(&mut self, why: &'static str) {
        if let Some(last) = self.found.last_mut() {
            last.untried = Some(why);
        }
    }
}

fn new(alteration: Alteration) -> Try {
    Try { alteration, is_new: true }
}

/// The roles of ours among these.
pub(super) fn roles(subscribers: &[Hears]) -> impl Iterator<Item = RoleName> {
    subscribers.iter().filter_map(|it| RoleName::of_name(&it.role))
}

/// What a publisher writes into its events as their source.
fn source_of(publisher: &str) -> String {
    RoleName::of_name(publisher)
        .map_or_else(|| format!("/booking/{publisher}"), |it| it.source().to_owned())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A type as people write it.
fn unquoted(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Array(all) => all.iter().map(unquoted).collect::<Vec<_>>().join(" or "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
