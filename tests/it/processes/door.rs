//! Who may ask status: whoever has its token. The token itself is nowhere to be seen.

use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use booking::{domain::RoleName, http};
use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use crate::harness::{Account, Demo, Folder, LocalStack, Service, binary, skipped};

/// What nobody may see.
const TOKEN: &str = "Zx9-a-token-of-the-tests-Qk7";

/// A folder with the file of the token.
fn with_token() -> (Folder, String) {
    let folder = Folder::new();
    let file = folder.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    (folder, file)
}

/// The status of the answer to whoever shows this, and the ways in which a token is wanted.
async fn asked(address: &str, path: &str, shown: Option<&str>) -> (u16, Vec<String>) {
    let client = reqwest::Client::new().get(format!("http://{address}{path}"));
    let client = shown.into_iter().fold(client, |it, shown| it.header(AUTHORIZATION, shown));
    let answer = client.send().await.unwrap();
    let ways = answer.headers().get_all(WWW_AUTHENTICATE).iter();
    let ways = ways.map(|it| it.to_str().unwrap().to_owned()).collect();
    (answer.status().as_u16(), ways)
}

/// The exit code of a command, and what it printed.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!text.contains(TOKEN), "{text}");
    (output.status.code(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_token_sees_no_booking_and_a_probe_needs_none() {
    let (_folder, file) = with_token();
    let demo = Demo::start(&["--status-token-file", &file, "--pause", "0s"]);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let bearer = format!("Bearer {TOKEN}");
    for path in
        ["/bookings", "/bookings/demo-1-0001", "/canaries/0190d5a6-7c3e-7000-8000-000000000000"]
    {
        for wrong in [None, Some("Bearer another-token-entirely"), Some(&basic("ada:"))] {
            let (code, ways) = asked(demo.address(), path, wrong).await;
            assert_eq!(code, 401, "{path} {wrong:?}");
            assert!(ways.iter().any(|it| it.starts_with("Basic realm=")), "{ways:?}");
            assert!(ways.iter().any(|it| it.starts_with("Bearer realm=")), "{ways:?}");
        }
        for right in [&bearer, &basic(&format!("ada:{TOKEN}"))] {
            let (code, _) = asked(demo.address(), path, Some(right)).await;
            assert!([200, 404].contains(&code), "{path}: {code}");
        }
    }
    for path in ["/health", "/metrics", "/payment/health"] {
        assert_eq!(asked(demo.address(), path, None).await.0, 200, "{path}");
    }
    // The document says which paths want it.
    for (path, item) in http::openapi()["paths"].as_object().unwrap() {
        let wants = item["get"]["responses"].get("401").is_some();
        assert_eq!(wants, item["get"].get("security").is_none(), "{path}");
        let (code, _) = asked(demo.address(), &path.replace(['{', '}'], ""), None).await;
        assert_eq!(code == 401, wants, "{path}");
    }
    let list = |how: &dyn Fn(&mut Command)| {
        let mut command = binary();
        command.args(["list", "--status-url", &demo.url]);
        how(&mut command);
        run(&mut command)
    };
    let (code, said) = list(&|_| {});
    assert!(code == Some(78) && said.contains("--status-token-file"), "{said}");
    let (code, said) = list(&|it| {
        it.env("BOOKING_STATUS_TOKEN", "another-token-entirely");
    });
    assert!(code == Some(78) && said.contains("wants its token"), "{said}");
    let (code, said) = list(&|it| {
        it.args(["--status-token-file", &file]);
    });
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = list(&|it| {
        it.env("BOOKING_STATUS_TOKEN", TOKEN);
    });
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = list(&|it| {
        it.env("BOOKING_STATUS_TOKEN", TOKEN).args(["--status-token-file", &file]);
    });
    assert!(code == Some(78) && said.contains("are both set"), "{said}");
    let with_user = demo.url.replace("http://", "http://ada:secret@");
    let (code, said) =
        run(binary().args(["list", "--status-url", &with_user]).env("BOOKING_STATUS_TOKEN", TOKEN));
    assert!(code == Some(78) && said.contains("has a user") && !said.contains("secret"), "{said}");
    assert!(!demo.said().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_no_answer_and_no_command_tells_the_token_of_status() {
    if skipped("localstack") {
        return;
    }
    let (account, folder, (_keep, file)) =
        (Account::make(false).await, Folder::new(), with_token());
    let localstack = LocalStack::running();
    let role = RoleName::Status;
    let mut service = Service::spawn(localstack, role, &account.prefix, folder.path(), |it| {
        it.args(["--status-token-file", &file]).env("RUST_LOG", "trace");
    });
    service.polls().await;
    let shown = format!("Bearer {TOKEN}");
    let mut said = String::new();
    for shown in [shown.clone(), format!("Basic {}", STANDARD.encode(format!("ada:{TOKEN}")))] {
        for path in ["/bookings", "/bookings/b-1", "/health", "/metrics", "/nowhere"] {
            let client = reqwest::Client::new().get(format!("http://{}{path}", service.address));
            let answer = client.header(AUTHORIZATION, &shown).send().await.unwrap();
            said += &format!("{:?}", answer.headers());
            said += &answer.text().await.unwrap();
        }
    }
    let list = run(binary()
        .args(["list", "--status-url", &format!("http://{}", service.address)])
        .env("BOOKING_STATUS_TOKEN", TOKEN)
        .env("RUST_LOG", "trace"));
    assert_eq!(list.0, Some(0), "{}", list.1);
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", service.pid())).unwrap();
    assert!(cmdline.contains("--status-token-file"), "{cmdline}");
    for text in [&said, &service.logged(), &cmdline] {
        assert!(!text.contains(TOKEN) && !text.contains(&STANDARD.encode(format!("ada:{TOKEN}"))));
    }
}
