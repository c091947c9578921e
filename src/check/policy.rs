//! Reads from the policy of a queue which topics of SNS, or which rules of EventBridge, may deliver
//! to it. Not a simulation of IAM: it ignores `NotAction` and the like, and every condition but
//! that on the source.

use serde_json::Value;

use super::account::Carrier;

/// How the policy of a queue differs from what the queue needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderPolicy {
    /// The ARNs of the topics or rules that should be delivered, and cannot.
    pub(crate) shut_out: Vec<String>,
    /// The sources that can be delivered, and should not: ARNs, patterns, or everything.
    pub(crate) strangers: Vec<String>,
    /// Whether the other carrier may deliver as well, in its own name.
    pub(crate) other_carrier: bool,
}

/// The action of putting a message on a queue, in lower case.
const SEND: &str = "sqs:sendmessage";
/// The condition key of the topic or rule that a message comes from, in lower case.
const SOURCE: &str = "aws:sourcearn";

/// Compares the policy of a queue with the ARNs of the topics or rules that should be delivered to
/// it.
pub(crate) fn senders(
    policy: Option<&Value>,
    queue: &str,
    carrier: Carrier,
    wanted: &[String],
) -> SenderPolicy {
    let statements = policy.map(|it| list(&it["Statement"])).unwrap_or_default();
    let about: Vec<&Value> = statements.into_iter().filter(|it| concerns(it, queue)).collect();
    let effect = |it: &Value, wanted: &str| it["Effect"] == wanted;
    let is_ours = |it: &Value| is_everybodys(it) || is_of(it, carrier);
    let denied =
        about.iter().any(|it| effect(it, "Deny") && is_ours(it) && it.get("Condition").is_none());
    let allowed: Vec<&Value> = about.into_iter().filter(|it| effect(it, "Allow")).collect();
    let sources: Vec<Source> =
        allowed.iter().filter(|it| is_ours(it)).flat_map(|it| sources(it)).collect();
    let comes_through = |arn: &String| !denied && sources.iter().any(|it| it.lets(arn));
    SenderPolicy {
        shut_out: wanted.iter().filter(|it| !comes_through(it)).cloned().collect(),
        strangers: sources.iter().filter_map(|it| it.stranger(carrier, wanted)).collect(),
        other_carrier: allowed.iter().any(|it| is_of(it, carrier.other())),
    }
}

/// The topics or rules that a statement allows.
enum Source {
    Anywhere,
    Exactly(String),
    Like(String),
}

impl Source {
    fn lets(&self, arn: &str) -> bool {
        match self {
            Source::Anywhere => true,
            Source::Exactly(it) => it == arn,
            Source::Like(it) => like(it, arn),
        }
    }

    fn stranger(&self, carrier: Carrier, wanted: &[String]) -> Option<String> {
        match self {
            Source::Anywhere => Some(match carrier {
                Carrier::Sns => "any topic of any account".to_owned(),
                Carrier::EventBridge => "any rule of any account".to_owned(),
            }),
            Source::Exactly(it) | Source::Like(it) if wanted.contains(it) => None,
            Source::Exactly(it) | Source::Like(it) => Some(it.clone()),
        }
    }
}

/// Whether a statement is about putting messages on the queue.
fn concerns(statement: &Value, queue: &str) -> bool {
    let any_like = |name: &str, wanted: &str| {
        let texts = list(&statement[name]);
        texts.iter().filter_map(|it| it.as_str()).any(|it| like(&it.to_lowercase(), wanted))
    };
    any_like("Action", SEND) && any_like("Resource", &queue.to_lowercase())
}

/// Whether a statement is about everybody.
fn is_everybodys(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    principal == "*" || list(&principal["AWS"]).iter().any(|it| *it == "*")
}

/// Whether a statement names the carrier as principal.
fn is_of(statement: &Value, carrier: Carrier) -> bool {
    list(&statement["Principal"]["Service"]).iter().any(|it| *it == carrier.principal())
}

/// The sources that the conditions of a statement allow. A statement without such a condition
/// allows every source.
fn sources(statement: &Value) -> Vec<Source> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let mut found = Vec::new();
    let mut limited = false;
    for (operator, keys) in operators {
        let wildcards = operator.ends_with("ArnEquals") || operator.ends_with("Like");
        let exact = operator.ends_with("StringEquals");
        for (key, values) in keys.as_object().into_iter().flatten() {
            if !key.eq_ignore_ascii_case(SOURCE) || !(wildcards || exact) {
                continue;
            }
            limited = true;
            let texts = list(values).into_iter().filter_map(Value::as_str).map(str::to_owned);
            found.extend(texts.map(if wildcards { Source::Like } else { Source::Exactly }));
        }
    }
    if !limited {
        found.push(Source::Anywhere);
    }
    found
}

/// A value of a policy as a list: IAM writes a single value without brackets.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(it) => it.iter().collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
    }
}

/// Whether a text matches a pattern with `*` and `?`.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // The position of the last star, and of the text that is left when the star matches no more.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(it) if *it == b'?' || *it == text[read] => {
                at += 1;
                read += 1;
            }
            Some(_) | None => {
                let Some((behind, taken)) = star else { return false };
                star = Some((behind, taken + 1));
                at = behind + 1;
                read = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|it| *it == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-central-1:1:booking-seats";
    const SNS: &str = "sns.amazonaws.com";
    const ONE: &str = "arn:aws:sns:eu-central-1:1:booking-requested";
    const TWO: &str = "arn:aws:sns:eu-central-1:1:payment-ok";

    fn policy(principal: Value, condition: Value) -> Value {
        json!({"Statement": [{"Effect": "Allow", "Principal": principal,
            "Action": "sqs:SendMessage", "Resource": QUEUE, "Condition": condition}]})
    }

    #[track_caller]
    fn check(policy: &Value, shut_out: &[&str], strangers: &[&str]) {
        let wanted = [ONE.to_owned(), TWO.to_owned()];
        let found = senders(Some(policy), QUEUE, Carrier::Sns, &wanted);
        assert_eq!(
            (found.shut_out.as_slice(), found.strangers.as_slice()),
            (
                shut_out.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(),
                strangers.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(),
            ),
            "{policy}"
        );
        assert!(!found.other_carrier, "{policy}");
    }

    #[test]
    fn exactly_the_topics_that_should_come_through() {
        let sns = json!({"Service": SNS});
        for operator in ["ArnEquals", "ArnLike", "StringEquals", "StringLike"] {
            let both = json!({operator: {"aws:SourceArn": [ONE, TWO]}});
            check(&policy(sns.clone(), both.clone()), &[], &[]);
            check(&policy(json!("*"), both), &[], &[]);
            check(&policy(sns.clone(), json!({operator: {"aws:SourceArn": ONE}})), &[TWO], &[]);
        }
        let third = [ONE, TWO, "arn:aws:sns:eu-central-1:1:other"];
        let third = json!({"ArnEquals": {"AWS:SourceARN": third}});
        check(&policy(sns.clone(), third), &[], &["arn:aws:sns:eu-central-1:1:other"]);
        let pattern = "arn:aws:sns:eu-central-1:1:*";
        let all = json!({"ArnLike": {"aws:SourceArn": pattern}});
        check(&policy(sns.clone(), all), &[], &[pattern]);
        // StringEquals takes a star literally.
        let star = json!({"StringEquals": {"aws:SourceArn": pattern}});
        check(&policy(sns.clone(), star), &[ONE, TWO], &[pattern]);
        check(&policy(sns, Value::Null), &[], &["any topic of any account"]);
    }

    #[test]
    fn what_is_not_about_sns_and_sending_changes_nothing() {
        let both = json!({"ArnEquals": {"aws:SourceArn": [ONE, TWO]}});
        let person = json!({"AWS": "arn:aws:iam::1:role/operator"});
        check(&policy(person, Value::Null), &[ONE, TWO], &[]);
        check(&json!({}), &[ONE, TWO], &[]);
        assert_eq!(senders(None, QUEUE, Carrier::Sns, &[ONE.to_owned()]).shut_out, [ONE]);

        let mut whole = policy(json!({"Service": [SNS]}), both);
        let plain = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        whole["Statement"].as_array_mut().unwrap().push(plain);
        check(&whole, &[], &[]);
        let shut =
            json!({"Effect": "Deny", "Principal": "*", "Action": ["SQS:Send*"], "Resource": "*"});
        whole["Statement"].as_array_mut().unwrap().push(shut);
        check(&whole, &[ONE, TWO], &[]);
    }

    #[test]
    fn each_carrier_comes_through_by_its_own_principal_and_the_other_one_is_told() {
        let rule = "arn:aws:events:eu-central-1:1:rule/booking/booking-seats-payment-ok".to_owned();
        let condition = json!({"ArnEquals": {"aws:SourceArn": rule}});
        let events = json!({"Service": "events.amazonaws.com"});
        let found = |policy: &Value, carrier| {
            senders(Some(policy), QUEUE, carrier, std::slice::from_ref(&rule))
        };
        let mut whole = policy(events.clone(), condition.clone());
        assert_eq!(found(&whole, Carrier::EventBridge), SenderPolicy::default());
        let as_sns = found(&whole, Carrier::Sns);
        assert_eq!((as_sns.shut_out, as_sns.other_carrier), (vec![rule.clone()], true));

        // Everybody who has the source, so it is nobody else's.
        let everybody = policy(json!("*"), condition);
        assert_eq!(found(&everybody, Carrier::EventBridge), SenderPolicy::default());
        let anywhere = found(&policy(events, Value::Null), Carrier::EventBridge);
        assert_eq!(anywhere.strangers, ["any rule of any account"]);

        let topic = policy(json!({"Service": SNS}), json!({"ArnEquals": {"aws:SourceArn": ONE}}));
        whole["Statement"].as_array_mut().unwrap().push(topic["Statement"][0].clone());
        let other = SenderPolicy { other_carrier: true, ..SenderPolicy::default() };
        assert_eq!(found(&whole, Carrier::EventBridge), other);
    }

    #[test]
    fn a_pattern_takes_any_text_for_a_star_and_one_letter_for_a_question_mark() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b*", "abab", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
