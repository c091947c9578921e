//! The HTTP client for AWS: its proxies, and the certificates that it trusts. It must do this the
//! way that other AWS tools do.

use std::fs;

use aws_config::SdkConfig;
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tracing::warn;

/// The variable of the file with certificates that are trusted instead of the system's. Other AWS
/// tools know it; the Rust SDK does not.
const BUNDLE: &str = "AWS_CA_BUNDLE";

/// The certificates to trust cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{BUNDLE} (or ca_bundle in the AWS profile) is not a file of certificates: `{file}` {problem}; name a \
     PEM file, or unset it to trust what the system trusts"
)]
pub struct NoCertificates {
    file: String,
    problem: String,
}

/// The HTTP client that all AWS clients of a process share. It obeys `HTTP_PROXY`, `HTTPS_PROXY`,
/// `ALL_PROXY` and `NO_PROXY`, in upper or lower case, like the SDK's own client.
pub(super) fn client(trusted: Option<TrustStore>) -> SharedHttpClient {
    let trusted = TlsContext::builder().with_trust_store(trusted.unwrap_or_default()).build();
    let trusted = trusted.expect("no part of a TLS context is missing");
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|it| it.sleep_impl()));
        let connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.tls_context(trusted.clone()).build()
    })
}

/// The certificates to trust instead of the system's, if a setting names a file of them.
///
/// # Errors
/// If the file cannot be read, or has no certificate that can be read.
pub(super) fn trusted(config: &SdkConfig) -> Result<Option<TrustStore>, NoCertificates> {
    let key = ServiceConfigKey::builder().service_id("").env(BUNDLE).profile("ca_bundle").build();
    let key = key.expect("all parts of the key are given");
    let file = config.service_config().and_then(|it| it.load_config(key));
    // A setting that is empty in a profile counts as not set, like an empty variable.
    let Some(file) = file.filter(|it| !it.trim().is_empty()) else { return Ok(None) };
    let unusable = |problem: String| NoCertificates { file: file.clone(), problem };
    let pem = fs::read(&file).map_err(|it| unusable(format!("cannot be read ({})", it.kind())))?;
    let (mut trusted, mut odd) = (TrustStore::empty(), 0);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        // The SDK would panic over a certificate that it cannot read. A large bundle may have some.
        match certificate.ok().filter(|it| roots.add(it.clone()).is_ok()) {
            Some(it) => trusted.add_pem_certificate(pem_of(&it)),
            None => {
                odd += 1;
                continue;
            }
        };
    }
    if roots.is_empty() {
        return Err(unusable("has no certificate in it that can be read".to_owned()));
    }
    if odd > 0 {
        warn!(file, odd, "some certificates cannot be read and are not trusted");
    }
    Ok(Some(trusted))
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
