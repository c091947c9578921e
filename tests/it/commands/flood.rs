//! An operator under a flood: what matters is found behind thousands, put back and dropped by tens.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Output, Stdio},
};

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use axum::http::StatusCode;
use booking::domain::RoleName;
use serde_json::{Value, json};

use crate::harness::{
    Account, Fate, Folder, LocalStack, Service, Sketch, Way, all_four, binary, emulator::signal,
    eventually,
};

/// A `booking` command on an account, over a way to it or straight.
fn command(account: &Account, folder: &Folder, way: Option<&Way>, args: &[&str]) -> Command {
    let endpoint = way.map_or(&LocalStack::running().endpoint, |it| &it.endpoint);
    let mut command = binary();
    command
        .args(args)
        .args(["--prefix", &account.prefix])
        .env("BOOKING_DATA", folder.path())
        .envs(LocalStack::environment_of(endpoint));
    command
}

/// Exit code, stdout, stderr.
pub fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |it| String::from_utf8(it).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
pub fn says(mut command: Command, code: i32, wanted: &[&str]) -> String {
    let (ended, out, beside) = told(command.output().unwrap());
    assert_eq!(ended, Some(code), "{out}{beside}");
    for it in wanted {
        assert!(out.contains(it) || beside.contains(it), "not {it:?} but\n{out}{beside}");
    }
    out
}

/// Puts messages on a queue by tens, each as if it had been set aside for `class`.
async fn bury(account: &Account, queue: &str, class: &str, bodies: &[String]) {
    let url = account.url(queue).await;
    let class = MessageAttributeValue::builder().data_type("String").string_value(class).build();
    let class = class.unwrap();
    for lot in bodies.chunks(10) {
        let entry = |(at, body): (usize, &String)| {
            SendMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .message_body(body)
                .message_attributes("class", class.clone())
                .build()
                .unwrap()
        };
        let entries = lot.iter().enumerate().map(entry).collect();
        let send = account.sqs.send_message_batch().queue_url(&url).set_entries(Some(entries));
        assert!(send.send().await.unwrap().failed.is_empty());
    }
}

fn requests(ids: impl Iterator<Item = String>) -> Vec<String> {
    ids.map(|it| Sketch::new(&it, &["12A"], "tok_visa").cloud_event()).collect()
}

/// Behind 2,000, so that the run does not take minutes on an emulator; the way through is the same
/// for 10,000, and its bounds are tested beside `Scan`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_behind_thousands_is_found_and_none_of_them_stays_hidden() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dlq = account.names.dead_letter_queue(RoleName::Payment);
    bury(&account, &dlq, "malformed", &vec!["{".to_owned(); 2_000]).await;
    bury(&account, &dlq, "conflict", &requests(["needle".to_owned()].into_iter())).await;
    let run = |args: &[&str]| command(&account, &folder, None, args);

    let ls = run(&["dlq", "ls", "payment", "--booking", "needle"]);
    says(ls, 0, &["booking-requested  needle", "1 message: 1 on"]);
    assert_eq!(account.depth_of(&dlq).await, (2_001, 0), "all are visible again at once");
    let ls = run(&["dlq", "ls", "all", "--class", "conflict", "--json"]);
    let listed: Value = serde_json::from_str(&says(ls, 0, &[])).unwrap();
    assert_eq!((&listed["total"], &listed["more"]), (&json!(1), &json!(false)));
    let show = run(&["dlq", "show", "payment", "--class", "malformed", "--limit", "2"]);
    says(show, 0, &["there may be more than these 2 (--limit)"]);

    let back = run(&["dlq", "redrive", "payment", "--booking", "needle"]);
    says(back, 0, &["1 message put back on"]);
    let count = ["dlq", "drop", "payment", "--class", "malformed", "--dry-run"];
    says(run(&count), 0, &["payment: 2000 messages would be deleted (2000 malformed)"]);
    assert_eq!(account.depth_of(&dlq).await, (2_000, 0));
    let all = ["dlq", "drop", "payment", "--class", "malformed"];
    says(run(&all), 0, &["payment: 2000 messages deleted (2000 malformed)"]);
    assert_eq!(account.depth_of(&dlq).await, (0, 0));
    assert_eq!(account.depth(RoleName::Payment).await, (1, 0));
}

/// The seventh receive is not answered until the command was interrupted, so that it cannot have
/// ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_look_that_is_interrupted_gives_back_what_it_hid() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dlq = account.names.dead_letter_queue(RoleName::Seats);
    bury(&account, &dlq, "malformed", &vec!["{".to_owned(); 100]).await;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let way = Way::to(&LocalStack::running().endpoint, move |operation, nth, _| {
        if operation == "ReceiveMessage" && nth == 6 {
            // On a thread that nothing else of the test needs.
            let _ = tokio::task::block_in_place(|| wait.lock().unwrap().recv());
        }
        Fate::Pass
    });
    let way = way.await;
    let mut ls = command(&account, &folder, Some(&way), &["dlq", "ls", "seats", "--booking", "b"]);
    let mut ls = ls.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it to look", async || (way.count("sqs:ReceiveMessage") > 6).then_some(())).await;
    signal(&ls, "INT");
    let mut beside = BufReader::new(ls.stderr.take().unwrap());
    let mut line = String::new();
    beside.read_line(&mut line).unwrap();
    assert!(line.contains("stopping: what was hidden is given back"), "{line}");
    go.send(()).unwrap();
    assert_eq!(ls.wait().unwrap().code(), Some(1));
    assert_eq!(account.depth_of(&dlq).await, (100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_letters_go_back_in_ten_sends_and_ten_deletes() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dlq = account.names.dead_letter_queue(RoleName::Seats);
    let bodies = requests((0..100).map(|at| format!("back-{at}")));
    bury(&account, &dlq, "conflict", &bodies).await;
    let way = Way::to(&LocalStack::running().endpoint, |_, _, _| Fate::Pass).await;
    let back = command(&account, &folder, Some(&way), &["dlq", "redrive", "seats", "--all"]);
    says(back, 0, &["100 messages put back on", "(100 conflict)"]);
    let sent = |operation: &str| way.count(&format!("sqs:{operation}"));
    assert_eq!((sent("SendMessageBatch"), sent("DeleteMessageBatch")), (10, 10));
    assert_eq!((sent("SendMessage"), sent("DeleteMessage")), (0, 0));
    // Ten that are full, those that found the end, and one for the other queue.
    assert!(sent("ReceiveMessage") <= 20, "{} receives", sent("ReceiveMessage"));
    assert_eq!(account.depth_of(&dlq).await, (0, 0));
    assert_eq!(account.depth(RoleName::Seats).await, (100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_a_lot_stays_and_the_others_go() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dlq = account.names.dead_letter_queue(RoleName::Seats);
    bury(&account, &dlq, "conflict", &requests((0..10).map(|at| format!("part-{at}")))).await;
    let partly = |operation: &str, _, _: &Value| match operation {
        "SendMessageBatch" => {
            let sent =
                |at: u32| json!({"Id": at.to_string(), "MessageId": "m", "MD5OfMessageBody": "0"});
            let failed = json!({"Id": "0", "Code": "InternalError", "SenderFault": false});
            let sent: Vec<Value> = (1..10).map(sent).collect();
            Fate::Say(StatusCode::OK, json!({"Successful": sent, "Failed": [failed]}))
        }
        _ => Fate::Pass,
    };
    let way = Way::to(&LocalStack::running().endpoint, partly).await;
    let back = command(&account, &folder, Some(&way), &["dlq", "redrive", "seats", "--all"]);
    says(back, 75, &["9 messages put back on", "1 left where they were", "InternalError"]);
    assert_eq!(account.depth_of(&dlq).await, (1, 0), "what was not sent was not deleted");
}

/// Whatever happens between the send and the delete: on both queues, never on none; and again it
/// goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_that_is_interrupted_leaves_every_letter_somewhere_and_goes_on() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let dlq = account.names.dead_letter_queue(RoleName::Seats);
    bury(&account, &dlq, "conflict", &requests((0..40).map(|at| format!("cut-{at}")))).await;
    let no_deletes = |operation: &str, _, _: &Value| match operation {
        "DeleteMessageBatch" => Fate::Say(StatusCode::BAD_REQUEST, json!({"__type": "Unlucky"})),
        _ => Fate::Pass,
    };
    let way = Way::to(&LocalStack::running().endpoint, no_deletes).await;
    let args = ["dlq", "redrive", "seats", "--all"];
    let cut = command(&account, &folder, Some(&way), &args);
    says(cut, 75, &["40 put back and not deleted: harmless"]);
    assert_eq!(account.depth_of(&dlq).await, (40, 0));
    says(command(&account, &folder, None, &args), 0, &["40 messages put back on"]);
    assert_eq!(account.depth_of(&dlq).await, (0, 0));
    assert_eq!(account.depth(RoleName::Seats).await, (80, 0), "twice, never lost");

    // Killed after some lots: each is on one of the two at least.
    bury(&account, &dlq, "conflict", &requests((0..300).map(|at| format!("kill-{at}")))).await;
    let way = Way::to(&LocalStack::running().endpoint, |_, _, _| Fate::Pass).await;
    let mut killed = command(&account, &folder, Some(&way), &args);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("some lots to be sent", async || {
        (way.count("sqs:SendMessageBatch") >= 3).then_some(())
    })
    .await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let somewhere = async || {
        let (visible, hidden) = account.depth_of(&dlq).await;
        visible + hidden + account.depth(RoleName::Seats).await.0
    };
    assert!(somewhere().await >= 80 + 300);
    says(command(&account, &folder, None, &args), 0, &[]);
    assert!(somewhere().await >= 80 + 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_that_dies_again_is_put_back_once_and_not_for_ever() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let _seats = Service::start(RoleName::Seats, &account.prefix, folder.path(), &[]).await;
    let dlq = account.names.dead_letter_queue(RoleName::Seats);
    bury(&account, &dlq, "malformed", &vec!["{".to_owned(); 200]).await;
    let back = command(&account, &folder, None, &["dlq", "redrive", "seats", "--all"]);
    says(back, 0, &["200 messages put back on"]);
    eventually("all to be set aside again", async || {
        (account.depth_of(&dlq).await == (200, 0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_deletes_what_it_was_told_to_and_nothing_on_a_dry_run() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    for role in [RoleName::Seats, RoleName::Status] {
        let dlq = account.names.dead_letter_queue(role);
        bury(&account, &dlq, "malformed", &vec!["{".to_owned(); 12]).await;
        bury(&account, &dlq, "conflict", &requests(["kept".to_owned()].into_iter())).await;
    }
    let depth = async |role| account.depth_of(&account.names.dead_letter_queue(role)).await;
    let run = |args: &[&str]| command(&account, &folder, None, args);
    says(run(&["dlq", "drop", "seats"]), 2, &["--class, --booking or --message; or --all"]);
    says(run(&["dlq", "drop", "seats", "--class", "Not 1"]), 2, &["expected a class as ls"]);
    says(run(&["dlq", "drop", "seats", "--all", "--class", "conflict"]), 2, &["cannot be used"]);
    let mut flood = vec!["dlq", "drop", "all", "--class", "malformed", "--dry-run"];
    let wanted = [
        "seats: 12 messages would be deleted (12 malformed)",
        "no dead letters of payment of class malformed",
        "status: 12 messages would be deleted (12 malformed)",
        "dry run: nothing was changed",
    ];
    says(run(&flood), 0, &wanted);
    assert_eq!((depth(RoleName::Seats).await, depth(RoleName::Status).await), ((13, 0), (13, 0)));
    flood.pop();
    says(run(&flood), 0, &["seats: 12 messages deleted (12 malformed)", "status: 12 messages"]);
    assert_eq!((depth(RoleName::Seats).await, depth(RoleName::Status).await), ((1, 0), (1, 0)));
    says(run(&flood), 1, &["no dead letters of seats of class malformed"]);
    says(run(&["dlq", "ls", "seats,status"]), 0, &["conflict", "1 message: 1 on"]);
    says(run(&["dlq", "drop", "status", "--booking", "kept"]), 0, &["1 message deleted"]);
    says(run(&["dlq", "drop", "seats", "--all"]), 0, &["1 message deleted (1 conflict)"]);
    assert_eq!((depth(RoleName::Seats).await, depth(RoleName::Status).await), ((0, 0), (0, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_decisions_are_announced_again_a_line_each_and_one_that_fails_holds_up_none() {
    let (account, folder) = (Account::make(false).await, Folder::new());
    let services = all_four(&account.prefix, folder.path()).await;
    for (id, seat) in [("b-1", "12A"), ("b-2", "14A")] {
        let request = Sketch::new(id, &[seat], "tok_visa").cloud_event();
        account.publish(booking::domain::event::Kind::BookingRequested, &request).await;
    }
    for id in ["b-1", "b-2"] {
        assert_eq!(services[3].ending(id).await["phase"], "completed");
    }
    let resend = |args: &[&str], piped: &str| {
        let mut command = command(&account, &folder, None, &[&["resend"], args].concat());
        let piping = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
        let [stdin, stdout, stderr] = piping;
        let mut child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
        child.stdin.take().unwrap().write_all(piped.as_bytes()).unwrap();
        told(child.wait_with_output().unwrap())
    };
    let (code, said, beside) = resend(&["all", "-", "--mailer", "folder"], "b-1\nnobody b-2\n");
    assert_eq!(code, Some(1), "{said}{beside}");
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    let receipt = lines.remove(2);
    assert!(receipt.starts_with("receipt  b-1  sent again: receipt R-"), "{said}");
    assert!(receipt.ends_with("announced again: receipt-sent"), "{said}");
    assert!(lines.remove(2).starts_with("receipt  b-2  sent again: receipt R-"), "{said}");
    let wanted = [
        "payment  b-1  announced again: payment-ok",
        "payment  b-2  announced again: payment-ok",
        "seats  b-1  announced again: seat-booked",
        "seats  b-2  announced again: seat-booked",
    ];
    assert_eq!(lines, wanted);
    assert_eq!(beside.matches("  nobody  not announced: ").count(), 3, "{beside}");
    assert!(beside.contains("3 of 9 not announced again"), "{beside}");

    let (code, said, _) = resend(&["seats,payment", "b-1", "b-2"], "");
    assert_eq!((code, said.lines().count()), (Some(0), 4), "{said}");
    let (code, said, beside) = resend(&["seats", "-"], "b-1 4111111111111111");
    assert_eq!((code, said.as_str()), (Some(2), ""), "nothing before all are read");
    assert!(beside.contains("ID 2 on stdin: ") && !beside.contains("4111"), "{beside}");
}
