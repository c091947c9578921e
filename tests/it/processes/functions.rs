//! The roles as functions: the real binary, asked by a stand-in of Lambda's Runtime API, with the
//! real queues of LocalStack and the real tables of DynamoDB Local.

use std::time::Duration;

use booking::domain::{RoleName, event::Kind, ids::BookingId};
use serde_json::{Value, json};

use crate::harness::{
    Account, Answered, DynamoDbLocal, Folder, Function, LocalStack, MiniStack, Sketch, Tables,
    bare, binary, drained, eventually, say, skipped,
};

/// As much time as an invocation has by default.
pub const TIME: Duration = Duration::from_secs(30);

/// Topics, queues and tables of one prefix, and what a function needs to find them.
pub struct Stage {
    pub account: Account,
    _tables: Tables,
    folder: Folder,
}

impl Stage {
    pub async fn make() -> Stage {
        let account = Account::make(false).await;
        let tables = Tables::make_in(DynamoDbLocal::running(), &account.prefix).await;
        Stage { account, _tables: tables, folder: Folder::new() }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = LocalStack::running().environment();
        all.extend(DynamoDbLocal::running().environment());
        all.push(("BOOKING_PREFIX", self.account.prefix.clone()));
        all
    }

    pub async fn function(&self, role: RoleName, more: &[(&'static str, &str)]) -> Function {
        let mut environment = self.environment();
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Function::start(role, self.folder.path(), environment).await
    }

    /// What a mapping would hand to the function: messages of its queue, as Lambda writes them.
    pub async fn batch(&self, role: RoleName, count: usize) -> Vec<Value> {
        let queue = self.account.names.queue(role);
        let (url, arn) = (self.account.url(&queue).await, self.account.queue_arn(role));
        let mut records = Vec::new();
        eventually(&format!("{count} messages for {role}"), async || {
            let receive = self.account.sqs.receive_message().queue_url(&url);
            let receive = receive.max_number_of_messages(10).visibility_timeout(120);
            let receive = receive.message_system_attribute_names("All".into());
            let receive = receive.message_attribute_names("All");
            for it in receive.send().await.unwrap().messages.unwrap_or_default() {
                let attributes = it.attributes.unwrap_or_default();
                let attributes = attributes.iter().map(|it| (it.0.to_string(), json!(it.1)));
                records.push(json!({
                    "messageId": it.message_id,
                    "receiptHandle": it.receipt_handle,
                    "body": it.body,
                    "attributes": attributes.collect::<serde_json::Map<_, _>>(),
                    "messageAttributes": {},
                    "md5OfBody": it.md5_of_body,
                    "eventSource": "aws:sqs",
                    "eventSourceARN": arn,
                    "awsRegion": "eu-central-1",
                }));
            }
            (records.len() >= count).then_some(())
        })
        .await;
        assert_eq!(records.len(), count);
        records
    }
}

pub fn failures(answer: &Answered) -> Vec<&str> {
    let Answered::With(answer) = answer else { panic!("{answer:?}") };
    let all = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}"));
    all.iter().map(|it| it["itemIdentifier"].as_str().unwrap()).collect()
}

/// Failure matrix: M1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_ten_with_one_poison_is_one_item_failure_and_its_dead_letter_says_why() {
    if skipped("dynamodb") {
        return;
    }
    let stage = Stage::make().await;
    let mut seats = stage.function(RoleName::Seats, &[]).await;
    let rows = ["10A", "10B", "10C", "11A", "11B", "11C", "12A", "12B", "12C"];
    for (number, seat) in rows.into_iter().enumerate() {
        let sketch = Sketch::new(&format!("ada-{number}"), &[seat], "tok_visa");
        stage.account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    }
    stage.account.publish(Kind::BookingRequested, r#"{"seats": ["12A"]}"#).await;
    let records = stage.batch(RoleName::Seats, 10).await;
    let poison = records.iter().find(|it| it["body"].as_str().unwrap().contains("\\\"seats\\\": "));
    let poison = poison.unwrap()["messageId"].as_str().unwrap().to_owned();

    let id = seats.give(json!({"Records": records}), TIME);
    let (answer, cold) = seats.answer_at(&id).await;
    assert_eq!(failures(&answer), [poison.as_str()]);
    let letters = stage.account.dead_letters(RoleName::Seats, 1).await;
    assert_eq!(letters[0].attributes["class"], "malformed");
    assert_eq!(letters[0].attributes["message_id"], poison);
    assert_eq!(letters[0].attributes["reason"], "flight: is missing (line 1 column 1)");
    // Everything that it announces is on the topics before it answers.
    assert_eq!(stage.account.depth(RoleName::Receipt).await.0, 10 + 9);

    // The same batch again, as after a lost answer: nothing is decided twice.
    let again = seats.invoke(json!({"Records": records}), TIME).await;
    assert_eq!(failures(&again), [poison.as_str()]);
    assert!(seats.logged().contains(r#""recalled":true"#), "{}", seats.logged());
    let hidden = stage.account.depth(RoleName::Seats).await;
    assert_eq!(hidden, (0, 9), "the poison is deleted, and the others are Lambda's to delete");
    let (warm, begun) = (20, std::time::Instant::now());
    for _ in 0..warm {
        seats.invoke(json!({"Records": [records[0]]}), TIME).await;
    }
    let warm = begun.elapsed() / warm;
    let status = std::fs::read_to_string(format!("/proc/{}/status", seats.pid())).unwrap();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap_or_default().trim();
    let cold = cold.as_millis();
    say(&format!(
        "a function of this build: {cold} ms from its start to its first answer, {} ms an \
         invocation of one message then, {peak} of memory at most",
        warm.as_millis()
    ));
}

/// Failure matrix: M2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_of_its_own_queue_is_refused_and_nothing_of_it_is_told() {
    if skipped("dynamodb") {
        return;
    }
    let stage = Stage::make().await;
    let mut payment = stage.function(RoleName::Payment, &[]).await;
    let sketch = Sketch::new("ada", &["12A"], "tok_visa");
    stage.account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    // Somebody mapped the queue of seats to the function of payment.
    let records = stage.batch(RoleName::Seats, 1).await;
    for strange in [json!({"Records": records}), json!({"detail": records}), json!([1])] {
        let answer = payment.invoke(strange, TIME).await;
        let Answered::Error(error) = &answer else { panic!("{answer:?}") };
        assert_eq!(error["errorType"], "NotForThisFunction", "{error}");
        assert!(!error.to_string().contains("Ada"), "{error}");
    }
    // Whoever may invoke can send what is no JSON for us, with a name where only a key is told.
    for strange in [r#"{"ada@example.com": {"4242": 1e999}}"#, r#"{"Ada": "#, "Ada", ""] {
        let id = payment.give_text(strange.to_owned(), TIME);
        let answer = payment.answer(&id).await;
        let Answered::Error(error) = &answer else { panic!("{answer:?}") };
        assert!(!error.to_string().contains("da"), "{error}");
    }
    let own = stage.batch(RoleName::Payment, 1).await;
    let answer = payment.invoke(json!({"Records": own}), TIME).await;
    assert_eq!(failures(&answer), [""; 0], "it goes on");
    let logged = payment.logged();
    // Told once, and not by the runtime crate as well.
    assert_eq!(logged.matches("mend the mapping").count(), 1, "{logged}");
    for personal in ["Ada", "ada@example.com", "tok_visa"] {
        assert!(!logged.contains(personal), "{personal} is logged");
    }
}

/// What Lambda would kill at the deadline comes again at once, and not after six times as long.
///
/// Failure matrix: M3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_done_in_time_is_given_back_before_the_deadline() {
    if skipped("dynamodb") {
        return;
    }
    let stage = Stage::make().await;
    // The late charge takes longer than this invocation has, and a collector that takes connections
    // and answers nothing would take two seconds more.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = format!("http://{}", silent.local_addr().unwrap());
    let slow =
        [("BOOKING_GATEWAY_PATIENCE", "4s"), ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str())];
    let mut payment = stage.function(RoleName::Payment, &slow).await;
    payment.asks().await;
    for (id, token) in [("slow", "tok_timeout_then_ok"), ("quick", "tok_visa")] {
        let sketch = Sketch::new(id, &["12A"], token);
        stage.account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    }
    let records = stage.batch(RoleName::Payment, 2).await;
    let slow = records.iter().find(|it| it["body"].as_str().unwrap().contains("slow")).unwrap();
    let slow = slow["messageId"].as_str().unwrap().to_owned();
    let answer = payment.invoke(json!({"Records": records}), Duration::from_secs(4)).await;
    assert_eq!(failures(&answer), [slow.as_str()], "{}", payment.logged());
    assert_eq!(payment.logged().matches("a batch has too little time").count(), 1);
    // It was given back: nobody waits until its two minutes are over.
    let records = stage.batch(RoleName::Payment, 1).await;
    assert_eq!(records[0]["messageId"], slow);
    assert_eq!(records[0]["attributes"]["ApproximateReceiveCount"], "2");
    let answer = payment.invoke(json!({"Records": records}), TIME).await;
    assert_eq!(failures(&answer), [""; 0], "the charge is found and not asked for again");
}

/// Nobody asks a function for its health, so that it has to end by itself.
///
/// Failure matrix: M7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_whose_table_was_deleted_and_made_anew_ends_and_says_why() {
    if skipped("dynamodb") {
        return;
    }
    let stage = Stage::make().await;
    let mut seats = stage.function(RoleName::Seats, &[]).await;
    seats.asks().await;
    let tables = aws_sdk_dynamodb::Client::new(&DynamoDbLocal::running().config().await);
    let table = stage.account.names.table(RoleName::Seats);
    tables.delete_table().table_name(table).send().await.unwrap();
    let sketch = Sketch::new("ada", &["12A"], "tok_visa");
    stage.account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    let records = stage.batch(RoleName::Seats, 1).await;
    let id = seats.give(json!({"Records": records}), TIME);
    assert_eq!(seats.ended().await, Some(78), "{}", seats.logged());
    let answer = seats.answer(&id).await;
    assert_eq!(failures(&answer).len(), 1, "it was answered first: {answer:?}");
    assert!(seats.logged().contains("this process ends"), "{}", seats.logged());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_answers_what_it_has_begun() {
    if skipped("dynamodb") {
        return;
    }
    let stage = Stage::make().await;
    let slow = [("BOOKING_GATEWAY_PATIENCE", "2s")];
    let mut idle = stage.function(RoleName::Seats, &[]).await;
    let mut busy = stage.function(RoleName::Payment, &slow).await;
    idle.asks().await;
    idle.signal("TERM");
    assert_eq!(idle.ended().await, Some(0), "{}", idle.logged());

    let sketch = Sketch::new("slow", &["12A"], "tok_timeout_then_ok");
    stage.account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
    let records = stage.batch(RoleName::Payment, 1).await;
    let id = busy.give(json!({"Records": records}), TIME);
    busy.takes(&id).await;
    busy.signal("TERM");
    assert_eq!(busy.ended().await, Some(0), "{}", busy.logged());
    // Whatever became of the late charge, Lambda knows it.
    assert!(matches!(busy.answer(&id).await, Answered::With(_)));
}

/// With an emulator that runs functions: its mappings receive, hand over, and delete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_article_as_functions_end_to_end() {
    if skipped("dynamodb") {
        return;
    }
    let folder = Folder::new();
    let ministack = MiniStack::start(folder.path());
    let account = Account::make_at(&ministack.config().await, false).await;
    let tables = Tables::make_in(DynamoDbLocal::running(), &account.prefix).await;
    let tables_at = DynamoDbLocal::running().environment();
    ministack.deploy(&account, 30, |_| tables_at.clone().into()).await;

    let ending = async |id: &str| {
        eventually(&format!("booking {id} to end"), async || {
            let view = ministack.status(&account, &format!("/bookings/{id}"), "").await;
            (view["final"] == true).then(|| view["phase"].as_str().unwrap().to_owned())
        })
        .await
    };
    let typed = bare(&["12A"], "tok_visa").to_string();
    let id = account.publish(Kind::BookingRequested, &typed).await;
    assert_eq!(ending(&id).await, "completed");
    let publish = async |sketch: Sketch| {
        account.publish(Kind::BookingRequested, &sketch.cloud_event()).await;
        ending(&sketch.id).await
    };
    assert_eq!(publish(Sketch::new("declined", &["14A"], "tok_declined")).await, "payment_failed");
    // Status may tell it before seats has freed the seat.
    drained(&account, &account.names, async || true).await;
    assert_eq!(publish(Sketch::new("next", &["14A", "14B"], "tok_visa")).await, "completed");
    let lost = publish(Sketch::new("half", &["14B", "14C"], "tok_visa")).await;
    assert!(["seat_unavailable", "refunded"].contains(&lost.as_str()), "{lost}");
    assert_eq!(publish(Sketch::new("rest", &["14C"], "tok_timeout_then_ok")).await, "completed");

    account.publish(Kind::BookingRequested, "{}").await;
    for role in RoleName::ALL {
        let letters = account.dead_letters(role, 1).await;
        assert_eq!(letters[0].attributes["class"], "malformed");
        assert!(letters[0].attributes["reason"].contains("is missing"));
        eventually(&format!("the queue of {role} to be empty"), async || {
            (account.depth(role).await == (0, 0)).then_some(())
        })
        .await;
        assert_eq!(account.depth_of(&account.names.dead_letter_queue(role)).await, (0, 1));
    }
    let ids = [id.as_str(), "declined", "next", "half", "rest"];
    let ids = ids.map(|it| BookingId::parse(it).unwrap());
    assert_eq!(tables.evidence(&ids, folder.path()).await.violations(), []);
}

#[test]
fn what_makes_no_sense_for_a_function_is_refused_with_both_names() {
    let ended = |role: RoleName, inside: bool, settings: &[(&str, &str)]| {
        let folder = Folder::new();
        let mut command = binary();
        command.args(["lambda", role.as_str()]).env("BOOKING_DATA", folder.path());
        command.env("BOOKING_FLIGHTS", "sample");
        command.envs(LocalStack::environment_of("http://127.0.0.1:9"));
        if inside {
            command.envs([
                ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9"),
                ("AWS_LAMBDA_FUNCTION_NAME", "booking"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ]);
        }
        let output = command.envs(settings.iter().copied()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{told}");
        told
    };
    let told = ended(RoleName::Seats, false, &[]);
    assert!(
        told.contains("AWS_LAMBDA_RUNTIME_API") && told.contains("leave out `lambda`"),
        "{told}"
    );
    let told = ended(RoleName::Seats, true, &[]);
    assert!(told.contains("booking lambda") && told.contains("--store dynamodb"), "{told}");
    let table = ("BOOKING_STORE", "dynamodb");
    let told = ended(RoleName::Seats, true, &[table, ("BOOKING_FIFO", "yes")]);
    assert!(told.contains("booking lambda") && told.contains("--fifo"), "{told}");
    let told = ended(RoleName::Seats, true, &[table, ("BOOKING_INTEGRATION", "step-functions")]);
    assert!(told.contains("booking lambda") && told.contains("step-functions"), "{told}");
    let told = ended(RoleName::Status, true, &[table, ("BOOKING_HTTP_OPEN", "yes")]);
    assert!(told.contains("booking lambda") && told.contains("--http-open"), "{told}");
}
