//! Where the mail of the tests goes: a mail server that fails as the address says
//! (tests/it/peers/smtp.py), and an Amazon SES (tests/it/peers/ministack.py). Both end with the
//! test.

use std::{fs, process::Child, sync::OnceLock};

use booking::mailer::smtp::{Encryption, Server};
use serde_json::Value;

use super::{
    Folder, emulator,
    peers::{peer, port, started},
};

/// Who may send through the mail server, and how it knows.
pub const MAIL_USER: &str = "ada";
pub const MAIL_PASSWORD: &str = "a-password-of-the-tests";

/// A mail server.
pub struct MailServer {
    folder: Folder,
    ports: [u16; 3],
    child: Child,
}

/// A mail that the server took.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: Vec<String>,
    pub from: String,
    /// As it was received, bytes as letters.
    pub text: String,
    /// Another number for each connection.
    pub connection: u64,
    pub login: bool,
}

impl Mail {
    /// The value of a header on one line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        head.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl MailServer {
    pub fn start() -> MailServer {
        let folder = Folder::new();
        let (child, ports) = begin(&folder, &[]);
        MailServer { folder, ports, child }
    }

    /// Starts it again at the same ports, with the same certificate, and with the mails it has.
    pub fn restart(&mut self) {
        self.stop();
        self.child = begin(&self.folder, &self.ports).0;
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        // Both fail harmlessly when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// `HOST:PORT` of the port for a kind of encryption.
    pub fn address(&self, encryption: Encryption) -> String {
        let port = match encryption {
            Encryption::StartTls => self.ports[0],
            Encryption::Implicit => self.ports[1],
            Encryption::Off => self.ports[2],
        };
        format!("localhost:{port}")
    }

    /// The file with the authority that made its certificate.
    pub fn authority(&self) -> String {
        self.folder.join("authority.pem").to_str().unwrap().to_owned()
    }

    /// This server as a client knows it who trusts it, and who logs in where that is wanted.
    pub fn as_known(&self, encryption: Encryption) -> Server {
        let authority = fs::read(self.authority()).unwrap();
        let server = Server::new(&self.address(encryption), encryption, Some(&authority)).unwrap();
        match encryption {
            Encryption::Off => server,
            Encryption::StartTls | Encryption::Implicit => {
                server.with_login(MAIL_USER, MAIL_PASSWORD).unwrap()
            }
        }
    }

    /// The settings of a `booking` process that sends through this server by STARTTLS.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("BOOKING_MAILER", "smtp".to_owned()),
            ("BOOKING_SMTP_SERVER", self.address(Encryption::StartTls)),
            ("BOOKING_SMTP_CA", self.authority()),
            ("BOOKING_SMTP_USER", MAIL_USER.to_owned()),
            ("BOOKING_SMTP_PASSWORD", MAIL_PASSWORD.to_owned()),
        ]
    }

    /// Every mail that it took, in their order.
    pub fn mails(&self) -> Vec<Mail> {
        let text = fs::read_to_string(self.folder.join("mails")).unwrap_or_default();
        // The last line may be half written.
        let lines = text.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        lines.map(|it| mail(&it)).collect()
    }

    /// The mails to one address.
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        let mut mails = self.mails();
        mails.retain(|it| it.to == [address]);
        mails
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn begin(folder: &Folder, ports: &[u16]) -> (Child, [u16; 3]) {
    let (child, ports) = started(
        peer("smtp.py")
            .arg(folder.path())
            .args(ports.iter().map(ToString::to_string))
            .env("SMTP_PASSWORD", MAIL_PASSWORD),
    );
    (child, ["starttls", "implicit", "plain"].map(|it| port(&ports, it)))
}

fn mail(told: &Value) -> Mail {
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    Mail {
        to: told["to"].as_array().unwrap().iter().map(text).collect(),
        from: text(&told["from"]),
        text: text(&told["text"]),
        connection: told["connection"].as_u64().unwrap(),
        login: told["login"].as_bool().unwrap(),
    }
}

/// An Amazon SES that sends nothing and lists what it was to send.
pub struct Ses {
    pub endpoint: String,
    /// It ends when its stdin closes, however the test process ends.
    _leash: Child,
}

impl Ses {
    /// The one of this run.
    pub fn running() -> &'static Ses {
        static RUNNING: OnceLock<Ses> = OnceLock::new();
        RUNNING.get_or_init(|| {
            let (child, port) = started(&mut peer("ministack.py"));
            Ses { endpoint: format!("http://127.0.0.1:{port}"), _leash: child }
        })
    }

    /// Lets a domain send, as a person does in the console.
    pub async fn verifies(&self, domain: &str) {
        let client = aws_sdk_sesv2::Client::new(&emulator::config(&self.endpoint).await);
        // Fails harmlessly when it has been verified before.
        let _ = client.create_email_identity().email_identity(domain).send().await;
    }

    /// Everything that was sent to one address.
    pub async fn mails_to(&self, address: &str) -> Vec<Value> {
        let all = reqwest::get(format!("{}/_ministack/ses/messages", self.endpoint)).await.unwrap();
        let all: Value = all.json().await.unwrap();
        let accounts = all["messages"].as_object().unwrap();
        let mails = accounts.values().flat_map(|it| it.as_array().unwrap());
        mails.filter(|it| it["To"] == serde_json::json!([address])).cloned().collect()
    }
}
