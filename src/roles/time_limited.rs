//! A time limit for effects. An effect that takes longer has no answer, and is asked for again. It
//! must never count as refused.

use std::time::Duration;

use super::{EffectError, Role};
use crate::domain::decision::Rules;

/// A role whose effects have a time limit.
#[derive(Clone, Debug)]
pub struct TimeLimited<R> {
    role: R,
    limit: Duration,
    outside: &'static str,
}

impl<R> TimeLimited<R> {
    /// Gives each effect of `role` at most `limit`. `outside` names who is asked, such as `the
    /// gateway`.
    pub fn new(role: R, limit: Duration, outside: &'static str) -> TimeLimited<R> {
        TimeLimited { role, limit, outside }
    }
}

impl<R: Role> Role for TimeLimited<R> {
    type Rules = R::Rules;

    fn rules(&self) -> &R::Rules {
        self.role.rules()
    }

    fn asks(&self, effect: &<R::Rules as Rules>::Effect) -> &'static str {
        self.role.asks(effect)
    }

    async fn perform(
        &self,
        effect: &<R::Rules as Rules>::Effect,
    ) -> Result<<R::Rules as Rules>::Answer, EffectError> {
        let answer = tokio::time::timeout(self.limit, self.role.perform(effect)).await;
        answer.unwrap_or_else(|elapsed| {
            Err(EffectError::NoAnswer {
                from: self.outside,
                asked: "a request within --effect-timeout",
                source: Box::new(elapsed),
            })
        })
    }
}
