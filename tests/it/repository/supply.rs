//! Where what we build on comes from: named by its content, and by nothing that can be moved. The
//! tools that ask the outside are run with stand-ins, since a test may not depend on a registry.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use crate::harness::{Folder, root, skipped};

const NEW: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn program(path: &Path, text: &str) {
    write(path, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Copies a file of the repository to the same place under a folder.
fn copy(name: &str, to: &Folder) {
    fs::create_dir_all(to.join(name).parent().unwrap()).unwrap();
    fs::copy(root().join(name), to.join(name)).unwrap();
}

/// Runs a script of `.ci/` in a folder where some programs are stand-ins.
fn run(folder: &Folder, script: &str, args: &[&str], more: &[(&str, &str)]) -> Output {
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .arg(folder.join(script))
        .args(args)
        .env("PATH", path)
        .env_remove("ADVISORIES")
        .envs(more.iter().copied())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The images of the Dockerfile, each as it is named there.
fn images(dockerfile: &str) -> Vec<&str> {
    let named = dockerfile.lines().filter_map(|it| it.strip_prefix("FROM "));
    named.map(|it| it.split_whitespace().next().unwrap()).collect()
}

#[test]
fn every_base_image_is_named_by_its_digest() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let images = images(&dockerfile);
    assert_eq!(images.len(), 2, "{images:?}");
    for image in images {
        let digest = image.split_once("@sha256:").map(|it| it.1);
        let is_digest = |it: &str| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
        assert!(digest.is_some_and(is_digest), "{image} can be moved: just pin-images");
    }
    // That would be one more image.
    assert!(!dockerfile.contains("# syntax="), "the frontend of a build is an image, too");
}

#[test]
fn pin_images_writes_the_digests_that_the_registry_has() {
    let folder = Folder::new();
    copy("Dockerfile", &folder);
    copy(".ci/pin-images", &folder);
    program(&folder.join("bin/docker"), &format!("[ \"$2\" = version ] || echo {NEW}"));
    let before = fs::read_to_string(folder.join("Dockerfile")).unwrap();

    let checked = run(&folder, ".ci/pin-images", &["--check"], &[]);
    assert_eq!(checked.status.code(), Some(1), "they have moved: {}", said(&checked));
    assert_eq!(fs::read_to_string(folder.join("Dockerfile")).unwrap(), before);

    let pinned = run(&folder, ".ci/pin-images", &[], &[]);
    assert!(pinned.status.success(), "{}", said(&pinned));
    let after = fs::read_to_string(folder.join("Dockerfile")).unwrap();
    let tag = |it: &str| it.split('@').next().unwrap().to_owned();
    let wanted: Vec<String> =
        images(&before).into_iter().map(|it| format!("{}@{NEW}", tag(it))).collect();
    assert_eq!(images(&after), wanted);
    assert_eq!(after.lines().count(), before.lines().count());
    assert!(run(&folder, ".ci/pin-images", &["--check"], &[]).status.success());

    program(&folder.join("bin/docker"), "[ \"$2\" = version ] || echo unauthorized");
    let failed = run(&folder, ".ci/pin-images", &[], &[]);
    assert!(!failed.status.success(), "{}", said(&failed));
    assert_eq!(fs::read_to_string(folder.join("Dockerfile")).unwrap(), after);
}

#[test]
fn advisories_that_cannot_be_checked_are_said_aloud_and_one_that_is_found_fails() {
    let folder = Folder::new();
    copy(".ci/deny", &folder);
    let asked = folder.join("asked");
    let deny = |advisories: i32| {
        let text = format!(
            "[ \"$1\" != --version ] || {{ echo cargo-deny 0.20.2; exit; }}\n\
             echo \"$*\" >>{}\ncase \"$*\" in *advisories*) exit {advisories} ;; esac",
            asked.display()
        );
        program(&folder.join("target/deny/bin/cargo-deny"), &text);
    };
    deny(0);

    program(&folder.join("bin/git"), "exit 128");
    let without = run(&folder, ".ci/deny", &[], &[]);
    assert!(without.status.success(), "{}", said(&without));
    assert!(said(&without).contains("ADVISORIES WERE NOT CHECKED"), "{}", said(&without));
    let log = fs::read_to_string(&asked).unwrap();
    assert_eq!(log.trim(), "check bans licenses sources");
    let required = run(&folder, ".ci/deny", &[], &[("ADVISORIES", "required")]);
    assert_eq!(required.status.code(), Some(1));

    program(&folder.join("bin/git"), "exit 0");
    let with = run(&folder, ".ci/deny", &[], &[]);
    assert!(with.status.success() && !said(&with).contains("NOT CHECKED"), "{}", said(&with));
    assert!(fs::read_to_string(&asked).unwrap().contains("--offline check advisories"));
    deny(1);
    assert_eq!(run(&folder, ".ci/deny", &[], &[]).status.code(), Some(1), "a found advisory");
}

/// What is not looked at is written down with its reason, and is no more than that.
#[test]
fn two_advisories_are_let_through_and_each_says_why() {
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let ignored: Vec<&str> = deny.lines().filter(|it| it.contains("id = \"RUSTSEC-")).collect();
    assert_eq!(ignored.len(), 2, "{ignored:?}");
    for (line, id) in ignored.iter().zip(["RUSTSEC-2025-0012", "RUSTSEC-2024-0384"]) {
        assert!(line.contains(id) && line.contains("reason = \""), "{line}");
    }
}

#[test]
fn terraform_takes_the_provider_of_the_lock_file_and_no_other() {
    if skipped("terraform") {
        return;
    }
    let lock = "terraform/.terraform.lock.hcl";
    let text = fs::read_to_string(root().join(lock)).unwrap();
    // One archive a platform, and at least one as it is unpacked from a mirror.
    assert!(text.matches("\"zh:").count() > 10 && text.contains("\"h1:"), "{text}");

    let folder = Folder::new();
    copy("terraform/versions.tf", &folder);
    copy("localstack/terraform", &folder);
    fs::create_dir_all(folder.join("terraform/tests")).unwrap();
    fs::create_dir_all(folder.join("topics")).unwrap();
    let init = || {
        Command::new("python3")
            .arg(folder.join("localstack/terraform"))
            .args(["--workdir", &folder.join("work").display().to_string(), "init"])
            .output()
            .unwrap()
    };
    // Another content under the same name and version.
    let other: String = text
        .lines()
        .filter(|it| !it.contains("\"zh:"))
        .map(|it| match it.contains("\"h1:") {
            true => "    \"h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\n".to_owned(),
            false => format!("{it}\n"),
        })
        .collect();
    write(&folder.join(lock), &other);
    let refused = init();
    assert!(
        !refused.status.success() && said(&refused).contains("checksums"),
        "{}",
        said(&refused)
    );

    write(&folder.join(lock), &text);
    let taken = init();
    assert!(taken.status.success(), "{}", said(&taken));
    assert_eq!(fs::read_to_string(folder.join(lock)).unwrap(), text, "a run never writes it");
}
