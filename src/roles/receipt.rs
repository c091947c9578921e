//! The receipt role: asks the mailer to send. It must never send to a passenger who was erased.

use super::{EffectError, Role};
use crate::{
    domain::receipt::{Addressee, Receipt, Receipts, Sent},
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

    async fn perform(&self, effect: &Receipt) -> Result<Sent, EffectError> {
        let (from, asked) = ("the mailer", "a receipt");
        if effect.to == Addressee::Erased {
            let source = "the passenger was erased, so the receipt has no addressee".into();
            return Err(EffectError::Refused { from, asked, source });
        }
        self.0.send(effect).await.map(|()| Sent).map_err(|error| match error {
            MailError::Unwritable { .. } => {
                EffectError::Refused { from, asked, source: Box::new(error) }
            }
            MailError::Failed { .. } => {
                EffectError::NoAnswer { from, asked, source: Box::new(error) }
            }
        })
    }
}
