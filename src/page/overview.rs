//! The overview: the flow, the bookings, and how the services are doing. It is whole without a
//! script; a script only keeps it up to date.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    answer::{self, html_of, page, problem},
    assets,
    desk::{Desk, unread},
    diagram::Diagram,
    health::Health,
    list,
    look::Look,
    wish::{Asked, Show, Wish},
};
use crate::{
    domain::ids::BookingId,
    store::{Store, StoreError},
};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    assets: &'static assets::Addresses,
    look: &'a Look,
    diagram: Diagram,
    /// The list as HTML.
    list: &'a str,
    wish: &'a Wish,
    health: Health,
    /// Why what was asked for cannot be shown, if so.
    problem: Option<String>,
}

impl Overview<'_> {
    fn shows(&self) -> impl Iterator<Item = Show> {
        Show::all()
    }

    fn at(&self) -> String {
        self.look.now.strftime("%H:%M:%S").to_string()
    }

    /// The stream that this page reads.
    fn stream(&self) -> &'static str {
        if self.wish.is_default() { "/events?list=yes" } else { "/events" }
    }
}

/// `GET /`
pub(super) async fn overview<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    Query(asked): Query<Asked>,
) -> Response {
    let (wish, problem) = match Wish::read(&asked) {
        Ok(wish) => (wish, None),
        Err(problem) => (Wish::default(), Some(problem)),
    };
    // First the queues, since a look says which service is behind.
    let vitals = desk.queues.now().await;
    let look = match desk.look().await {
        Ok(look) => look,
        Err(it) => return answer::unread(it),
    };
    let health = Health::of(&desk.queues, vitals, Some(&look));
    let other = match wish.is_default() {
        true => None,
        false => match asked_list(&desk, &wish).await {
            Ok(list) => Some(list),
            Err(answer) => return answer,
        },
    };
    let code = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let overview = Overview {
        assets: assets::addresses(),
        diagram: look.diagram(),
        list: other.as_deref().unwrap_or(&look.list),
        wish: &wish,
        health,
        problem,
        look: &look,
    };
    page(code, &overview)
}

/// `GET /page/list`: the list alone, which the script of the page asks for again and again.
pub(super) async fn list_alone<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    Query(asked): Query<Asked>,
) -> Response {
    let wish = match Wish::read(&asked) {
        Ok(wish) => wish,
        Err(words) => return problem(StatusCode::BAD_REQUEST, "No such list", &words),
    };
    match asked_list(&desk, &wish).await {
        Ok(list) => html_of(StatusCode::OK, list),
        Err(answer) => answer,
    }
}

/// The list that somebody asks for, as HTML; or the answer if it cannot be read.
async fn asked_list<S: Store>(desk: &Desk<S>, wish: &Wish) -> Result<String, Response> {
    let (now, stuck_after) = (desk.clock.now(), desk.settings.stuck_after);
    let list = match list::asked(desk.work.store(), wish, now, stuck_after).await {
        Ok(list) => list,
        Err(error @ StoreError::NotIndexed { .. }) => {
            let words = format!("{error}.");
            return Err(problem(
                StatusCode::NOT_IMPLEMENTED,
                "No list by flight or day yet",
                &words,
            ));
        }
        Err(error) => return Err(answer::unread(unread(&error))),
    };
    list.render().map_err(|it| answer::unread(unread(&it)))
}

/// `GET /page/health`: how the services are doing, alone.
pub(super) async fn health_alone<S: Store>(State(desk): State<Arc<Desk<S>>>) -> Response {
    let vitals = desk.queues.now().await;
    // If the bookings cannot be read, the queues may still be known.
    let look = desk.look().await.ok();
    page(StatusCode::OK, &Health::of(&desk.queues, vitals, look.as_deref()))
}

/// What the search field sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sought {
    id: String,
}

/// `GET /booking?id=`: leads to the page of the booking.
pub(super) async fn find(Query(sought): Query<Sought>) -> Response {
    match BookingId::parse(sought.id.trim()) {
        Ok(id) => Redirect::to(&format!("/booking/{id}")).into_response(),
        Err(expected) => answer::no_id(expected),
    }
}
