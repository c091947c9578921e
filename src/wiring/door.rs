//! Decides who may ask status over the network: whoever has the token, or this machine alone, or
//! everybody if the settings say so by name.

use std::io;

use super::keys::status_token;
use crate::{config::DoorArgs, fault::Fault, http::Token};

/// The token that clients of status have to show, if they have to show one.
///
/// # Errors
/// If the token cannot be read, or if there is none and others than this machine could reach the
/// address, also if nobody can say which machine that is.
pub(crate) async fn door(args: &DoorArgs, address: &str) -> Result<Option<Token>, Fault> {
    let token = status_token(&args.token)?.map(|it| it.1);
    if token.is_none() && !args.http_open && !is_of_this_machine(address).await? {
        return Err(Fault::Config(format!(
            "{address} (--http) can be reached by others, and status wants no token: make one \
             (openssl rand -hex 32 >FILE) and name its file (--status-token-file), or let \
             everybody in who can reach the address (--http-open)"
        )));
    }
    Ok(token)
}

/// Why nothing listens on the address, and what to do.
pub(crate) fn cannot_listen(address: &str, why: &io::Error) -> Fault {
    let kind = why.kind();
    let advice = if kind == io::ErrorKind::AddrInUse {
        "; choose another port, such as --http 127.0.0.1:8090, or 127.0.0.1:0 for any that is free"
    } else if kind == io::ErrorKind::InvalidInput {
        "; write it like 127.0.0.1:8080"
    } else {
        ""
    };
    Fault::Config(format!("cannot listen on {address} (--http): {why}{advice}"))
}

/// Whether only this machine can reach the address.
async fn is_of_this_machine(address: &str) -> Result<bool, Fault> {
    // An address that is unknown now may be known a moment later, when the service listens on it.
    let mut all =
        tokio::net::lookup_host(address).await.map_err(|it| cannot_listen(address, &it))?;
    Ok(all.all(|it| it.ip().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StatusTokenArgs;

    #[tokio::test]
    async fn without_a_token_others_are_let_in_only_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a-token-of-16-ch\n").unwrap();
        let args = |token: bool, http_open| {
            let status_token_file = token.then(|| file.path().to_owned());
            DoorArgs { token: StatusTokenArgs { status_token_file }, http_open }
        };
        for home in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "127.9.9.9:0"] {
            assert!(door(&args(false, false), home).await.is_ok_and(|it| it.is_none()), "{home}");
        }
        for others in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "[::ffff:127.0.0.1]:80"] {
            let Err(Fault::Config(said)) = door(&args(false, false), others).await else {
                panic!("{others} is open")
            };
            for word in [others, "--status-token-file", "--http-open"] {
                assert!(said.contains(word), "{said}");
            }
            assert!(door(&args(false, true), others).await.is_ok_and(|it| it.is_none()));
            assert!(door(&args(true, false), others).await.is_ok_and(|it| it.is_some()));
        }
        // It might be known by the time when the service listens.
        let unknown = door(&args(false, false), "nowhere").await;
        let Err(Fault::Config(said)) = unknown else { panic!("an unknown address is open") };
        assert!(said.contains("cannot listen on nowhere (--http)"), "{said}");
        assert!(said.contains("write it like 127.0.0.1:8080"), "{said}");
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_another_one() {
        let Fault::Config(said) = cannot_listen("x", &io::ErrorKind::AddrInUse.into()) else {
            panic!("not a setting")
        };
        assert!(said.contains("choose another port, such as --http 127.0.0.1:8090"), "{said}");
        let Fault::Config(said) = cannot_listen("x", &io::ErrorKind::PermissionDenied.into())
        else {
            panic!("not a setting")
        };
        assert!(!said.contains(';'), "{said}");
    }
}
