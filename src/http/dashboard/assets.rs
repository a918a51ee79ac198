//! `GET /assets/{version}/{file}`: the style sheet and the scripts, which are in the program. Their address changes when
//! one of them does, so a browser keeps them for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::http::Front;

/// Characters of the digest that stand in addresses.
const VERSION_CHARS: usize = 12;

const FILES: [(&str, &str, &str); 4] = [
    ("app.css", "text/css; charset=utf-8", include_str!("../../../assets/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("../../../assets/app.js")),
    ("htmx.js", "text/javascript; charset=utf-8", include_str!("../../../assets/htmx.min.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../../assets/icon.svg")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for (name, _, content) in FILES {
        digest.update(name);
        digest.update(content);
    }
    let mut version = hex::encode(digest.finalize());
    version.truncate(VERSION_CHARS);
    version
});

/// Where the files are.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/assets/{version}/{file}", get(file))
}

/// The folder of this build's files.
pub(super) fn folder() -> String {
    format!("/assets/{}", *VERSION)
}

async fn file(Path((_, wanted)): Path<(String, String)>) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(name, _, _)| *name == wanted) else {
        return Problem::not_found(format!("There is no file {wanted}.")).into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, *content).into_response()
}
