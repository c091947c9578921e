//! The courses that a booking can take, as sets of events. They are found by playing the rules
//! through, once in a process, when they are first needed.

use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use super::{
    play::{Course, Play, Said},
    world::World,
};
use crate::domain::event::Kind;

/// The possible courses of a booking.
#[derive(Debug)]
pub(super) struct Courses {
    all: HashSet<Course>,
    /// All events of all courses. A reason that is not among them is one that the rules pass on, or
    /// one of another version, so it tells no courses apart.
    known: Course,
}

/// The courses of a booking with one request.
pub(super) static COURSES: LazyLock<Courses> = LazyLock::new(|| {
    let all: HashSet<Course> = World::all().iter().flat_map(ends).collect();
    let known = all.iter().flatten().cloned().collect();
    Courses { all, known }
});

impl Courses {
    /// The events that can still come after these. If no course has all of these together, which
    /// must not happen, any event can still come.
    pub(super) fn after(&self, heard: &[Said]) -> BTreeSet<Kind> {
        let is_in = |course: &Course, it: &Said| {
            if self.known.contains(it) {
                course.contains(it)
            } else {
                course.iter().any(|other| other.kind == it.kind)
            }
        };
        let fitting = |course: &&Course| heard.iter().all(|it| is_in(course, it));
        let kinds = |course: &Course| course.iter().map(|it| it.kind).collect::<BTreeSet<Kind>>();
        let mut fitting = self.all.iter().filter(fitting).map(kinds).peekable();
        if fitting.peek().is_none() {
            return Kind::ALL.into();
        }
        fitting.flatten().filter(|kind| heard.iter().all(|it| it.kind != *kind)).collect()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &HashSet<Course> {
        &self.all
    }
}

/// Every course that ends in this world, over every order in which messages can be delivered.
fn ends(world: &World) -> Vec<Course> {
    let begin = Play::begin(world);
    let (mut seen, mut open, mut ends) = (HashSet::from([begin.key()]), vec![begin], Vec::new());
    while let Some(play) = open.pop() {
        let next = play.next(world);
        if next.is_empty() {
            ends.push(play.course());
        }
        open.extend(next.into_iter().filter(|it| seen.insert(it.key())));
    }
    ends
}
