//! What Terraform would make, as data.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{Folder, root};

/// A provider that asks no account and needs no credentials.
const NO_ACCOUNT: &str = r#"
provider "aws" {
  access_key                  = "test"
  secret_key                  = "test"
  allowed_account_ids         = null
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
"#;

/// The resources that Terraform plans for whatever answers at an endpoint, with more variables.
pub fn planned(endpoint: &str, variables: &[&str]) -> Vec<Value> {
    let folder = Folder::new();
    let file = folder.join("plan").display().to_string();
    let run =
        |action: &[&str]| script(&folder.join("terraform"), &["--endpoint", endpoint], action);
    run(&["plan", "-out", &file].into_iter().chain(given(variables)).collect::<Vec<_>>());
    resources(&run(&["show", "-json", &file]))
}

/// The resources that Terraform plans for AWS itself, the only place where services run. Nobody is
/// asked, so account and region must be among the variables.
pub fn planned_on_aws(variables: &[&str]) -> Vec<Value> {
    planned_on_aws_of(root(), variables)
}

/// The same for a copy of the repository, which has at least the files that `localstack/terraform`
/// links to.
pub fn planned_on_aws_of(repository: &Path, variables: &[&str]) -> Vec<Value> {
    let folder = Folder::new();
    let workdir = folder.join("terraform");
    script_of(repository, &workdir, &[], &["init"]);
    let module: PathBuf = workdir.join("terraform");
    std::fs::write(module.join("provider_override.tf"), NO_ACCOUNT).unwrap();
    let file = folder.join("plan").display().to_string();
    let chdir = format!("-chdir={}", module.display());
    let run = |action: &[&str]| {
        let mut command = Command::new("terraform");
        for (name, _) in std::env::vars().filter(|it| it.0.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.args([&chdir]).args(action).envs([
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("CHECKPOINT_DISABLE", "1"),
            ("TF_INPUT", "0"),
        ]);
        said(command, action)
    };
    run(&["plan", "-refresh=false", "-out", &file]
        .into_iter()
        .chain(given(variables))
        .collect::<Vec<_>>());
    resources(&run(&["show", "-json", &file]))
}

fn given<'a>(variables: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    variables.iter().flat_map(|it| ["-var", *it])
}

/// Runs localstack/terraform.
fn script(workdir: &Path, options: &[&str], action: &[&str]) -> Vec<u8> {
    script_of(root(), workdir, options, action)
}

fn script_of(repository: &Path, workdir: &Path, options: &[&str], action: &[&str]) -> Vec<u8> {
    let mut command = Command::new("python3");
    command.arg(repository.join("localstack/terraform"));
    command.args([OsStr::new("--workdir"), workdir.as_os_str()]).args(options).args(action);
    said(command, action)
}

fn said(mut command: Command, action: &[&str]) -> Vec<u8> {
    let output = command.output().expect(
        "python3 and terraform must be installed: https://www.python.org/downloads/, \
         https://developer.hashicorp.com/terraform/install",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "terraform {action:?} failed:\n{said}");
    output.stdout
}

fn resources(plan: &[u8]) -> Vec<Value> {
    let plan: Value = serde_json::from_slice(plan).unwrap();
    let resources = &plan["planned_values"]["root_module"]["resources"];
    resources.as_array().unwrap().clone()
}
