//! `/teams/{teamId}/licenses`: finding licences, and everything that is done with one.

mod act;
mod list;
mod past;
mod show;
mod words;

use axum::Router;
use axum::routing::{get, post};

use crate::http::Front;

pub(super) use list::{Row, rows};
pub(super) use show::ShownEntry;
pub(super) use words::Tag;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/licenses", get(list::show))
        .route("/licenses/{licenseId}", get(show::show))
        .route("/licenses/{licenseId}/key", post(act::reveal))
        .route("/licenses/{licenseId}/suspend", post(act::suspend))
        .route("/licenses/{licenseId}/reinstate", post(act::reinstate))
        .route("/licenses/{licenseId}/revoke", post(act::revoke))
        .route("/licenses/{licenseId}/extend", post(act::extend))
        .route("/licenses/{licenseId}/mail", post(act::mail))
        .route("/licenses/{licenseId}/seats/{seatId}/forget", post(act::forget))
        .route("/licenses/{licenseId}/explain", post(act::explain))
}
