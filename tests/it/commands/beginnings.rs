//! A store that is not there never reads as one that is empty: stores begin by one act, know where
//! they belong, and are read by their owner alone.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use booking::{
    domain::{RoleName, event::Kind},
    durability::Durability,
    store::{
        Origin, Part, Store,
        sqlite::{Engine, Inline},
    },
    wiring::{gateway_file, store_file},
};

use crate::{
    harness::{Account, Folder, LocalStack, Service, Sketch, all_four, binary},
    processes::earlier::earlier,
};

/// Where nobody answers: who gets so far has opened his store.
pub const NOBODY: &str = "http://127.0.0.1:9";

pub fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

pub fn booking(args: &[&str], data: &Path) -> (Option<i32>, String) {
    let output = at(LocalStack::environment_of(NOBODY), args, data).output().unwrap();
    (output.status.code(), said(&output))
}

pub fn at(environment: Vec<(&'static str, String)>, args: &[&str], data: &Path) -> Command {
    let mut command = binary();
    command.args(args).envs(environment).env("BOOKING_DATA", data).envs([
        ("BOOKING_FLIGHTS", "sample"),
        ("BOOKING_GATEWAY", "simulated"),
        ("BOOKING_MAILER", "folder"),
        ("BOOKING_HTTP", "127.0.0.1:0"),
    ]);
    command
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names and modes of what lies in a folder, without logs.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let name = |it: &Path| it.file_name().unwrap().to_string_lossy().into_owned();
    let mut found: Vec<_> = entries.map(|it| (name(&it), mode(&it))).collect();
    found.retain(|(name, _)| !name.ends_with(".log"));
    found.sort();
    found
}

/// Sells, loses the folder, and starts again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_lost_folder_every_service_ends_with_78_says_how_to_begin_and_sells_nothing() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let (data, lost) = (folder.join("data"), folder.join("lost"));
    let services = all_four(&account.prefix, &data).await;
    let publish = async |it: &Sketch| {
        account.publish(Kind::BookingRequested, &it.cloud_event()).await;
    };
    publish(&Sketch::new("first", &["12A"], "tok_visa")).await;
    assert_eq!(services[3].ending("first").await["phase"], "completed");
    for it in services {
        it.signal("TERM");
        assert_eq!(it.ended().await, Some(0));
    }
    fs::rename(&data, &lost).unwrap();
    publish(&Sketch::new("second", &["12A"], "tok_visa")).await;

    for role in RoleName::ALL {
        let args = [role.as_str(), "--prefix", &account.prefix];
        let output = at(LocalStack::running().environment(), &args, &data).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(78), "{role}: {text}");
        let (file, data) = (store_file(&data, role), data.display());
        assert!(text.contains(&format!("{} (--data) is not there", file.display())), "{text}");
        assert!(text.contains(&format!("booking init {role} --data {data}")), "{text}");
        assert_eq!(account.depth(role).await, (1, 0), "{role} took no message");
    }
    assert!(!data.exists(), "nothing was made");

    // With the folder back, all goes on: the seat is sold.
    fs::rename(&lost, &data).unwrap();
    let services = all_four(&account.prefix, &data).await;
    let phase = services[3].ending("second").await["phase"].clone();
    assert!(phase == "refunded" || phase == "seat_unavailable", "{phase}");
}

#[test]
fn init_makes_what_is_not_there_once_and_never_touches_what_is() {
    let folder = Folder::new();
    let data = folder.join("data");
    let (code, text) = booking(&["init"], &data);
    assert_eq!(code, Some(0), "{text}");
    let mut deployments = Vec::new();
    for role in RoleName::ALL {
        let file = store_file(&data, role);
        assert!(text.contains(&file.display().to_string()), "{text}");
        let found = Engine::open_existing(&file, role, Durability::ProcessDeath).unwrap();
        let found = found.identity().unwrap().unwrap();
        assert_eq!((found.part, found.origin), (Part::Rows(role), Origin::Begun));
        deployments.push(found.deployment);
    }
    let ledger = gateway_file(&data);
    let ledger = Engine::open_existing(&ledger, RoleName::Payment, Durability::ProcessDeath);
    let ledger = ledger.unwrap().identity().unwrap().unwrap();
    deployments.push(ledger.deployment);
    deployments.dedup();
    assert_eq!((ledger.part, deployments.len()), (Part::Ledger, 1), "one deployment");
    // Payment finds both: it gets as far as its queue.
    let (code, text) = booking(&["payment"], &data);
    assert_eq!(code, Some(75), "{text}");

    let before = fs::read(store_file(&data, RoleName::Seats)).unwrap();
    for args in [&["init"][..], &["init", "seats"]] {
        let (code, text) = booking(args, &data);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("seats.db") && text.contains("nothing was touched"), "{text}");
    }
    assert_eq!(fs::read(store_file(&data, RoleName::Seats)).unwrap(), before);

    // One that is lost is not made again in passing, but when it is asked for.
    fs::remove_file(store_file(&data, RoleName::Seats)).unwrap();
    assert_eq!(booking(&["init"], &data).0, Some(1));
    assert!(!store_file(&data, RoleName::Seats).exists());
    assert_eq!(booking(&["init", "seats"], &data).0, Some(0));
    assert!(store_file(&data, RoleName::Seats).exists());
}

#[test]
fn a_ledger_that_is_lost_or_anothers_is_refused_and_so_are_payments_beside_a_kept_one() {
    let folder = Folder::new();
    let (one, other) = (folder.join("one"), folder.join("other"));
    for data in [&one, &other] {
        assert_eq!(booking(&["init", "payment"], data).0, Some(0));
    }
    let deployment = |data: &Path| {
        let file = store_file(data, RoleName::Payment);
        let engine = Engine::open_existing(&file, RoleName::Payment, Durability::ProcessDeath);
        engine.unwrap().identity().unwrap().unwrap().deployment.to_string()
    };
    let ids = [deployment(&one), deployment(&other)];
    fs::copy(gateway_file(&other), gateway_file(&one)).unwrap();
    let (code, text) = booking(&["payment"], &one);
    assert_eq!(code, Some(78), "{text}");
    assert!(ids.iter().all(|it| text.contains(it)), "both ids: {text}");

    fs::remove_file(gateway_file(&one)).unwrap();
    let (code, text) = booking(&["payment"], &one);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("gateway.db (--data) is not there") && text.contains("lost"), "{text}");
    assert!(!gateway_file(&one).exists(), "and was not made");

    fs::remove_file(store_file(&other, RoleName::Payment)).unwrap();
    let (code, text) = booking(&["payment"], &other);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("payment.db (--data) is not there"), "{text}");
    assert!(text.contains("restore both from one backup"), "{text}");
    assert_eq!(booking(&["init", "payment"], &other).0, Some(1), "the ledger is there already");
}

#[test]
fn the_file_of_another_part_is_refused_also_where_both_are_payments() {
    let folder = Folder::new();
    let data = folder.path();
    assert_eq!(booking(&["init"], data).0, Some(0));
    fs::copy(gateway_file(data), store_file(data, RoleName::Payment)).unwrap();
    let (code, text) = booking(&["payment"], data);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("it is the store of gateway, not of payment"), "{text}");
    fs::copy(store_file(data, RoleName::Seats), store_file(data, RoleName::Receipt)).unwrap();
    let (code, text) = booking(&["receipt"], data);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("it belongs to seats, not to receipt"), "{text}");
    // An earlier version gave them no identity: what lies in them tells them apart.
    let (data, _before) = earlier();
    fs::copy(gateway_file(data.path()), store_file(data.path(), RoleName::Payment)).unwrap();
    let (code, text) = booking(&["payment"], data.path());
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("it is not the file of payment: it has `gateway` rows"), "{text}");
}

#[test]
fn a_file_that_is_empty_is_no_store() {
    let folder = Folder::new();
    assert_eq!(booking(&["init", "status"], folder.path()).0, Some(0));
    let file = store_file(folder.path(), RoleName::Status);
    fs::write(&file, "").unwrap();
    let (code, text) = booking(&["status"], folder.path());
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("status.db") && text.contains("it is empty"), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().len(), 0, "it was left as it is");
}

#[test]
fn files_of_a_version_without_identities_are_taken_over_once_and_closed_to_others() {
    let (folder, _before) = earlier();
    let data = folder.path();
    let parts = RoleName::ALL.map(|it| store_file(data, it));
    for file in parts.iter().chain([&gateway_file(data)]) {
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    for role in RoleName::ALL {
        let (code, text) = booking(&[role.as_str()], data);
        assert_eq!(code, Some(75), "it got as far as its queue: {text}");
        let taken = if role == RoleName::Payment { 2 } else { 1 };
        assert_eq!(text.matches("took over a store").count(), taken, "{text}");
        assert_eq!(text.matches("others could read this file").count(), taken, "{text}");
        let (code, text) = booking(&[role.as_str()], data);
        assert_eq!(code, Some(75), "{text}");
        assert!(!text.contains("took over") && !text.contains("others could"), "{text}");
    }
    for (name, mode) in modes(data) {
        assert!(!name.ends_with(".db") || mode == 0o600, "{name}: {mode:o}");
    }
    // Payment's two are of one deployment, and know it.
    fs::remove_file(gateway_file(data)).unwrap();
    assert_eq!(booking(&["payment"], data).0, Some(78));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_umask_nobody_else_may_read_what_is_written() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let data = folder.join("deep/data");
    let open = |command: &Command| {
        let mut outer = Command::new("sh");
        outer.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(command.get_program());
        outer.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    };
    let init = at(LocalStack::environment_of(NOBODY), &["init"], &data);
    assert!(open(&init).status().unwrap().success());
    assert_eq!((mode(&folder.join("deep")), mode(&data)), (0o700, 0o700));
    let mut services = Vec::new();
    for role in RoleName::ALL {
        let adapt = |it: &mut Command| *it = open(it);
        let mut service =
            Service::spawn(LocalStack::running(), role, &account.prefix, &data, adapt);
        service.polls().await;
        services.push(service);
    }
    let sketch = Sketch::new("b-1", &["12A"], "tok_visa");
    account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    assert_eq!(services[3].ending("b-1").await["phase"], "completed");
    let found = modes(&data);
    assert_eq!(found.len(), 5 * 3 + 1, "five stores, each with log and index: {found:?}");
    for (name, mode) in found {
        let wanted = if name == "receipts" { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{name}: {mode:o}");
    }
    let letters = modes(&data.join("receipts"));
    assert!(matches!(&letters[..], [(_, 0o600)]), "{letters:?}");
}

#[tokio::test]
async fn a_store_that_memory_or_a_command_opens_is_not_begun_by_it() {
    let folder = Folder::new();
    let (code, text) = booking(&["init", "--store", "memory"], folder.path());
    assert_eq!(code, Some(78), "{text}");
    for args in [
        &["resend", "seats", "b-1"][..],
        &["erase", "b-1"],
        &["dlq", "redrive", "receipt", "--dry-run"],
    ] {
        let (code, text) = booking(args, folder.path());
        assert_eq!(code, Some(78), "{args:?}: {text}");
        assert!(text.contains("run this where the data of"), "{args:?}: {text}");
    }
    assert_eq!(modes(folder.path()), []);
    // A demo begins by itself; what it began, services go on with.
    let (code, text) = booking(
        &["demo", "--bookings", "3", "--data", folder.path().to_str().unwrap()],
        folder.path(),
    );
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = booking(&["payment"], folder.path());
    assert_eq!(code, Some(75), "{text}");
    assert!(!text.contains("took over"), "{text}");
    let seats =
        Engine::open_read_only(&store_file(folder.path(), RoleName::Seats), RoleName::Seats);
    let rows = Inline::new(seats.unwrap()).read(vec!["booking/demo-1-0001".to_owned()]).await;
    assert!(rows.unwrap()[0].is_some());
}
