//! Tasks: what a state machine puts on a role's queue, and what it is answered. A task brings one
//! booking's sealed request, or what other roles have said of the booking, or both. It must never
//! be taken for a message of SNS, so a queue of tasks brings nothing else.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Incoming, Message, Refusal, SealKey, Why,
    decode::{decode_trusted, too_large},
    json::{Fields, Flaw, Node},
    refusal::Read,
};
use crate::domain::{
    Expected,
    event::{Event, Kind},
    ids::BookingId,
};

/// The longest token, in characters: AWS has 2,048.
const TOKEN_CHARACTERS_MAX: usize = 2048;

/// The right to answer one task, once. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskToken(String);

impl TaskToken {
    /// # Errors
    /// When the text is empty, or longer than any token of AWS.
    pub(super) fn parse(text: &str) -> Result<Self, Expected> {
        if text.is_empty() || text.len() > TOKEN_CHARACTERS_MAX {
            return Err(Expected("the token of a task: 1 to 2048 characters"));
        }
        Ok(TaskToken(text.to_owned()))
    }

    /// The token itself, for the one who answers.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TaskToken(…)")
    }
}

/// What one message on a queue of tasks asks for.
#[derive(Debug)]
pub struct Task {
    /// How to answer. `None` for what is only told, and awaits no answer.
    pub token: Option<TaskToken>,
    /// The events to be dealt with, in this order, and all of one booking; or why they cannot be
    /// read.
    pub events: Result<Vec<Event>, Box<Refusal>>,
}

impl Task {
    /// The event that is newest to the role: what comes before it, the role has mostly heard.
    #[must_use]
    pub fn newest(&self) -> Option<&Event> {
        self.events.as_ref().ok()?.last()
    }

    /// The booking that the task is about, if that could be read.
    #[must_use]
    pub fn booking(&self) -> Option<&BookingId> {
        match &self.events {
            Ok(events) => events.first().map(|it| &it.booking),
            Err(refusal) => refusal.booking.as_ref(),
        }
    }

    /// The type of the newest event, or of what was meant as an event.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match &self.events {
            Ok(_) => self.newest().map(Event::kind),
            Err(refusal) => refusal.kind,
        }
    }
}

/// Reads a task. The request and the name of the execution, which is the booking, were written by a
/// client; everything else by the state machine or by another role, which is for IAM to see to.
///
/// # Errors
/// When nobody can be answered: it is no task, or the token cannot be read. One whose events cannot
/// be read is a task, so that it can be answered.
pub(crate) fn read_task(incoming: &Incoming, key: &SealKey) -> Result<Task, Refusal> {
    let mut reading = Reading { incoming, booking: None, kind: None };
    let read = too_large(&incoming.body).and_then(|()| Ok(Fields::parse(&incoming.body)?));
    let fields = read.map_err(|it| reading.refusal(it))?;
    let token = fields.optional_parsed("token", TaskToken::parse);
    let token = token.map_err(|it| reading.refusal(it.into()))?;
    let events = reading.events(&fields, key).map_err(|it| Box::new(reading.refusal(it)));
    Ok(Task { token, events })
}

/// What is known of a task while it is being read. If the reading fails, the refusal says what was
/// known by then.
struct Reading<'i> {
    incoming: &'i Incoming,
    booking: Option<BookingId>,
    kind: Option<Kind>,
}

impl Reading<'_> {
    fn refusal(&self, (why, flaw): (Why, Flaw)) -> Refusal {
        let (booking, kind, sent_at) = (self.booking.clone(), self.kind, self.incoming.sent_at);
        Refusal { why, flaw, booking, kind, sent_at }
    }

    fn events(&mut self, fields: &Fields<'_, '_>, key: &SealKey) -> Read<Vec<Event>> {
        let answers = fields.optional("heard");
        // Where nothing was heard, the task can only be about the request.
        self.kind = answers.is_none().then_some(Kind::BookingRequested);
        let booking = fields.required("booking")?.parsed(BookingId::parse)?;
        self.booking = Some(booking.clone());
        let mut events = Vec::new();
        if answers.is_none() || fields.optional("request").is_some() {
            self.kind = Some(Kind::BookingRequested);
            events.push(self.request(&fields.required("request")?, key, &booking)?);
        }
        self.kind = None;
        if let Some(answers) = answers {
            self.heard(&answers, &booking, &mut events)?;
        }
        Ok(events)
    }

    fn request(&self, sealed: &Node<'_, '_>, key: &SealKey, booking: &BookingId) -> Read<Event> {
        let Some(text) = key.open(booking, &sealed.string()?) else {
            let expected = "expected a request that was sealed for this booking with the key of \
                            this service (--seal-key-file)";
            return Err((Why::Untrusted, sealed.flaw(expected)));
        };
        let event = decode_trusted(&text, Some(Kind::BookingRequested), self.incoming.sent_at)?;
        if event.booking != *booking {
            return Err((Why::Untrusted, sealed.flaw("expected a request for this booking")));
        }
        Ok(event)
    }

    /// What other roles have said: the events in each of their answers.
    fn heard(
        &self,
        answers: &Node<'_, '_>,
        booking: &BookingId,
        events: &mut Vec<Event>,
    ) -> Read<()> {
        let texts = answers.each(|answer| {
            let answer = answer.object()?;
            answer.required("events")?.each(|it| Ok(it.text()))
        })?;
        for text in texts.into_iter().flatten() {
            let event = decode_trusted(text, None, self.incoming.sent_at)?;
            if event.booking != *booking || event.kind().publisher().is_none() {
                let expected = "expected outcomes of this booking alone";
                return Err((Why::Untrusted, answers.flaw(expected)));
            }
            events.push(event);
        }
        Ok(())
    }
}

/// The answer to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskAnswer {
    /// All that the role has announced about the booking until now. So a task that is asked again
    /// gets the same answer, and one that comes too late gets what came of it.
    Said(Vec<Message>),
    /// The request cannot be read here, and is on the dead-letter queue.
    Rejected,
    /// The message is on the dead-letter queue, and a person should look at it.
    SetAside,
}

#[derive(Serialize)]
struct Text<'a> {
    said: &'a str,
    events: Vec<&'a RawValue>,
}

impl TaskAnswer {
    /// The name of the error that the task ends with. `None` if it succeeds. The state machine
    /// catches the first two by their names, and ends with the others.
    #[must_use]
    pub fn error(&self) -> Option<&'static str> {
        match self {
            TaskAnswer::Said(messages) => {
                let said = |kind| messages.iter().any(|it| it.kind == kind);
                if said(Kind::SeatUnavailable) {
                    Some("SeatUnavailable")
                } else if said(Kind::PaymentFailed) {
                    Some("PaymentFailed")
                } else {
                    None
                }
            }
            TaskAnswer::Rejected => Some("Rejected"),
            TaskAnswer::SetAside => Some("SetAside"),
        }
    }

    /// The answer as JSON: what was said last, and all that was said. Nothing in it is personal:
    /// only a request is, and no role announces one.
    #[must_use]
    pub fn text(&self) -> String {
        let TaskAnswer::Said(messages) = self else { return "{\"events\":[]}".to_owned() };
        let raw = |it: &Message| {
            RawValue::from_string(it.body.clone()).expect("an encoded event is JSON")
        };
        let events: Vec<_> = messages.iter().map(raw).collect();
        let said = messages.last().map_or("", |it| it.kind.as_str());
        let events = events.iter().map(AsRef::as_ref).collect();
        serde_json::to_string(&Text { said, events }).expect("text is always JSON")
    }
}

impl Message {
    /// The booking that the event is about.
    #[must_use]
    pub fn booking(&self) -> BookingId {
        #[derive(Deserialize)]
        struct About {
            subject: BookingId,
        }
        let about: About = serde_json::from_str(&self.body).expect("an encoded event is JSON");
        about.subject
    }

    /// The same message as a task that awaits no answer, for the queue of a role that hears such
    /// events.
    #[must_use]
    pub fn told(&self) -> String {
        #[derive(Serialize)]
        struct Told<'a> {
            booking: BookingId,
            heard: [&'a RawValue; 1],
        }
        let answer = RawValue::from_string(TaskAnswer::Said(vec![self.clone()]).text());
        let answer = answer.expect("an answer is JSON");
        let told = Told { booking: self.booking(), heard: [&answer] };
        serde_json::to_string(&told).expect("text is always JSON")
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
