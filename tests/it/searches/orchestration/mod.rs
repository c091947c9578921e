//! The state machine of `orchestration/booking.asl.json` with the real attendant, roles and rules:
//! every order of deliveries, every duplicate, every crash of a worker, every lost or late answer,
//! and time-outs at any moment, of one and two bookings.
//!
//! What can happen next in a world: a message that was sent is delivered (also one that was deleted
//! before, any number of times), and the worker deals with it to the end, or dies after any of its
//! operations, or one of them fails, done or not done; the task that an execution waits for times
//! out; the execution is aborted; the holds expire. After each, section H of
//! `docs/FAILURE-MATRIX.md` is checked, and at rest that every booking is at an ending of section
//! G.

mod asl;
mod deliveries;
mod ends;
mod scenarios;
mod world;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Instant,
};

use booking::runtime::give_back_delay;
use serde_json::json;

use self::{
    asl::{At, Machine},
    scenarios::{Guard, Scenario, asked_twice, charged, one},
    world::{Model, Move, World},
};
use crate::harness::say;

/// A search that gets larger than this is cut short, and has failed.
const STATES_MAX: usize = 20_000_000;

struct Size {
    states: usize,
    transitions: usize,
}

/// Goes through all worlds, breadth first, so that the way to a violation is a shortest one.
fn explore(scenario: &Scenario) -> Result<Size, String> {
    let (mut model, start) = Model::new(scenario);
    let mut numbers: HashMap<World, u32> = HashMap::from([(start.clone(), 0)]);
    let mut ways: Vec<(u32, Move)> = vec![(0, Move::Late)];
    let mut waiting = VecDeque::from([start]);
    let (mut endings, mut transitions) = (BTreeSet::new(), 0);
    let told = |model: &Model, ways: &[(u32, Move)], world: &World, at: u32, problem: String| {
        let (mut steps, mut at) = (Vec::new(), at);
        while at != 0 {
            let (before, step) = ways[at as usize];
            steps.push(format!("  {}\n", model.words(step)));
            at = before;
        }
        steps.reverse();
        format!("{}: {problem}\n{}then: {}", scenario.name, steps.concat(), model.describe(world))
    };
    while let Some(world) = waiting.pop_front() {
        let number = numbers[&world];
        let next = model.next(&world);
        let next = next.map_err(|it| told(&model, &ways, &world, number, it))?;
        if model.rests(&world) {
            let ending = model.ending(&world);
            endings.insert(ending.map_err(|it| told(&model, &ways, &world, number, it))?);
        }
        transitions += next.len();
        for (after, step) in next {
            if numbers.contains_key(&after) {
                continue;
            }
            let new = u32::try_from(ways.len()).expect("fewer than STATES_MAX");
            ways.push((number, step));
            numbers.insert(after.clone(), new);
            let checked = model.check(&after);
            checked.map_err(|it| told(&model, &ways, &after, new, it))?;
            assert!(ways.len() < STATES_MAX, "{}: cut short", scenario.name);
            waiting.push_back(after);
        }
    }
    let expected: BTreeSet<String> = scenario.endings.iter().map(|it| (*it).to_owned()).collect();
    if endings != expected {
        let name = scenario.name;
        return Err(format!("{name}: G the endings are {endings:#?}, expected {expected:#?}"));
    }
    Ok(Size { states: ways.len(), transitions })
}

#[test]
fn exhaustive_every_order_duplicate_crash_and_time_out_of_the_state_machine_ends_well() {
    let (begun, mut all, mut violations) = (Instant::now(), 0, Vec::new());
    let mut waiting = scenarios::all();
    // The last one is larger than all others together, and takes a minute without the optimiser.
    let left_out = if cfg!(debug_assertions) { waiting.pop() } else { None };
    for scenario in waiting {
        match explore(&scenario) {
            Ok(Size { states, transitions }) => {
                let name = scenario.name;
                say(&format!("{name}: {states} states, {transitions} transitions, complete"));
                all += states;
            }
            Err(violation) => violations.push(violation),
        }
    }
    let without = left_out.map(|it| format!(", debug profile: without `{}`", it.name));
    let (seconds, without) = (begun.elapsed().as_secs(), without.unwrap_or_default());
    say(&format!("the state machine: in all {all} states, {seconds} s{without}"));
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
}

#[test]
fn exhaustive_each_guard_of_the_state_machine_is_missed() {
    let without = |guard, ends: &str, scenario: Scenario| {
        let violation = explore(&Scenario { guard: Some(guard), ..scenario }).err();
        let violation = violation.unwrap_or_else(|| panic!("{guard:?}: nothing misses it"));
        say(&format!("without {guard:?}: {violation}"));
        assert!(violation.contains(ends), "{guard:?} is missed for another reason: {violation}");
    };
    without(Guard::NameAsId, "J5 a second execution for one request", asked_twice());
    let late = one("a time-out as an answer", &charged(), &["completed"]);
    // Charged and seated, and nobody sends the receipt.
    without(Guard::TimeOutIsNoAnswer, "confirmed (States.Timeout)", late);
    without(
        Guard::Memo,
        "A1 the second delivery is not a no-op",
        one("no memos", &charged(), &["completed"]),
    );
}

/// A redrive goes on where the execution failed, if nothing caught that.
#[test]
fn what_only_a_person_can_mend_fails_the_execution_where_it_is() {
    let machine = Machine::read();
    for state in machine.asking() {
        for error in ["Rejected", "SetAside", "SQS.SdkClientException"] {
            let (execution, _) = machine.start("b-1", json!({ "request": "sealed" }));
            let (name, token) = (state.to_owned(), "t".to_owned());
            let mut execution = execution.at(At::Waits { state: name, token });
            assert_eq!(machine.fail(&mut execution, error, ""), []);
            assert_eq!(execution.at, At::Failed(error.to_owned()), "{state}");
        }
    }
}

/// What a state reads, another one has written before it, on every way to it; only the request
/// comes from the input. So nobody can put an answer into the input.
#[test]
fn the_input_of_an_execution_is_its_request_and_nothing_else() {
    let machine = Machine::read();
    // By state: what is written before it, on every way.
    let mut written: HashMap<String, Option<BTreeSet<String>>> = HashMap::new();
    let start = machine.definition["StartAt"].as_str().unwrap().to_owned();
    let mut ways = vec![(start, BTreeSet::new())];
    while let Some((name, before)) = ways.pop() {
        let known = written.entry(name.clone()).or_default();
        let both = match known {
            Some(it) => it.intersection(&before).cloned().collect(),
            None => before,
        };
        if known.as_ref() == Some(&both) {
            continue;
        }
        *known = Some(both.clone());
        let state = &machine.states()[&name];
        let goes_on = |it: &serde_json::Value| {
            let mut after = both.clone();
            let path = it["ResultPath"].as_str().and_then(|it| it.strip_prefix("$."));
            after.extend(path.map(str::to_owned));
            it["Next"].as_str().map(|next| (next.to_owned(), after))
        };
        ways.extend(goes_on(state));
        ways.extend(state["Catch"].as_array().into_iter().flatten().filter_map(goes_on));
    }
    assert_eq!(written.len(), machine.states().len(), "every state is reached");
    for (name, before) in &written {
        let text = machine.states()[name]["Parameters"].to_string();
        for read in text.split("$.").skip(1).filter(|it| !it.starts_with('"')) {
            let read: String = read.chars().take_while(char::is_ascii_alphanumeric).collect();
            let contexts = ["Execution", "Task"];
            let comes = read == "request" || contexts.contains(&read.as_str());
            let there = before.as_ref().is_some_and(|it| it.contains(&read));
            assert!(comes || there, "{name} reads {read}, which the input could bring");
        }
    }
}

/// The queue's redelivery of the same token is the retry, so that nothing is asked anew while its
/// message is there. A message may be given back for a quarter of an hour, and no worker beats
/// then.
#[test]
fn every_task_that_waits_has_a_time_out_and_a_heartbeat_and_no_retry() {
    let machine = Machine::read();
    assert_eq!(machine.asking().len(), 6);
    let mut jitter = fastrand::Rng::with_seed(1);
    let pauses = (0..1000).map(|_| give_back_delay(u32::MAX, &mut jitter).as_secs());
    let given_back = pauses.max().unwrap();
    assert!((800..=900).contains(&given_back), "{given_back} is not the longest pause");
    for state in machine.asking() {
        let it = &machine.states()[state];
        let (heartbeat, timeout) = (&it["HeartbeatSeconds"], &it["TimeoutSeconds"]);
        let (heartbeat, timeout) = (heartbeat.as_u64().unwrap(), timeout.as_u64().unwrap());
        assert!(2 * given_back <= heartbeat && heartbeat < timeout, "{state}: {given_back}");
        assert!(it.get("Retry").is_none(), "{state}");
        let asks_again = |error: &str| {
            let catches = |it: &&serde_json::Value| {
                let names = it["ErrorEquals"].as_array().into_iter().flatten();
                names.into_iter().any(|it| it == error)
            };
            let catcher = it["Catch"].as_array().unwrap().iter().find(catches).unwrap();
            let again = &machine.states()[catcher["Next"].as_str().unwrap()];
            catcher["ResultPath"].is_null() && *again == json!({ "Type": "Pass", "Next": state })
        };
        assert!(asks_again("States.Timeout") && asks_again("States.HeartbeatTimeout"), "{state}");
    }
}
