//! What the command line says about itself: without a command, to shells, and to `man`.

use std::{fs, process::Command};

use crate::{
    commands::{
        cli::{fails, run},
        words::all_commands,
    },
    harness::{Folder, binary},
};

/// What the command prints; it must end with 0.
#[track_caller]
fn says(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_a_command_it_says_what_it_is_and_three_commands_to_try() {
    let text = says(&[]);
    assert!(text.starts_with("Airline seat booking by four choreographed services"), "{text}");
    for tried in ["booking demo", "booking topics", "booking request --help"] {
        assert!(text.contains(&format!("\n  {tried} ")), "{text}");
    }
}

#[test]
fn each_shell_completes_the_commands_and_their_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = says(&["completions", shell]);
        for word in ["redrive", "latency-target", "completions"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    fails(&["completions", "dos"], 2, "possible values: bash, elvish, fish, powershell, zsh");
}

/// A real bash, which takes the file and completes a word.
#[test]
fn bash_completes_a_command() {
    let folder = Folder::new();
    let file = folder.join("booking.bash");
    fs::write(&file, says(&["completions", "bash"])).unwrap();
    let script = "source \"$1\"; COMP_WORDS=(booking heal); COMP_CWORD=1; \
                  _booking booking heal booking; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(&file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim(), "healthcheck", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_page_has_the_flags_of_its_command_and_no_value_of_this_machine() {
    let mut command = binary();
    command.args(["man", "dlq", "redrive"]).env("BOOKING_PREFIX", "of-here-");
    let page = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        page.contains("BOOKING_PREFIX") && !page.contains("of-here") && !page.contains("of\\-here"),
        "{page}"
    );
    assert!(page.contains(".TH booking-dlq-redrive 1"), "{page}");
    for flag in ["prefix", "all", "booking", "dry\\-run"] {
        assert!(page.contains(&format!("\\-\\-{flag}")), "{flag}: {page}");
    }
    let says = "`booking dlq` has no command `undo`, but ls, show, redrive, drop";
    fails(&["man", "dlq", "undo"], 2, says);
    fails(&["man", "show", "me"], 2, "`booking show` has no commands, so no `me`");
}

#[test]
fn a_folder_gets_a_page_for_each_command() {
    let folder = Folder::new();
    says(&["man", "--folder", folder.path().to_str().unwrap()]);
    let mut pages = vec!["booking".to_owned()];
    for command in all_commands() {
        pages.push(format!("booking {command}").replace(' ', "-"));
    }
    assert!(pages.len() > 15, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(folder.join(&format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    let nowhere = folder.join("none");
    fails(&["man", "--folder", nowhere.to_str().unwrap()], 78, "cannot write to");
}
