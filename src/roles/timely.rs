//! A limit to how long the outside may take. What takes longer has no answer, and is asked again.

use std::time::Duration;

use super::{EffectError, Role};
use crate::domain::decision::Rules;

/// A role whose effects have a time limit.
#[derive(Clone, Debug)]
pub struct Timely<R> {
    role: R,
    limit: Duration,
}

impl<R> Timely<R> {
    /// `role`, with at most `limit` for each effect.
    pub fn new(role: R, limit: Duration) -> Timely<R> {
        Timely { role, limit }
    }
}

impl<R: Role> Role for Timely<R> {
    type Rules = R::Rules;

    fn rules(&self) -> &R::Rules {
        self.role.rules()
    }

    async fn perform(
        &self,
        effect: &<R::Rules as Rules>::Effect,
    ) -> Result<<R::Rules as Rules>::Answer, EffectError> {
        let answer = tokio::time::timeout(self.limit, self.role.perform(effect)).await;
        answer.unwrap_or_else(|elapsed| {
            Err(EffectError::NoAnswer {
                from: "the outside",
                asked: "what was asked within --effect-timeout",
                source: Box::new(elapsed),
            })
        })
    }
}
