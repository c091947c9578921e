//! Turns errors of the SDK into errors of the bus. An error that may go away by itself must never
//! become [`BusError::Refused`].

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::{
    aws::{Right, Told, is_refusal},
    bus::BusError,
};

/// The bus error for an SDK error. It is `Refused` when waiting does not help. If a permission is
/// missing, the error names it.
pub(crate) fn failure<E>(
    operation: &'static str,
    name: &str,
    right: Right,
    error: SdkError<E>,
) -> BusError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let told = Told::of(&error);
    if told.is_setting() {
        let (name, source) = (name.to_owned(), told.into());
        return BusError::Refused { operation, name, source };
    }
    let code = told.code().map(str::to_owned);
    said(operation, name, right, code.as_deref(), told.into())
}

/// The bus error for an error code of AWS and the source of the error.
pub(super) fn said(
    operation: &'static str,
    name: &str,
    right: Right,
    code: Option<&str>,
    source: Box<dyn Error + Send + Sync>,
) -> BusError {
    let name = name.to_owned();
    let refused = code.is_some_and(is_refusal);
    let source = right.explain(code, source);
    if refused {
        BusError::Refused { operation, name, source }
    } else {
        BusError::Failed { operation, name, source }
    }
}
