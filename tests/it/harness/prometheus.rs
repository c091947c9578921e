//! The real Prometheus, which scrapes real services, and its promtool.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
};

use booking::domain::RoleName;
use serde_json::Value;

use super::{Folder, Service, emulator::signal, eventually, free_port, root};

/// The folder of the files that an operator copies.
const GRAFANA: &str = "docs/grafana";

/// The port at which docs/grafana/prometheus.yml looks for each service.
const PORTS: [(RoleName, u16); 4] = [
    (RoleName::Seats, 8081),
    (RoleName::Payment, 8082),
    (RoleName::Receipt, 8083),
    (RoleName::Status, 8080),
];

/// A program of Debian's package, which `.ci/prometheus` fetches and unpacks if it is not here.
fn program(name: &str) -> Command {
    static FETCHED: LazyLock<bool> = LazyLock::new(|| {
        let fetch = Command::new(root().join(".ci/prometheus")).stdin(Stdio::null()).output();
        fetch.is_ok_and(|it| it.status.success())
    });
    let unpacked = root().join("target/prometheus/usr/bin").join(name);
    let there = *FETCHED && unpacked.exists();
    let program = if there { unpacked.as_os_str() } else { name.as_ref() };
    let asked = Command::new(program).arg("--version").output();
    assert!(
        asked.is_ok_and(|it| it.status.success()),
        "{name} is needed, and .ci/prometheus could not unpack Debian's package: install it with \
         `apt-get install prometheus` (no service of it has to run), or leave these tests out: \
         BOOKING_TEST_SKIP=prometheus"
    );
    Command::new(program)
}

/// What promtool says, with this text on its stdin.
pub fn promtool(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = program("promtool");
    let command = command.args(arguments).current_dir(folder);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A Prometheus with the configuration and the alarms of docs/grafana, every second. Ended when
/// dropped.
pub struct Prometheus {
    url: String,
    child: Child,
    folder: Folder,
}

impl Prometheus {
    /// Starts it, and waits until it has scraped all of these services.
    pub async fn of(services: &[Service]) -> Prometheus {
        let (folder, given) = (Folder::new(), root().join(GRAFANA));
        let mut text = std::fs::read_to_string(given.join("prometheus.yml")).unwrap();
        for (role, port) in PORTS {
            let (service, default) =
                (services.iter().find(|it| it.role == role), format!("127.0.0.1:{port}"));
            assert_eq!(text.matches(&default).count(), 1, "{default}");
            text = text.replace(&default, &service.unwrap().address);
        }
        assert_eq!(text.matches("interval: 15s").count(), 2);
        let text = text.replace("interval: 15s", "interval: 1s");
        std::fs::write(folder.join("prometheus.yml"), text).unwrap();
        std::fs::copy(given.join("alarms.yml"), folder.join("alarms.yml")).unwrap();

        let address = format!("127.0.0.1:{}", free_port());
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = program("prometheus")
            .arg(format!("--web.listen-address={address}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut prometheus = Prometheus { url: format!("http://{address}/api/v1"), child, folder };
        eventually("all services to be scraped", async || {
            let ended = prometheus.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", prometheus.logged());
            (prometheus.query("sum(up)").await == [services.len() as f64]).then_some(())
        })
        .await;
        prometheus
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// What it answers at a path; `Null` if it does not answer, or with words: it is starting.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let asked = reqwest::Client::new().get(format!("{}/{path}", self.url)).query(query);
        let Ok(answer) = asked.send().await else { return Value::Null };
        let Ok(told) = answer.json::<Value>().await else { return Value::Null };
        assert_eq!(told["status"], "success", "{query:?}: {told}");
        told["data"].clone()
    }

    /// The values of all series of a query now.
    pub async fn query(&self, query: &str) -> Vec<f64> {
        let told = self.get("query", &[("query", query)]).await;
        let series = told["result"].as_array().cloned().unwrap_or_default();
        series.iter().map(|it| it["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        signal(&self.child, "TERM");
        let _ = self.child.wait();
    }
}
