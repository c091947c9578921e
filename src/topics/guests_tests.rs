//! What a guest in the files of `topics/` changes, and what it does not.

use super::{
    super::{all, asyncapi::asyncapi_of, dot_of, mermaid_of, picture, table_of},
    *,
};

const LOYALTY: &str = r#"{"guest": "loyalty", "does": "gives a point"}"#;

/// The topics as if the files of these two named this subscriber, too.
fn with(subscriber: &str) -> Result<Vec<Topic>, serde_json::Error> {
    let files: Vec<serde_json::Value> = serde_json::from_str(&super::super::json())?;
    let more: serde_json::Value = serde_json::from_str(subscriber)?;
    let read = |mut file: serde_json::Value| {
        if ["receipt-sent", "payment-refunded"]
            .map(serde_json::Value::from)
            .contains(&file["topic"])
        {
            file["subscribers"].as_array_mut().expect("a list").push(more.clone());
        }
        serde_json::from_value(file)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn a_guest_is_beside_the_roles_and_no_role_hears_anything_else() {
    let topics = with(LOYALTY).unwrap();
    let heard = vec![Kind::PaymentRefunded, Kind::ReceiptSent];
    assert_eq!(guests(&topics), [("loyalty", heard)]);
    assert!(guests(&all()).is_empty(), "the product as it is shipped has no guests");
    for (one, other) in topics.iter().zip(all()) {
        let roles = |it: &Topic| it.subscribers.iter().map(|it| it.role).collect::<Vec<_>>();
        assert_eq!(roles(one), roles(&other), "{}", one.topic);
    }
}

#[test]
fn a_guest_stands_in_the_table_in_every_drawing_and_in_the_asyncapi_document() {
    let topics = with(LOYALTY).unwrap();
    let table = table_of(&topics);
    assert!(table.starts_with("| topic | says | seats | payment | receipt | status | loyalty |\n"));
    assert!(table.contains("| `receipt-sent` | receipt |  |  |  | records it | gives a point |\n"));
    assert!(table.contains("| `payment-ok` | payment | confirms the hold |  |"), "{table}");
    let columns = |it: &str| it.matches('|').count();
    assert!(table.lines().all(|it| columns(it) == columns(table.lines().next().unwrap())));
    let mermaid = mermaid_of(&topics);
    assert!(mermaid.contains("    guest-loyalty[\"loyalty\"]\n"), "{mermaid}");
    assert!(mermaid.contains("    receipt-sent --> guest-loyalty\n"), "{mermaid}");
    let dot = dot_of(&topics);
    assert!(dot.contains("    \"payment-refunded\" -> \"loyalty\"\n"), "{dot}");
    let svg = picture::svg_of(&topics);
    assert!(svg.contains(">loyalty</text>") && svg.contains("<title>loyalty: gives a point"));
    assert!(svg.contains("receipt publishes receipt-sent, heard by status, loyalty."), "{svg}");
    let asyncapi: serde_json::Value = serde_json::from_str(&asyncapi_of(&topics)).unwrap();
    let hears = &asyncapi["operations"]["loyalty.hears.receipt-sent"];
    assert_eq!((&hears["action"], &hears["summary"]), (&"receive".into(), &"gives a point".into()));
}

/// Words that mean something to Graphviz or Mermaid are names like others.
#[test]
fn a_drawing_takes_no_name_of_a_guest_for_a_word_of_its_own() {
    for word in ["end", "graph", "node", "edge", "subgraph", "class", "style", "default"] {
        let topics = with(&format!(r#"{{"guest": "{word}", "does": "x"}}"#)).unwrap();
        let (dot, mermaid) = (dot_of(&topics), mermaid_of(&topics));
        let bare = |it: &str| it.split([' ', '\n', '[', ']']).any(|it| it == word);
        assert!(!bare(&dot) && dot.contains(&format!("-> \"{word}\"\n")), "{dot}");
        assert!(!bare(&mermaid) && mermaid.contains(&format!("--> guest-{word}\n")), "{mermaid}");
    }
}

#[test]
fn a_subscriber_that_is_neither_role_nor_guest_is_refused() {
    for bad in [
        r#"{"role": "loyalty", "does": "x"}"#,
        r#"{"guest": "seats", "does": "x"}"#,
        r#"{"guest": "Loyalty-dlq", "does": "x"}"#,
        r#"{"guest": "loyalty", "role": "seats", "does": "x"}"#,
        r#"{"does": "x"}"#,
        r#"{"guest": "loyalty"}"#,
        r#"{"guest": "loyalty", "does": "x", "more": 1}"#,
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}
