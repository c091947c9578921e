//! The definition of the state machine, as a validator of its language reads it.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Folder, node, root, skipped};

fn validated(definition: &Value) -> Value {
    let folder = Folder::new();
    let file = folder.join("booking.asl.json");
    fs::write(&file, definition.to_string()).unwrap();
    node::said("asl", "validate.mjs", &file)
}

#[test]
fn a_validator_of_the_language_finds_no_error_in_the_definition() {
    if skipped("asl") {
        return;
    }
    let text = fs::read_to_string(root().join("orchestration/booking.asl.json")).unwrap();
    let definition: Value = serde_json::from_str(&text.replace("${partition}", "aws")).unwrap();
    let told = validated(&definition);
    assert_eq!(told["isValid"], true, "{told}");
    // It would find one.
    let mut broken = definition;
    broken["States"]["TellSeat"]["Next"] = json!("Nowhere");
    assert_eq!(validated(&broken)["isValid"], false);
}
