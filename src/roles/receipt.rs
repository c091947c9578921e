//! Receipt asks the mailer.

use super::{EffectError, Role};
use crate::{
    domain::receipt::{Receipt, Receipts, Sent},
    mailer::Mailer,
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
        self.0.send(effect).await.map(|()| Sent).map_err(|source| EffectError {
            from: "the mailer",
            asked: "a receipt",
            source: Box::new(source),
        })
    }
}
