//! The live page of status: the choreography as one diagram, the bookings, and one of them. It only
//! looks: nothing on it acts. What it shows comes from the store and is the same at every replica,
//! and there is no name, address, card or token in it, since status has none.
//!
//! Every page is whole as HTML. A script adds what happens meanwhile, from the stream of `/events`.

mod answer;
mod assets;
mod booking;
mod desk;
mod diagram;
mod flow;
mod health;
mod line;
mod list;
mod look;
mod overview;
mod queues;
mod rows;
mod services;
mod settings;
mod stream;
#[cfg(test)]
mod testing;
mod trace_url;
mod wish;
mod words;

pub use settings::Settings;
pub use trace_url::TraceUrl;

use std::sync::Arc;

use axum::{Router, middleware::map_response, routing::get};

use crate::{clock::Clock, roles::StatusRole, runtime::UnitOfWork, store::Store};

/// The routes of the page, for people. Those of the API, for programs, stand beside them.
pub fn routes<S: Store>(
    work: Arc<UnitOfWork<StatusRole, S>>,
    clock: Clock,
    settings: Settings,
) -> Router {
    Router::new()
        .route("/", get(overview::overview::<S>))
        .route("/booking", get(overview::find))
        .route("/booking/{id}", get(booking::booking::<S>))
        .route("/events", get(stream::events::<S>))
        .route("/page/list", get(overview::list_alone::<S>))
        .route("/page/health", get(overview::health_alone::<S>))
        .route("/page/booking/{id}", get(booking::part_alone::<S>))
        .route("/page/style.css", get(assets::style))
        .route("/page/page.js", get(assets::script))
        .route("/page/icon.svg", get(assets::icon))
        .with_state(Arc::new(desk::Desk::new(work, clock, settings)))
        .route_layer(map_response(answer::guarded))
}
