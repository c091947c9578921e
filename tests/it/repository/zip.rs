//! The zip of a function, as `just lambda` makes it.

use std::{
    fs,
    process::{Command, Output},
};

use crate::harness::{Folder, root};

fn packed(folder: &Folder, binary: &str) -> Output {
    let file = folder.join("binary");
    fs::write(&file, binary).unwrap();
    let mut command = Command::new("python3");
    command.arg(root().join("terraform/lambda-zip")).arg("--binary").arg(file);
    let output = command.arg("--out").arg(folder.join("booking.zip")).output();
    output.expect("python3 must be installed: https://www.python.org/downloads/")
}

#[test]
fn a_function_is_its_binary_and_a_script_that_starts_it_as_its_handler() {
    let folder = Folder::new();
    let output = packed(&folder, "ELF GLIBC_2.17 GLIBC_2.34 GLIBC_2.4");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("needs glibc 2.34"), "{said}");
    let first = fs::read(folder.join("booking.zip")).unwrap();
    packed(&folder, "ELF GLIBC_2.17 GLIBC_2.34 GLIBC_2.4");
    assert!(fs::read(folder.join("booking.zip")).unwrap() == first, "the same binary, another zip");

    let unpacked = Command::new("python3")
        .args(["-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])"])
        .args([folder.join("booking.zip"), folder.join("task")])
        .status();
    assert!(unpacked.unwrap().success());
    // In place of the binary one that says how it was started. Lambda keeps the modes of a zip,
    // which `zipfile` does not set.
    let (binary, start) = (folder.join("task/booking"), folder.join("task/bootstrap"));
    fs::write(&binary, "#!/bin/sh\necho \"$@\"\n").unwrap();
    for file in [&binary, &start] {
        assert!(Command::new("chmod").arg("755").arg(file).status().unwrap().success());
    }
    let started = Command::new(start).env("_HANDLER", "seats").output().unwrap();
    assert_eq!(String::from_utf8(started.stdout).unwrap(), "lambda seats\n");
}

#[test]
fn a_binary_that_lambda_cannot_start_is_not_packed() {
    let folder = Folder::new();
    let output = packed(&folder, "ELF GLIBC_2.17 GLIBC_2.36");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("needs glibc 2.36, and provided.al2023 has 2.34"), "{said}");
    assert!(!folder.join("booking.zip").exists());
}
