//! What `booking topics diff` says of each field that is removed or gets another type, against what
//! then happens to the four real roles; and the table of docs/CONTRACTS.md, which is made of that.

mod stage;

use std::{collections::BTreeMap, sync::Arc};

use booking::{
    contracts::{Contract, STORIES, Turn, Verdict, diff, ours, played},
    domain::{RoleName, event::Kind},
};
use serde_json::{Value, json};
use stage::{Change, seen};

use crate::repository::documents::between;

/// One field of one schema, by its names from `data` on.
#[derive(Clone, Debug)]
struct Field {
    kind: Kind,
    names: Vec<String>,
    is_element: bool,
}

impl Field {
    /// As the table names it.
    fn shown(&self) -> String {
        let names = [&["data".to_owned()], self.names.as_slice()].concat().join(".");
        if self.is_element { format!("{names}[]") } else { names }
    }

    /// The schema that has this field, and the field's own name.
    fn around<'s>(&self, schema: &'s mut Value) -> (&'s mut Value, &str) {
        let (last, before) = self.names.split_last().unwrap();
        let around = before.iter().fold(schema, |it, name| &mut it["properties"][name]);
        (around, last)
    }

    /// The object in an event that has this field.
    fn object<'e>(&self, event: &'e mut Value) -> Option<&'e mut Value> {
        let (_, before) = self.names.split_last().unwrap();
        before.iter().try_fold(event.get_mut("data")?, |it, name| it.get_mut(name))
    }
}

/// Every field of every schema, and the elements of every list.
fn fields() -> Vec<Field> {
    fn below(kind: Kind, schema: &Value, names: &[String], all: &mut Vec<Field>) {
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let names = [names, std::slice::from_ref(name)].concat();
            all.push(Field { kind, names: names.clone(), is_element: false });
            if schema.get("items").is_some() {
                all.push(Field { kind, names: names.clone(), is_element: true });
            }
            below(kind, schema, &names, all);
        }
    }
    let mut all = Vec::new();
    for Contract { topic, data, .. } in ours() {
        below(Kind::of_topic(&topic).unwrap(), &data, &[], &mut all);
    }
    all
}

/// A value of another type than this schema allows, and a schema that allows that type alone.
fn other_type(schema: &Value) -> (Value, Value) {
    let is = |of: &str| schema["type"] == of || schema["type"][0] == of;
    match is("string") {
        true => (json!(7), json!({"type": "integer"})),
        false => (json!("x"), json!({"type": "string"})),
    }
}

/// The contracts without a field, and what that does to an event.
fn removed(field: &Field) -> (Vec<Contract>, Change) {
    let mut there = ours();
    let contract = there.iter_mut().find(|it| it.topic == field.kind.topic()).unwrap();
    let (around, name) = field.around(&mut contract.data);
    around["properties"].as_object_mut().unwrap().remove(name);
    around["required"].as_array_mut().unwrap().retain(|it| it != name);
    let field = field.clone();
    let change = move |event: &mut Value| {
        if let Some(it) = field.object(event).and_then(Value::as_object_mut) {
            it.remove(field.names.last().unwrap());
        }
    };
    change(&mut contract.example);
    (there, Arc::new(change))
}

/// The contracts with another type of a field, and what that does to an event.
fn retyped(field: &Field) -> (Vec<Contract>, Change) {
    let mut there = ours();
    let contract = there.iter_mut().find(|it| it.topic == field.kind.topic()).unwrap();
    let (around, name) = field.around(&mut contract.data);
    let mut schema = &mut around["properties"][name];
    if field.is_element {
        schema = &mut schema["items"];
    }
    let (value, other) = other_type(schema);
    *schema = other;
    let field = field.clone();
    let change = move |event: &mut Value| {
        if let Some(it) = field.object(event) {
            let here = &mut it[field.names.last().unwrap()];
            match field.is_element {
                true => here.as_array_mut().unwrap().iter_mut().for_each(|it| *it = value.clone()),
                false => *here = value.clone(),
            }
        }
    };
    // The example stays as it was: the type alone has to be enough.
    (there, Arc::new(change))
}

/// The one verdict about this field.
fn verdict(field: &Field, there: &[Contract]) -> Verdict {
    let mut all = diff(there).unwrap();
    assert_eq!(all.len(), 1, "{all:#?}");
    let it = all.remove(0);
    assert_eq!((it.change.topic.as_str(), &it.change.field), (field.kind.topic(), &field.shown()));
    assert_eq!(it.change.untried, None, "{field:?}");
    it
}

/// What really happens with the change: who sets the events aside, and which endings are others.
async fn happens(kind: Kind, change: &Change) -> (BTreeMap<RoleName, String>, Vec<Turn>) {
    let (mut refused_by, mut turns) = (BTreeMap::new(), Vec::new());
    for story in &STORIES {
        let before = seen(story, None).await;
        let after = seen(story, Some((kind, Arc::clone(change)))).await;
        for ((role, of), why) in after.set_aside {
            assert_eq!(of, kind, "{}: {role} set aside something else: {why}", story.name);
            refused_by.entry(role).or_insert(why);
        }
        for (role, (from, to)) in
            RoleName::ALL.into_iter().zip(before.ends.into_iter().zip(after.ends))
        {
            if from != to {
                turns.push(Turn { story: story.name, role, from, to });
            }
        }
    }
    (refused_by, turns)
}

#[tokio::test]
async fn without_a_change_the_stories_end_alike_and_say_every_event() {
    let mut said = Vec::new();
    for story in &STORIES {
        let (told, real) = (played(story, None), seen(story, None).await);
        assert_eq!(told.ends, real.ends, "{}", story.name);
        assert!(told.set_aside.is_empty() && real.set_aside.is_empty(), "{}", story.name);
        said.extend(told.said);
    }
    assert!(Kind::ALL.iter().all(|it| said.contains(it)), "{said:?}");
    assert_eq!(diff(&ours()), Ok(Vec::new()));
}

/// A row of the table: the fields with the same verdict share one.
type Rows = Vec<(Kind, &'static str, Vec<String>, String, String)>;

fn add(rows: &mut Rows, field: &Field, what: &'static str, verdict: &Verdict) {
    let roles: Vec<&str> = verdict.broken().iter().map(|it| it.as_str()).collect();
    let breaks = if roles.is_empty() { "nobody".to_owned() } else { roles.join(", ") };
    let mut endings = String::new();
    for story in STORIES.map(|it| it.name) {
        let turns: Vec<String> = verdict
            .turns
            .iter()
            .filter(|it| it.story == story)
            .map(|it| format!("{}: {} → {}", it.role, it.from, it.to))
            .collect();
        if !turns.is_empty() {
            let gap = if endings.is_empty() { "" } else { "<br>" };
            endings.push_str(&format!("{gap}*{story}*: {}", turns.join("; ")));
        }
    }
    let shown = format!("`{}`", field.shown());
    let same = rows
        .iter_mut()
        .find(|it| (it.0, it.1, &it.3, &it.4) == (field.kind, what, &breaks, &endings));
    match same {
        Some(it) => it.2.push(shown),
        None => rows.push((field.kind, what, vec![shown], breaks, endings)),
    }
}

/// The verdict on each field that is removed or retyped is what happens to the real roles, and
/// docs/CONTRACTS.md has it.
#[tokio::test]
async fn the_verdict_on_each_field_is_what_happens_to_the_four_roles() {
    let (mut rows, mut judged) = (Rows::new(), 0);
    for field in fields() {
        let changes = [
            ("removed", (!field.is_element).then(|| removed(&field))),
            ("another type", Some(retyped(&field))),
        ];
        for (what, change) in changes {
            let Some((there, change)) = change else { continue };
            let told = verdict(&field, &there);
            let (refused_by, turns) = happens(field.kind, &change).await;
            let place = format!("{} {} {what}", field.kind, field.shown());
            let roles: Vec<RoleName> = refused_by.keys().copied().collect();
            let said: Vec<RoleName> = told.refused_by.keys().copied().collect();
            assert_eq!(said, roles, "{place}");
            assert_eq!(told.turns, turns, "{place}");
            for (role, why) in refused_by {
                let said = &told.refused_by[&role];
                assert!(why.contains(said.as_str()), "{place}: {role} says {why:?}, not {said:?}");
            }
            add(&mut rows, &field, what, &told);
            judged += 1;
        }
    }
    assert!(judged > 80, "only {judged} changes were judged");
    let mut table =
        "| topic | field | change | breaks | endings |\n|---|---|---|---|---|\n".to_owned();
    for (kind, what, fields, breaks, endings) in rows {
        let (fields, endings) = (
            fields.join(", "),
            match endings.as_str() {
                "" => "as before".to_owned(),
                _ => endings,
            },
        );
        table.push_str(&format!("| `{kind}` | {fields} | {what} | {breaks} | {endings} |\n"));
    }
    let shown = crate::repository::documents::document("docs/CONTRACTS.md");
    assert!(between(&shown, "breaks") == table, "docs/CONTRACTS.md must have this table:\n{table}");
}
