//! The receipt role: asks the mailer to send. It must never decide whether to send.

use super::{EffectError, Role};
use crate::{
    domain::receipt::{Receipt, Receipts, Sent},
    mailer::{MailError, Mailer},
};

/// The service that sends receipts, with its mailer.
#[derive(Clone, Debug)]
pub struct ReceiptRole<M>(pub M);

impl<M: Mailer> Role for ReceiptRole<M> {
    type Rules = Receipts;

    fn rules(&self) -> &Receipts {
        &Receipts
    }

    fn asks(&self, _: &Receipt) -> &'static str {
        "send receipt"
    }

    async fn perform(&self, effect: &Receipt) -> Result<Sent, EffectError> {
        let (from, asked) = ("the mailer", "a receipt");
        self.0.send(effect).await.map(|()| Sent).map_err(|error| match error {
            MailError::Unwritable { .. } | MailError::AddressRefused { .. } => {
                EffectError::Refused { from, asked, source: Box::new(error) }
            }
            MailError::Undecided { .. } => {
                EffectError::Undecided { from, asked, after: None, source: Box::new(error) }
            }
            // No receipt is given up because we are refused. All wait until an operator corrects
            // that.
            MailError::WeAreRefused { .. } | MailError::Failed { .. } => {
                EffectError::NoAnswer { from, asked, source: Box::new(error) }
            }
        })
    }
}
