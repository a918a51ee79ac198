//! The front door: providers' endpoints and operations. A file per noun; handlers read top to bottom as a list of
//! checks.

mod access;
mod address;
mod admin;
mod audit;
mod body;
mod checkpoint;
mod client;
mod dashboard;
mod dev;
mod envelope;
mod error;
mod integrations;
mod left;
mod limits;
mod list_query;
mod object;
pub mod openapi;
mod operations;
mod patient;
mod query;
mod read;
pub mod server;
mod unsigned;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;

pub use audit::AuditLimits;
pub use client::VerifyLimits;
pub use dashboard::DashboardLimits;
pub(crate) use dev::{LicenseData, StatisticsCache};
pub use error::HttpError;
pub(crate) use operations::describe as describe_metrics;
pub use unsigned::UnsignedLimit;

use crate::admin::projections::ViewTasks;
use crate::app::App;
use crate::hooks::limits::LimitNotices;
use crate::mail::FileTransport;
use crate::proofs::LogKey;
use crate::verification::{ServerKeys, TeamSigners, Verifier};

/// What every handler can use. Clones share it: the routes make some for each request.
#[derive(Clone)]
pub struct Front(Arc<FrontParts>);

impl From<FrontParts> for Front {
    fn from(parts: FrontParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Front {
    type Target = FrontParts;

    fn deref(&self) -> &FrontParts {
        &self.0
    }
}

/// What a [`Front`] is made of.
pub struct FrontParts {
    /// The process.
    pub app: App,
    /// Answers client programs.
    pub verifier: Verifier,
    /// Signs answers to client programs.
    pub server_keys: ServerKeys,
    /// Signs exports; checkpoints are signed by a task of the server.
    pub log_key: LogKey,
    /// Sign challenges for their teams.
    pub team_signers: TeamSigners,
    /// The header in which a trusted proxy tells the client's country.
    pub country_header: Option<Arc<str>>,
    /// Told of every refusal for want of a seat.
    pub limit_notices: LimitNotices,
    /// Figures that were counted a moment ago.
    pub(crate) statistics: StatisticsCache,
    /// Work on views that was begun over HTTP.
    pub view_tasks: ViewTasks,
    /// Counts verifications by address and by licence.
    pub verify_limits: Arc<VerifyLimits>,
    /// Counts badly signed requests by address.
    pub unsigned: Arc<UnsignedLimit>,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The folder of mails, where they go into one.
    pub mail_folder: Option<FileTransport>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Places for what auditors ask for that takes long.
    pub audit: AuditLimits,
    /// How often somebody may try to sign in to the dashboard, and its open pages.
    pub dashboard: DashboardLimits,
}

/// All routes.
pub fn router(front: Front) -> Router {
    Router::new()
        .route("/api/v1/integrations/stripe", post(integrations::stripe::receive))
        .route("/api/v1/integrations/polymart", post(integrations::polymart::receive))
        .route("/api/v1/integrations/polymart/placeholder", post(integrations::placeholder::answer))
        .merge(client::router())
        .merge(dev::router(&front))
        .merge(audit::router(&front))
        .merge(admin::router(&front))
        .merge(dashboard::router(&front))
        .route("/checkpoint", get(checkpoint::newest))
        .route("/checkpoint/key", get(checkpoint::key))
        .route("/api/openapi.json", get(openapi::json))
        .route("/api/docs", get(openapi::page))
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(CatchPanicLayer::custom(error::panicked))
        .with_state(front)
}
