//! A mail server: where it is, how the way to it is encrypted, and who logs in. A password must
//! never be printed, and must never leave this machine in clear text.

use std::{fmt, net::IpAddr};

use lettre::transport::smtp::{
    authentication::Credentials,
    client::{Certificate, CertificateStore, TlsParameters},
};

/// The port of each kind of encryption, unless another one is set.
const PORT_STARTTLS: u16 = 587;
const PORT_IMPLICIT: u16 = 465;
const PORT_OFF: u16 = 25;

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// After STARTTLS.
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    Off,
}

/// A mail server. Its `Debug` output hides the login, so that it cannot reach a log.
#[derive(Clone)]
pub struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) tls: TlsParameters,
    pub(super) login: Option<Credentials>,
}

/// Why a mail server cannot be used. No text of a setting is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServer {
    /// It may hold a password, so it is not shown.
    #[error("expected HOST or HOST:PORT, such as smtp.example.com:587")]
    Address,
    /// There is no certificate that can be read.
    #[error("has no certificate in it that can be read: expected a PEM file")]
    Certificates,
    /// Anyone on the way could read the password.
    #[error("a password is sent to another machine with starttls or implicit only")]
    InClear,
    /// A user or a password that no mail server can be told.
    #[error("expected a user and a password of one line each")]
    Login,
}

impl Server {
    /// A mail server at `HOST` or `HOST:PORT`. If there are `certificates`, in PEM, they are
    /// trusted in place of those of the system.
    ///
    /// # Errors
    /// If the address is none, or no certificate can be read.
    pub fn new(
        address: &str,
        encryption: Encryption,
        certificates: Option<&[u8]>,
    ) -> Result<Server, BadServer> {
        let (host, port) = host_and_port(address).ok_or(BadServer::Address)?;
        let port = port.unwrap_or(match encryption {
            Encryption::StartTls => PORT_STARTTLS,
            Encryption::Implicit => PORT_IMPLICIT,
            Encryption::Off => PORT_OFF,
        });
        let mut tls = TlsParameters::builder(host.to_owned());
        if let Some(pem) = certificates {
            let certificate = Certificate::from_pem(pem).map_err(|_| BadServer::Certificates)?;
            // An empty file parses as no certificates, so the mark must be there.
            if !pem.windows(PEM_MARK.len()).any(|it| it == PEM_MARK) {
                return Err(BadServer::Certificates);
            }
            tls = tls.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        let tls = tls.build().map_err(|_| BadServer::Certificates)?;
        Ok(Server { host: host.to_owned(), port, encryption, tls, login: None })
    }

    /// The same mail server, at which a user logs in.
    ///
    /// # Errors
    /// If the password would be sent to another machine in clear text, or a part has no text or
    /// more than one line.
    pub fn with_login(self, user: &str, password: &str) -> Result<Server, BadServer> {
        if self.encryption == Encryption::Off && !is_this_machine(&self.host) {
            return Err(BadServer::InClear);
        }
        if [user, password].iter().any(|it| it.is_empty() || it.contains(char::is_control)) {
            return Err(BadServer::Login);
        }
        let login = Some(Credentials::new(user.to_owned(), password.to_owned()));
        Ok(Server { login, ..self })
    }
}

/// What each certificate in a PEM file begins with.
const PEM_MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({}:{}, {:?})", self.host, self.port, self.encryption)
    }
}

/// The parts of `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<IpAddr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |it| (it.0, Some(it.1)));
            let known = |it: u8| it.is_ascii_alphanumeric() || b".-_".contains(&it);
            if host.is_empty() || !host.bytes().all(known) {
                return None;
            }
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some(it) => Some(it.parse().ok().filter(|it| *it != 0)?),
    };
    Some((host, port))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, encryption: Encryption) -> Result<Server, BadServer> {
        Server::new(address, encryption, None)
    }

    #[test]
    fn a_mail_server_has_a_host_and_the_port_of_its_encryption_unless_one_is_set() {
        for (address, encryption, wanted) in [
            ("smtp.example.com", Encryption::StartTls, ("smtp.example.com", 587)),
            ("smtp.example.com", Encryption::Implicit, ("smtp.example.com", 465)),
            ("localhost", Encryption::Off, ("localhost", 25)),
            ("127.0.0.1:2525", Encryption::Off, ("127.0.0.1", 2525)),
            ("[::1]:2525", Encryption::StartTls, ("::1", 2525)),
            ("[::1]", Encryption::Implicit, ("::1", 465)),
        ] {
            let server = server(address, encryption).unwrap();
            assert_eq!((server.host.as_str(), server.port), wanted);
        }
        for wrong in [
            "",
            ":25",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "::1",
            "[::1",
            "[a]",
            "smtp://a",
            "ada:secret@a",
            "ada@a",
            "a b",
            "a\r\nb",
        ] {
            assert_eq!(server(wrong, Encryption::Off).unwrap_err(), BadServer::Address, "{wrong}");
        }
    }

    #[test]
    fn a_password_leaves_this_machine_encrypted_or_not_at_all_and_is_never_printed() {
        let off = |it: &str| server(it, Encryption::Off).unwrap().with_login("ada", "hunter2");
        for here in ["localhost", "127.0.0.1:25", "127.9.9.9", "[::1]:25"] {
            assert!(!format!("{:?}", off(here).unwrap()).contains("hunter2"));
        }
        for elsewhere in ["smtp.example.com", "192.0.2.1:25", "localhost.example.com"] {
            assert_eq!(off(elsewhere).unwrap_err(), BadServer::InClear, "{elsewhere}");
        }
        for (user, password) in [("", "x"), ("x", ""), ("a\r\nb", "x"), ("x", "a\0b")] {
            let server = server("a", Encryption::StartTls).unwrap();
            assert_eq!(server.with_login(user, password).unwrap_err(), BadServer::Login);
        }
        assert!(server("a", Encryption::Implicit).unwrap().with_login("ada", "hunter2").is_ok());
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let with = |pem: &[u8]| Server::new("a", Encryption::StartTls, Some(pem)).unwrap_err();
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in [&b""[..], b"hunter2", broken] {
            assert_eq!(with(pem), BadServer::Certificates);
        }
    }
}
