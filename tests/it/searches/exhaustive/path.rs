//! The way to a violation, in words.

use super::{
    model::{Model, Turn, World},
    search::{Move, Search},
    ways::Effect,
};

impl Search<'_> {
    /// A violation and the whole way to it.
    pub fn told(
        &self,
        start: World,
        parents: &[(u32, Move)],
        last: u32,
        more: Option<String>,
        problem: String,
    ) -> String {
        let mut moves = Vec::new();
        let mut at = last;
        while at != 0 {
            let (before, step) = parents[at as usize];
            moves.push(step);
            at = before;
        }
        let mut world = start;
        let mut text = format!("{}: {problem}\n", self.scenario.name);
        for step in moves.into_iter().rev() {
            match step {
                Move::Late => {
                    world.late = true;
                    text.push_str("  the holds expire\n");
                }
                Move::Turn { cell, turn, way } => {
                    let cell = usize::from(cell);
                    let effects =
                        self.model.remembered(cell, world.written[cell], world.late, turn);
                    let effect = &effects[usize::from(way)];
                    text.push_str(&format!("  {}\n", self.words(cell, turn, Some(effect))));
                    world = self.after(&world, cell, turn, effect);
                }
            }
        }
        if let Some(more) = more {
            text.push_str(&format!("  {more}\n"));
        }
        text.push_str(&format!("then: {}", self.model.describe(&world)));
        text
    }

    pub fn words(&self, cell: usize, turn: Turn, effect: Option<&Effect>) -> String {
        let role = Model::role_of(cell);
        let letter = |it: u8| {
            let letter = &self.model.letters[usize::from(it)];
            format!(
                "{} of {} ({})",
                letter.message.kind, letter.event.booking, letter.event.cause.id
            )
        };
        let turn = match turn {
            Turn::Deliver(message) => format!("deliver {} to {role}", letter(message)),
            Turn::Resume(number) => {
                format!("{role} goes on with {}", letter(self.model.held_by(cell, number)))
            }
            Turn::Forget => "the gateway forgets".to_owned(),
            Turn::CatchUp => "the look-up catches up".to_owned(),
        };
        effect.map_or_else(|| turn.clone(), |it| format!("{turn}: {}", it.words))
    }
}
