//! What every AWS client of a process has in common: where credentials, region and endpoints come
//! from, and the count of what is sent. Retries and time limits are each adapter's own.

use std::error::Error;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::{
    ConfigBag, FrameworkMetadata, Intercept, RuntimeComponents,
    interceptors::BeforeTransmitInterceptorContextRef,
};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::orchestrator::Metadata;

use crate::metrics::RequestCount;

/// Takes credentials, region and endpoints from where every AWS tool takes them. Once a process: the
/// clients share what was found.
pub async fn load() -> SdkConfig {
    // By name, not `latest()`: its defaults change under us otherwise.
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
    // One for all: else each client has its own, with its own connections and certificates.
    let tls = tls::Provider::Rustls(CryptoMode::AwsLc);
    let loader =
        loader.http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https());
    let loader = match FrameworkMetadata::new("booking", Some(env!("CARGO_PKG_VERSION"))) {
        Ok(it) => loader.framework_metadata(it),
        Err(_) => loader,
    };
    loader.load().await
}

/// Counts every request when it is sent, retries included.
#[derive(Clone, Debug)]
pub struct Count(pub RequestCount);

impl Intercept for Count {
    fn name(&self) -> &'static str {
        "count requests"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let Some(it) = bag.load::<Metadata>() {
            self.0.add(it.service(), it.name());
        }
        Ok(())
    }
}
