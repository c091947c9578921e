//! An interpreter of just those states that `orchestration/booking.asl.json` uses. It is a model
//! for tests: what it does not know, it refuses, so that the definition cannot use more than is
//! explored.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::harness::root;

/// The definition of a state machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub definition: Value,
}

/// One execution. Two that are equal do the same from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    pub name: String,
    pub at: At,
    data: Value,
    /// How many tasks it has asked for, so that each token is another.
    asked: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In this state, for the answer to the task with this token.
    Waits {
        state: String,
        token: String,
    },
    Succeeded,
    /// With this error.
    Failed(String),
}

/// A message that a state sends: to the queue with this URL, which is a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub queue: String,
    pub body: String,
}

impl Execution {
    /// The same execution, which stands somewhere else.
    pub fn at(self, at: At) -> Execution {
        Execution { at, ..self }
    }
}

const TELL: &str = "arn:${partition}:states:::sqs:sendMessage";
const ASK: &str = "arn:${partition}:states:::sqs:sendMessage.waitForTaskToken";
/// The fields that a state may have, by its type.
const FIELDS: [(&str, &[&str]); 2] = [
    (
        "Task",
        &[
            "Catch",
            "Comment",
            "End",
            "HeartbeatSeconds",
            "Next",
            "Parameters",
            "Resource",
            "ResultPath",
            "Retry",
            "TimeoutSeconds",
            "Type",
        ],
    ),
    ("Pass", &["Next", "Type"]),
];

impl Machine {
    /// The definition as it is in the repository.
    pub fn read() -> Machine {
        let path = root().join("orchestration/booking.asl.json");
        let text = std::fs::read_to_string(path).expect("the definition is in the repository");
        let machine = Machine { definition: serde_json::from_str(&text).expect("it is JSON") };
        for (name, state) in machine.states() {
            let kind = text_of(state, "Type");
            let known = FIELDS.iter().find(|(it, _)| *it == kind);
            let (_, fields) = known.unwrap_or_else(|| panic!("{name}: no model of a {kind}"));
            for field in state.as_object().unwrap().keys() {
                assert!(fields.contains(&field.as_str()), "{name}: no model of {field}");
            }
        }
        machine
    }

    pub fn states(&self) -> &Map<String, Value> {
        self.definition["States"].as_object().expect("there are states")
    }

    fn state(&self, name: &str) -> &Value {
        self.states().get(name).unwrap_or_else(|| panic!("there is no state {name}"))
    }

    /// The states that wait for an answer.
    pub fn asking(&self) -> BTreeSet<&str> {
        let asks = |state: &Value| state["Resource"] == ASK;
        self.states().iter().filter(|(_, it)| asks(it)).map(|(name, _)| name.as_str()).collect()
    }

    /// Starts an execution, and returns it with all that it sends until it waits.
    pub fn start(&self, name: &str, input: Value) -> (Execution, Vec<Sent>) {
        let (name, at) = (name.to_owned(), At::Succeeded);
        let mut started = Execution { name, at, data: input, asked: 0 };
        let sent = self.go(&mut started, text_of(&self.definition, "StartAt").to_owned());
        (started, sent)
    }

    /// The task that the execution waits for succeeds with this output.
    pub fn succeed(&self, execution: &mut Execution, output: Value) -> Vec<Sent> {
        let At::Waits { state, .. } = &execution.at else { panic!("it does not wait") };
        let state = self.state(&state.clone()).clone();
        put(&mut execution.data, &state["ResultPath"], output);
        self.go_on(execution, &state)
    }

    /// The task that the execution waits for fails.
    pub fn fail(&self, execution: &mut Execution, error: &str, cause: &str) -> Vec<Sent> {
        let At::Waits { state, .. } = &execution.at else { panic!("it does not wait") };
        let state = self.state(&state.clone()).clone();
        let catches = |it: &&Value| {
            let names = it["ErrorEquals"].as_array().expect("a catcher has names");
            let is_timeout = error == "States.Timeout" || error == "States.HeartbeatTimeout";
            names.iter().any(|it| it == error || (it == "States.TaskFailed" && !is_timeout))
        };
        let Some(catcher) = state["Catch"].as_array().and_then(|it| it.iter().find(catches)) else {
            execution.at = At::Failed(error.to_owned());
            return Vec::new();
        };
        let caught = json!({ "Error": error, "Cause": cause });
        put(&mut execution.data, &catcher["ResultPath"], caught);
        self.go(execution, text_of(catcher, "Next").to_owned())
    }

    fn go_on(&self, execution: &mut Execution, state: &Value) -> Vec<Sent> {
        if state["End"] == true {
            execution.at = At::Succeeded;
            return Vec::new();
        }
        self.go(execution, text_of(state, "Next").to_owned())
    }

    /// Enters a state, and goes on until the execution waits, pauses or ends.
    fn go(&self, execution: &mut Execution, name: String) -> Vec<Sent> {
        let state = self.state(&name).clone();
        match text_of(&state, "Type") {
            "Pass" => self.go_on(execution, &state),
            _ => {
                execution.asked += u32::from(state["Resource"] == ASK);
                let token = format!("{} {name} {}", execution.name, execution.asked);
                let context = json!({
                    "Execution": { "Name": execution.name },
                    "Task": { "Token": token },
                });
                let parameters = &state["Parameters"];
                let body = filled(&parameters["MessageBody"], &execution.data, &context);
                let queue = text_of(parameters, "QueueUrl").to_owned();
                let mut sent = vec![Sent { queue, body: body.to_string() }];
                if state["Resource"] == ASK {
                    execution.at = At::Waits { state: name, token };
                } else {
                    assert_eq!(state["Resource"], TELL);
                    assert!(state["ResultPath"].is_null(), "{name}: what SQS says is no result");
                    sent.extend(self.go_on(execution, &state));
                }
                sent
            }
        }
    }
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text in {field}: {value}"))
}

/// Puts a result at a path of the form `$.name`, or nowhere.
fn put(data: &mut Value, path: &Value, result: Value) {
    let Some(path) = path.as_str() else {
        assert!(path.is_null());
        return;
    };
    let name = path.strip_prefix("$.").expect("a path of one name");
    data[name] = result;
}

/// A payload template with its paths and functions filled in.
fn filled(template: &Value, data: &Value, context: &Value) -> Value {
    let Value::Object(fields) = template else { return template.clone() };
    let fill = |(name, value): (&String, &Value)| match name.strip_suffix(".$") {
        Some(name) => (name.to_owned(), evaluated(value.as_str().expect("a path"), data, context)),
        None => (name.clone(), filled(value, data, context)),
    };
    Value::Object(fields.iter().map(fill).collect())
}

fn evaluated(expression: &str, data: &Value, context: &Value) -> Value {
    let expression = expression.trim();
    if let Some(inner) = called(expression, "States.Array") {
        let all = arguments(inner).into_iter().map(|it| evaluated(it, data, context));
        return Value::Array(all.collect());
    }
    if let Some(inner) = called(expression, "States.StringToJson") {
        let text = evaluated(inner, data, context);
        return serde_json::from_str(text.as_str().expect("a text")).expect("a text that is JSON");
    }
    let (from, path) = match expression.strip_prefix("$$.") {
        Some(path) => (context, path),
        None => (data, expression.strip_prefix("$.").expect("a path")),
    };
    path.split('.').fold(from.clone(), |value, name| {
        let found = value.get(name).cloned();
        found.unwrap_or_else(|| panic!("{expression} is not there: States.Runtime"))
    })
}

fn called<'a>(expression: &'a str, function: &str) -> Option<&'a str> {
    expression.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

/// The arguments, split at the commas outside of parentheses.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                all.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    all.push(&text[from..]);
    all
}
