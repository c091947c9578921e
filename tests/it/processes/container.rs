//! The binary as a container runs it: PID 1, a read-only root that holds nothing but the binary,
//! what it links to and the CA certificates, no shell, an arbitrary user, `/data` the only writable
//! folder. No Docker engine is needed: the kernel's namespaces are what an engine uses, too.

use std::{path::Path, process::Command};

use booking::domain::{RoleName, event::Kind};

use crate::harness::{Account, LocalStack, Service, Sketch, binary, eventually, skipped};

/// Builds the root in a tmpfs of its own and becomes the binary in it. Arguments: user, binary,
/// and the binary's own.
const RUN: &str = r#"
set -eu
user=$1 binary=$2
shift 2
root=$(mktemp -d)
mount -t tmpfs -o mode=755 none "$root"
mkdir -p "$root/data" "$root/etc/ssl/certs"
cp "$binary" "$root/booking"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
for library in $(ldd "$binary" | grep -o '/[^ ]*'); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
mount -t tmpfs -o mode=777 none "$root/data"
mount -o remount,ro "$root"
if [ -n "${BEGIN:-}" ]; then
  unshare --user --map-user="$user" --map-group="$user" --root="$root" /booking init "$BEGIN" >/dev/null
fi
exec unshare --user --map-user="$user" --map-group="$user" --root="$root" /booking "$@"
"#;

/// The command in a container, with the arguments and the environment it was given.
fn contained(command: &Command, user: u32) -> Command {
    let mut outer = Command::new("unshare");
    outer.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]);
    outer.args(["sh", "-c", RUN, "container", &user.to_string()]);
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    // The host's, or cargo's: in the container nobody says where the certificates are.
    outer.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    outer.env("BOOKING_DATA", "/data");
    outer
}

/// Why this machine cannot do it, and what to do.
fn cannot() -> Option<String> {
    let mut unshare = Command::new("unshare");
    let why = match unshare.args(["--user", "--map-root-user", "--mount", "true"]).output() {
        Ok(it) if it.status.success() => return None,
        Ok(it) => String::from_utf8_lossy(&it.stderr).into_owned(),
        Err(it) => it.to_string(),
    };
    Some(format!(
        "user namespaces are needed (Linux, util-linux, kernel.unprivileged_userns_clone=1): {why}; \
         BOOKING_TEST_SKIP=container leaves this out"
    ))
}

/// The process in the container, as the host numbers it.
pub fn inside(service: &Service) -> u32 {
    let pid = service.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.trim().parse().expect("unshare has one child")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_pid_1_of_any_user_on_a_read_only_root_it_books_and_stops_when_told() {
    if skipped("container") {
        return;
    }
    assert_eq!(cannot(), None);
    let account = Account::make(false).await;
    let logs = crate::harness::Folder::new();
    let mut services = Vec::new();
    for (role, user) in RoleName::ALL.into_iter().zip([65532, 65532, 12345, 1_000_660_000]) {
        let prefix = &account.prefix;
        let adapt = |it: &mut Command| {
            *it = contained(it, user);
            it.env("BEGIN", role.as_str());
        };
        let mut service = Service::spawn(LocalStack::running(), role, prefix, logs.path(), adapt);
        service.polls().await;
        let status = std::fs::read_to_string(format!("/proc/{}/status", inside(&service))).unwrap();
        let pids = status.lines().find(|it| it.starts_with("NSpid:")).unwrap();
        assert_eq!(pids.split_whitespace().last(), Some("1"), "{role} is PID 1");
        services.push(service);
    }

    let sketch = Sketch::new("contained", &["12A"], "tok_visa");
    account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    let status = services.iter().find(|it| it.role == RoleName::Status).unwrap();
    assert_eq!(status.ending("contained").await["phase"], "completed");

    // The probe of the task definition, in a container of its own on the same network.
    let mut probe = binary();
    probe.arg("healthcheck").env("BOOKING_HTTP", &status.address);
    let probed = contained(&probe, 65532).output().unwrap();
    assert!(probed.status.success(), "{}", String::from_utf8_lossy(&probed.stderr));

    for service in services {
        let role = service.role;
        let pid = inside(&service).to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(service.ended().await, Some(0), "{role}");
        eventually(&format!("what {role} had in hand to be visible"), async || {
            (account.depth(role).await.1 == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_refused_by_name() {
    if skipped("container") {
        return;
    }
    assert_eq!(cannot(), None);
    let mut command = binary();
    command.args(["status", "--http", "127.0.0.1:0", "--data", "/nowhere"]);
    command.envs(LocalStack::running().environment());
    let output = contained(&command, 65532).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("/nowhere"), "{text}");
}

#[test]
fn the_image_runs_this_binary_and_holds_what_the_container_has_here() {
    let root: &Path = crate::harness::root();
    let dockerfile = std::fs::read_to_string(root.join("Dockerfile")).unwrap();
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    assert!(
        last.starts_with("gcr.io/distroless/cc-"),
        "no shell, but a C library and CA certificates"
    );
    assert!(last.contains("\nENTRYPOINT [\"/booking\"]"), "PID 1 is the binary, not a shell");
    assert!(
        last.contains("\nUSER 65532"),
        "a number: Kubernetes and ECS cannot tell who a name is"
    );
    let owned = last.find("--chown=65532:65532 /data /data").expect("the user owns /data");
    assert!(
        last[owned..].contains("\nVOLUME [\"/data\"]"),
        "Fargate asks the volume for its owner"
    );
    let rust = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let wanted = rust.lines().find_map(|it| it.strip_prefix("rust-version = ")).unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{}-", wanted.trim_matches('"'))));
}
