//! Checks a URL from a setting. It must never repeat the text in an error, since a URL may contain
//! a password.

use reqwest::Url;

/// Reads the URL of an HTTP service.
///
/// # Errors
/// Says what is wrong with the URL, without repeating it.
pub fn http_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it does not begin with http:// or https://");
    }
    if url.has_host() { Ok(url) } else { Err("it names no host") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for good in ["http://localhost:4566", "https://sqs.example.com", "http://[::1]:1/x"] {
            assert!(http_url(good).is_ok(), "{good}");
        }
        for wrong in ["localhost:4566", "localhost", "//localhost", "ftp://localhost", "http://"] {
            assert!(http_url(wrong).is_err(), "{wrong}");
        }
    }
}
