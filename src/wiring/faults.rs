//! Turns errors of AWS and of stores into faults, whose exit code says whether a person has to fix
//! something or a retry may help. Must keep the whole chain of an error.

use crate::{
    aws::{AwsError, Denied},
    fault::Fault,
    runtime::Chain,
    store::StoreError,
};

/// The fault for a table that cannot be used.
#[must_use]
pub fn table_fault(error: &StoreError) -> Fault {
    match error {
        StoreError::Unusable { .. } | StoreError::NotIndexed { .. } => Fault::config(error),
        StoreError::Failed { .. } if Denied::is_behind(error) => Fault::config(error),
        StoreError::Failed { .. } | StoreError::Damaged { .. } | StoreError::Closed => {
            Fault::unreachable(error)
        }
    }
}

/// The fault for a file that cannot be opened.
pub(super) fn file_fault(error: &StoreError) -> Fault {
    match error {
        StoreError::Damaged { .. } => Fault::Internal(Chain(error).to_string()),
        StoreError::Unusable { .. }
        | StoreError::NotIndexed { .. }
        | StoreError::Failed { .. }
        | StoreError::Closed => Fault::config(error),
    }
}

/// The fault for an error of AWS: its exit code says if a person has to fix something first.
#[must_use]
pub fn aws_fault(error: AwsError) -> Fault {
    match &error {
        AwsError::NoRegion
        | AwsError::Misconfigured(_)
        | AwsError::Setting { .. }
        | AwsError::NoQueue { .. }
        | AwsError::Denied { .. } => Fault::config(&error),
        AwsError::Unreachable { .. } => Fault::unreachable(&error),
    }
}
