//! What Terraform would make, as data.

use std::process::Command;

use serde_json::Value;

use super::{Folder, root};

/// The resources that Terraform plans for whatever answers at an endpoint, with more variables.
pub fn planned(endpoint: &str, variables: &[&str]) -> Vec<Value> {
    let folder = Folder::new();
    let workdir = folder.join("terraform");
    let file = folder.join("plan").display().to_string();
    let run = |action: &[&str]| {
        let output = Command::new("python3")
            .arg(root().join("localstack/terraform"))
            .args(["--workdir", &workdir.display().to_string(), "--endpoint", endpoint])
            .args(action)
            .output()
            .expect("python3 must be installed: https://www.python.org/downloads/");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "terraform {action:?} failed:\n{said}");
        output.stdout
    };
    let variables = variables.iter().flat_map(|it| ["-var", it]);
    run(&["plan", "-out", &file].into_iter().chain(variables).collect::<Vec<_>>());
    let plan: Value = serde_json::from_slice(&run(&["show", "-json", &file])).unwrap();
    let resources = &plan["planned_values"]["root_module"]["resources"];
    resources.as_array().unwrap().clone()
}
