//! kill -9 of each role while it has a message in flight: everything ends as it should all the
//! same.

use booking::{
    audit::Evidence,
    domain::{RoleName, event::Kind, status::Phase},
};

use crate::harness::{Account, Folder, Service, Sketch, all_four, eventually};

const BOOKINGS: usize = 20;

/// Failure matrix: A29.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_is_killed_with_a_message_in_flight_and_nothing_is_lost_or_doubled() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let mut services = all_four(&account.prefix, folder.path()).await;
    let mut all = Vec::new();
    for (at, role) in RoleName::ALL.into_iter().enumerate() {
        let sketches: Vec<Sketch> = (0..BOOKINGS / 4).map(|it| sketch(at, it)).collect();
        for it in &sketches {
            account.publish(Kind::BookingRequested, &it.cloud_event()).await;
        }
        kill_in_flight(&account, services.remove(at), role, &sketches[0].cloud_event()).await;
        services.insert(at, Service::start(role, &account.prefix, folder.path(), &[]).await);
        all.extend(sketches);
    }
    assert_eq!(all.len(), BOOKINGS);
    for it in &all {
        let view = services[3].ending(&it.id).await;
        let wanted = if it.token == "tok_visa" { "completed" } else { "payment_failed" };
        assert_eq!(view["phase"], wanted, "{}: {view}", it.id);
    }
    for role in RoleName::ALL {
        eventually(&format!("the queue of {role} to be empty"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
    }
    drop(services);
    let evidence = Evidence::read(folder.path()).unwrap();
    assert_eq!(evidence.violations(), []);
    let (endings, open) = evidence.endings();
    assert_eq!((endings[&Phase::Completed], endings[&Phase::PaymentFailed], open), (16, 4, 0));
    for it in &all {
        let moved: Vec<_> = evidence.movements(&it.booking()).collect();
        assert_eq!(moved.len(), usize::from(it.token == "tok_visa"), "{}: {moved:?}", it.id);
    }
    // Under a temporary name there may be one whose writer was killed.
    let files = std::fs::read_dir(folder.join("receipts")).unwrap();
    let whole = |it: &std::fs::DirEntry| it.path().extension().is_some_and(|it| it == "eml");
    let receipts = files.map(Result::unwrap).filter(whole).count();
    assert_eq!(receipts, 16, "one receipt each, and nothing half-written that counts");
}

fn sketch(round: usize, at: usize) -> Sketch {
    let seat = [
        ["1A", "1B", "1C", "1D", "1E"],
        ["2A", "2B", "2C", "2D", "2E"],
        ["3A", "3B", "3C", "3D", "3E"],
        ["4A", "4B", "4C", "4D", "4E"],
    ][round][at];
    let token = if at == 4 { "tok_declined" } else { "tok_visa" };
    Sketch::new(&format!("kill-{round}-{at}"), &[seat], token)
}

/// Stops the process again and again until SQS says that it has a message in flight, and kills it
/// then: a stopped process can give nothing back. `again` is a request that was made: said again it
/// changes nothing, and there is something to be caught with however fast the role is.
async fn kill_in_flight(account: &Account, service: Service, role: RoleName, again: &str) {
    let caught = eventually(&format!("{role} to have a message in flight"), async || {
        account.publish(Kind::BookingRequested, again).await;
        service.signal("STOP");
        let (_, in_flight) = account.depth(role).await;
        if in_flight > 0 {
            return Some(in_flight);
        }
        service.signal("CONT");
        None
    })
    .await;
    assert!(caught > 0);
    drop(service); // Child::kill is SIGKILL.
}
