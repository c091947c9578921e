//! Receipt asks the mailer.

use super::{EffectError, Role};
use crate::{
    domain::receipt::{Addressee, Receipt, Receipts, Sent},
    mailer::{MailError, Mailer},
};

/// The service that sends the receipt.
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
            let source = "the passenger was erased: there is nobody to send it to".into();
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
