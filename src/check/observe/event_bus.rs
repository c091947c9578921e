//! Observes the event bus, its rules and their targets, as EventBridge describes them. This must
//! never change any of them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_eventbridge::{
    Client,
    types::{Rule, RuleState, Target},
};

use serde_json::Value;

use super::answer::{PAGES_MAX, filter, present};
use crate::{
    aws::{Home, Names, Right},
    bus::BusError,
    check::account::{Form, Subscription, Topics, Via},
    domain::event::Kind,
    topics,
};

/// The most rules or targets of one page: the most that EventBridge allows.
const PAGE_MAX: i32 = 100;

/// The rules that `topics/` has, by topic, with all their targets; and of all other rules, the
/// targets with the name of one of these queues. Other targets are no concern of this check. Both
/// are empty if the bus does not exist. The policy of the bus comes last.
pub(super) async fn observe(
    events: &Client,
    queues: &BTreeSet<String>,
    names: &Names,
    home: &Home,
) -> Result<(Topics, Vec<Subscription>, Option<Value>), BusError> {
    let (bus, arn) = (names.event_bus(), home.event_bus_arn(names));
    let there = events.describe_event_bus().name(&bus).send().await;
    let right = Right { action: "events:DescribeEventBus", resource: arn };
    let Some(there) = present("look at", &bus, right, there)? else {
        return Ok((Topics::new(), Vec::new(), None));
    };
    let policy = there.policy.as_deref().filter(|it| !it.is_empty()).map(filter);
    let wanted = rules_of_subscribers(names);
    let mut topics: Topics = Kind::ALL.into_iter().map(|it| (it, Vec::new())).collect();
    let mut strangers = Vec::new();
    for rule in rules(events, &bus).await? {
        let Some(targets) = targets(events, &bus, &rule).await? else { continue };
        let found: Vec<Subscription> = if targets.is_empty() {
            vec![subscription(&rule, None)]
        } else {
            targets.into_iter().map(|it| subscription(&rule, Some(it))).collect()
        };
        match rule.name.as_ref().and_then(|it| wanted.get(it)) {
            Some(topic) => topics.entry(*topic).or_default().extend(found),
            None => {
                strangers.extend(found.into_iter().filter(|it| {
                    queues.contains(it.endpoint.rsplit(':').next().unwrap_or_default())
                }))
            }
        }
    }
    Ok((topics, strangers, policy))
}

/// The names of the rules by which roles and guests hear their topics.
fn rules_of_subscribers(names: &Names) -> BTreeMap<String, Kind> {
    let mut rules = BTreeMap::new();
    for topic in topics::all() {
        let kind = topic.topic;
        rules.extend(topic.listeners().map(|(name, _)| (names.rule(name, kind), kind)));
    }
    rules
}

/// All rules on the bus.
async fn rules(events: &Client, bus: &str) -> Result<Vec<Rule>, BusError> {
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let list = events.list_rules().event_bus_name(bus).limit(PAGE_MAX).set_next_token(token);
        let page = list.send().await;
        // IAM knows no resource for this action.
        let right = Right { action: "events:ListRules", resource: "*".to_owned() };
        let Some(page) = present("list the rules of", bus, right, page)? else { break };
        found.extend(page.rules.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(found)
}

/// The targets of a rule; `None` when it was deleted meanwhile.
async fn targets(events: &Client, bus: &str, rule: &Rule) -> Result<Option<Vec<Target>>, BusError> {
    let name = rule.name.as_deref().unwrap_or_default();
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let list = events.list_targets_by_rule().event_bus_name(bus).rule(name).limit(PAGE_MAX);
        let page = list.set_next_token(token).send().await;
        let resource = rule.arn.clone().unwrap_or_else(|| "*".to_owned());
        let right = Right { action: "events:ListTargetsByRule", resource };
        let Some(page) = present("list the targets of", name, right, page)? else {
            return Ok(None);
        };
        found.extend(page.targets.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(Some(found))
}

/// A rule with one of its targets, or with none.
fn subscription(rule: &Rule, target: Option<Target>) -> Subscription {
    let form = target.as_ref().map_or(Form::Envelope, form);
    let (target, endpoint, dead_letters) = match target {
        None => (String::new(), String::new(), None),
        Some(it) => (it.id, it.arn, it.dead_letter_config.and_then(|it| it.arn)),
    };
    let name = rule.name.clone().unwrap_or_default();
    Subscription {
        via: Via::Rule { name, target, enabled: rule.state != Some(RuleState::Disabled) },
        endpoint,
        form,
        dead_letters,
        filter: rule.event_pattern.as_deref().map(filter),
    }
}

/// What the settings of a target make of an event.
fn form(target: &Target) -> Form {
    // The path `$` is the whole envelope.
    let path = target.input_path.as_deref().filter(|it| *it != "$");
    if target.input_transformer.is_some() {
        Form::Changed("InputTransformer")
    } else if path.is_some() {
        Form::Changed("InputPath")
    } else if target.input.is_some() {
        Form::Changed("Input")
    } else {
        Form::Envelope
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::types::{DeadLetterConfig, InputTransformer, builders::TargetBuilder};
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:1:booking-seats";

    fn rule() -> Rule {
        let rule = Rule::builder().name("r").state(RuleState::Enabled);
        rule.event_pattern(r#"{ "detail-type" : ["payment-ok"] }"#).build()
    }

    fn target() -> TargetBuilder {
        let dead = DeadLetterConfig::builder().arn("arn:dead").build();
        Target::builder().id("seats").arn(QUEUE).dead_letter_config(dead)
    }

    #[test]
    fn a_rule_with_a_target_is_a_subscription_and_one_without_goes_nowhere() {
        let seen = subscription(&rule(), Some(target().build().unwrap()));
        let via = |target: &str, enabled| Via::Rule {
            name: "r".to_owned(),
            target: target.to_owned(),
            enabled,
        };
        let well = Subscription {
            via: via("seats", true),
            endpoint: QUEUE.to_owned(),
            form: Form::Envelope,
            dead_letters: Some("arn:dead".to_owned()),
            filter: Some(json!({"detail-type": ["payment-ok"]})),
        };
        assert_eq!(seen, well);
        let mut off = rule();
        off.state = Some(RuleState::Disabled);
        let seen = subscription(&off, None);
        let (endpoint, dead_letters) = (String::new(), None);
        assert_eq!(seen, Subscription { via: via("", false), endpoint, dead_letters, ..well });
    }

    #[test]
    fn each_setting_that_changes_what_arrives_is_named() {
        let form = |it: TargetBuilder| super::form(&it.build().unwrap());
        let other = InputTransformer::builder().input_template("<x>").build().unwrap();
        assert_eq!(form(target().input_path("$")), Form::Envelope);
        assert_eq!(form(target().input_path("$.detail")), Form::Changed("InputPath"));
        assert_eq!(form(target().input("{}")), Form::Changed("Input"));
        assert_eq!(form(target().input_transformer(other)), Form::Changed("InputTransformer"));
    }

    #[test]
    fn a_pattern_that_is_no_json_is_not_taken_for_none() {
        let mut odd = rule();
        odd.event_pattern = Some("{".to_owned());
        assert_eq!(subscription(&odd, None).filter, Some(json!("{")));
        odd.event_pattern = None;
        assert_eq!(subscription(&odd, None).filter, None);
    }
}
