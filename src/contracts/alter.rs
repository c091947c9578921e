//! One change of an event on its way, and the place in the event that it is about.

use std::fmt;

use serde_json::Value;

use crate::domain::RoleName;

/// One step from a JSON value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// Each element of an array.
    Items,
}

/// A place in an event, such as `data.seats[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl Path {
    /// The place of a field below this one.
    #[must_use]
    pub fn field(&self, name: &str) -> Path {
        Path([self.0.as_slice(), &[Step::Field(name.to_owned())]].concat())
    }

    /// The place of all elements of the array here.
    #[must_use]
    pub fn items(&self) -> Path {
        Path([self.0.as_slice(), &[Step::Items]].concat())
    }

    /// The value here; of an array its first element.
    #[must_use]
    pub fn of<'v>(&self, event: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(event, |it, step| match step {
            Step::Field(name) => it.get(name),
            Step::Items => it.get(0),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if at == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Items => write!(f, "[]")?,
            }
        }
        Ok(())
    }
}

/// What becomes of the events of one topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Alteration {
    /// They lack a field.
    Without(Path),
    /// They have this value in a place.
    With(Path, Value),
    /// These roles do not hear them.
    Unheard(Vec<RoleName>),
    /// One more role hears them.
    HeardAlsoBy(RoleName),
}

impl Alteration {
    /// Changes an event. An event without the object around the place stays as it is.
    pub fn apply(&self, event: &mut Value) {
        match self {
            Alteration::Without(Path(steps)) => at(event, steps, None),
            Alteration::With(Path(steps), value) => at(event, steps, Some(value)),
            Alteration::Unheard(_) | Alteration::HeardAlsoBy(_) => {}
        }
    }

    /// The roles that hear the events, of those that do so today.
    #[must_use]
    pub fn heard_by(&self, today: &[RoleName]) -> Vec<RoleName> {
        match self {
            Alteration::Without(_) | Alteration::With(..) => today.to_vec(),
            Alteration::Unheard(deaf) => {
                today.iter().copied().filter(|it| !deaf.contains(it)).collect()
            }
            Alteration::HeardAlsoBy(role) => [today, &[*role]].concat(),
        }
    }
}

fn at(value: &mut Value, steps: &[Step], put: Option<&Value>) {
    match (steps, value) {
        ([Step::Field(name)], Value::Object(fields)) => {
            match put {
                Some(it) => fields.insert(name.clone(), it.clone()),
                None => fields.remove(name),
            };
        }
        ([Step::Items], Value::Array(items)) => match put {
            Some(it) => items.iter_mut().for_each(|item| *item = it.clone()),
            None => items.clear(),
        },
        ([Step::Field(name), rest @ ..], Value::Object(fields)) => {
            if let Some(it) = fields.get_mut(name) {
                at(it, rest, put);
            }
        }
        ([Step::Items, rest @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|it| at(it, rest, put));
        }
        _ => {}
    }
}
