//! Every event, every publisher and every subscription of `topics/` is in the diagram.

use super::*;
use crate::page::services::names;

fn drawn(figures: &str) -> String {
    let state =
        |name| ServiceState { name, state: "ok", words: "in step".to_owned(), awaited_since: None };
    let services: Vec<ServiceState> = names().map(state).collect();
    let event = |kind| Event { kind, state: "flows", figures: figures.to_owned(), count: 7 };
    let events = Kind::ALL.into_iter().map(event).collect();
    Diagram::of("The flow", &services, events).render().unwrap()
}

#[test]
fn every_arrow_of_topics_is_an_edge_with_its_count_and_there_is_no_other() {
    let svg = drawn("7 · 1.0/s");
    let mut edges = 0;
    for topic in topics::all() {
        let name = topic.topic.topic();
        let ends = topic.subscribers.iter().map(|it| it.role.as_str());
        for end in ends.chain([topic.publisher.as_str()]) {
            let edge = format!("data-edge=\"{name}:{end}\" data-count=\"7\"");
            assert_eq!(svg.matches(&edge).count(), 1, "{edge}");
            edges += 1;
        }
        assert!(svg.contains(&format!("data-topic=\"{name}\"")));
    }
    assert_eq!(svg.matches("data-edge=").count(), edges);
    for name in names() {
        assert!(svg.contains(&format!("data-service=\"{name}\"")), "{name}");
    }
}

#[test]
fn it_has_no_style_of_its_own_and_what_it_is_given_is_text() {
    let svg = drawn("<b>\"&'");
    for raw in ["style", "<script", "href", "<b>", "\"\"&'"] {
        assert!(!svg.contains(raw), "{raw}");
    }
}

#[test]
fn an_arrow_points_away_from_its_publisher() {
    assert_eq!(head(42, 126, 50), "M119 43L133 50L119 57Z");
    assert_eq!(head(126, 42, 50), "M49 43L35 50L49 57Z");
}
