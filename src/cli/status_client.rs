//! A client of the status service, for the commands that ask it. An answer must be parsed before
//! it is printed, and an error must not quote it.

use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    address::http_url,
    answer::{Unread, read},
    config::StatusUrl,
    domain::{canary::CanaryId, ids::BookingId},
    fault::Fault,
    http::{
        CanaryView, RatesView,
        view::{BookingList, BookingView, UNKNOWN},
    },
    printable,
    runtime::Chain,
    wiring::status_token,
};

/// The most bytes of an answer about one booking or one canary.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes of a page of a list.
const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the status service may take to answer.
const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// For whom the command prints what a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person at a terminal: each text becomes one line of visible characters.
    Person,
    /// A program, which gets each text as the server sent it.
    Program,
}

impl Reader {
    /// A program if the output is JSON, otherwise a person.
    pub(super) fn of(json: bool) -> Reader {
        if json { Reader::Program } else { Reader::Person }
    }
}

/// A client of the status service.
pub(super) struct StatusClient {
    http: reqwest::Client,
    /// The address, with user and password if it has them. Never printed.
    base: String,
    /// The address without user and password.
    url: String,
    reader: Reader,
}

/// The answer at one path.
enum Reply<T> {
    Here(T),
    /// The body of a 404.
    NotFound(Vec<u8>),
}

/// The body with which the status service answers for a booking that it has not seen.
#[derive(Deserialize)]
struct Unknown {
    booking_id: String,
    phase: String,
}

impl StatusClient {
    /// Parses the address and reads the token, without connecting.
    pub(super) fn new(status: &StatusUrl, reader: Reader) -> Result<StatusClient, Fault> {
        let url = status.url.trim_end_matches('/').to_owned();
        // The error does not repeat the address, which may hold a password.
        let no_url = |problem: &str| {
            Fault::Config(format!(
                "BOOKING_STATUS_URL (--status-url) is no address of a status service: {problem}; \
                 write it like http://127.0.0.1:8080"
            ))
        };
        let mut shown = http_url(&url).map_err(no_url)?;
        let token = status_token(&status.token)?.map(|it| it.0);
        if token.is_some() && (!shown.username().is_empty() || shown.password().is_some()) {
            return Err(Fault::Config(
                "BOOKING_STATUS_URL (--status-url) has a user, and there is a token \
                 (--status-token-file): a request has room for one of them"
                    .to_owned(),
            ));
        }
        // Both calls fail for an address that can have neither, which is fine.
        let _ = (shown.set_username(""), shown.set_password(None));
        let shown = shown.as_str().trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .default_headers(token.as_deref().map_or_else(HeaderMap::new, bearer));
        // Two programs on one machine need no proxy between them.
        let home = ["localhost", "127.", "[::1]"].iter().any(|it| url.contains(&format!("//{it}")));
        let http = if home { http.no_proxy() } else { http };
        let http = http.build().map_err(|it| Fault::Internal(Chain(&it).to_string()))?;
        Ok(StatusClient { http, base: url, url: shown, reader })
    }

    /// The booking, or `None` if the status service has not seen it.
    pub(super) async fn booking(&self, id: &BookingId) -> Result<Option<BookingView>, Fault> {
        let body = match self.get(&format!("bookings/{id}"), &[], ANSWER_BYTES_MAX).await? {
            Reply::Here(it) => return Ok(Some(it)),
            Reply::NotFound(body) => body,
        };
        // Another service, a proxy or a file server also answers 404: only this body says that the
        // booking is unknown.
        let said: Unknown = self.parse(&body)?;
        let unknown = said.phase == UNKNOWN && said.booking_id == id.as_str();
        if unknown { Ok(None) } else { Err(self.strange()) }
    }

    /// Where the canary was heard; `None` if the server is no status service, or one of a version
    /// that has no canaries yet.
    pub(super) async fn canary(&self, id: CanaryId) -> Result<Option<CanaryView>, Fault> {
        Ok(match self.get(&format!("canaries/{id}"), &[], ANSWER_BYTES_MAX).await? {
            Reply::Here(it) => Some(it),
            Reply::NotFound(_) => None,
        })
    }

    /// How often each event was heard of late; `None` if the server is no status service, or one of
    /// a version that has no rates yet.
    pub(super) async fn rates(&self) -> Result<Option<RatesView>, Fault> {
        Ok(match self.get("rates", &[], ANSWER_BYTES_MAX).await? {
            Reply::Here(it) => Some(it),
            Reply::NotFound(_) => None,
        })
    }

    /// One page of the list that `query` asks for.
    pub(super) async fn page(&self, query: &[(&str, String)]) -> Result<BookingList, Fault> {
        match self.get("bookings", query, LIST_BYTES_MAX).await? {
            Reply::Here(it) => Ok(it),
            Reply::NotFound(_) => {
                Err(Fault::Unreachable(format!("{} is no status service", self.url())))
            }
        }
    }

    /// The address of the service, without user and password.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        bytes_max: usize,
    ) -> Result<Reply<T>, Fault> {
        let url = format!("{}/{path}", self.base);
        let unreachable = |it: reqwest::Error| {
            let advice = match it.is_connect() {
                true => "; does it run, and is this its address (--status-url)?",
                false => "",
            };
            let (url, it) = (&self.url, it.without_url());
            Fault::Unreachable(format!(
                "cannot ask the status service at {url}: {}{advice}",
                Chain(&it)
            ))
        };
        let answer = self.http.get(&url).query(query).send().await.map_err(unreachable)?;
        let not_found = match answer.status() {
            StatusCode::NOT_FOUND => true,
            it if it.is_success() => false,
            // The body says so too, but it is not quoted.
            StatusCode::NOT_IMPLEMENTED => {
                return Err(Fault::Config(format!(
                    "the status service at {} cannot list by flight or day yet: its table has no \
                     index for that; run terraform apply with the terraform/ of its version, and \
                     wait until the index is active",
                    self.url
                )));
            }
            StatusCode::UNAUTHORIZED => {
                return Err(Fault::Config(format!(
                    "the status service at {} wants its token: name its file \
                     (--status-token-file), the same as that service has",
                    self.url
                )));
            }
            it => {
                let text = format!("the status service at {} answers {it}", self.url);
                return Err(Fault::Unreachable(text));
            }
        };
        let body = read(answer, bytes_max).await.map_err(|it| match it {
            Unread::Broken(error) => unreachable(error),
            Unread::TooLarge(_) => Fault::Config(format!(
                "{} (--status-url) answers with more than {} MiB, which no status service does",
                self.url,
                bytes_max / (1024 * 1024),
            )),
        })?;
        if not_found { Ok(Reply::NotFound(body)) } else { self.parse(&body).map(Reply::Here) }
    }

    fn strange(&self) -> Fault {
        Fault::Unreachable(format!(
            "the answer of {} (--status-url) cannot be read: is it a status service, and not newer \
             than this command?",
            self.url
        ))
    }

    /// Parses an answer. The error quotes nothing of the answer, which may contain anything.
    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Fault> {
        let value: Value = serde_json::from_slice(body).map_err(|_| self.strange())?;
        let value = match self.reader {
            Reader::Person => printable::flat(value),
            Reader::Program => value,
        };
        serde_json::from_value(value).map_err(|_| self.strange())
    }
}

/// The header that shows a token. An HTTP client does not send it on to another host.
fn bearer(token: &str) -> HeaderMap {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .expect("a token is visible ASCII characters");
    value.set_sensitive(true);
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}
