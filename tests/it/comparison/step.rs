//! What one more step costs, counted in the files that exist: the loyalty service of
//! docs/ADD-A-SERVICE.md as a guest of the choreography, and as a state of the state machine. What
//! was never built must not be counted.

use std::fs;

use crate::harness::root;

/// Lines that one more step takes.
#[derive(Debug)]
pub struct Step {
    /// In files that others share, and how many files these are.
    pub shared_lines: usize,
    pub shared_files: usize,
    /// In a program of the new service itself.
    pub own_lines: usize,
}

/// The program of the guest, in Python.
const PROGRAM: &str = "examples/loyalty.py";
/// A state like the one that loyalty would be, with the state that asks again.
const LIKE: [&str; 2] = ["SendReceipt", "SendReceiptAgain"];

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

impl Step {
    /// Two subscriptions in `topics/`, which docs/ADD-A-SERVICE.md has and its tests apply.
    pub fn heard() -> Step {
        let document = read("docs/ADD-A-SERVICE.md");
        let entries = document.matches("{ \"guest\": \"loyalty\"").count();
        assert!(entries > 0, "docs/ADD-A-SERVICE.md adds loyalty");
        Step {
            shared_lines: entries,
            shared_files: entries,
            own_lines: read(PROGRAM).lines().count(),
        }
    }

    /// A state as receipt has one, after the receipt, and the `End` of the state before it.
    pub fn asked() -> Step {
        let definition = read("orchestration/booking.asl.json");
        let state = |name: &str| {
            let lines = definition.lines().skip_while(|it| *it != format!("    \"{name}\": {{"));
            let count = lines.take_while(|it| !it.starts_with("    }")).count();
            assert!(count > 1, "the machine has {name}");
            count + 1
        };
        let states: usize = LIKE.into_iter().map(state).sum();
        Step { shared_lines: states + 1, shared_files: 1, own_lines: read(PROGRAM).lines().count() }
    }
}

#[test]
fn one_more_step_is_counted_in_the_files_that_have_it() {
    let (heard, asked) = (Step::heard(), Step::asked());
    assert_eq!((heard.shared_files, heard.shared_lines), (2, 2));
    assert!(asked.shared_lines > 10 && heard.own_lines > 20, "{asked:?}");
}
