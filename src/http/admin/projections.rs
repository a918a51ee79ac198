//! `/api/v1/admin/teams/{teamId}/projections`: the views of the installation. Long work runs in the background of the
//! server that was asked, and is polled.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::admin::AdminError;
use crate::admin::projections::{self, TaskKind};
use crate::http::Front;
use crate::http::access::{self, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, TeamPath};
use crate::http::read;

/// The routes about views.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/projections", get(list))
        .route("/projections/status", get(status))
        .route("/projections/tasks", get(tasks))
        .route("/projections/tasks/{taskId}", get(task))
        .route("/projections/rebuild", post(rebuild))
        .route("/projections/verify", post(verify))
        .route("/projections/switch-back", post(switch_back))
        .route("/projections/{viewName}/retired", delete(drop_retired))
}

/// A task.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct TaskPath {
    /// The team's id.
    teamId: Uuid,
    /// The task's id.
    taskId: Uuid,
}

/// A view.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct ViewPath {
    /// The team's id.
    teamId: Uuid,
    /// The view's name.
    viewName: String,
}

/// All builds of all views.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ViewBuilds {
    builds: Vec<BTreeMap<String, Value>>,
}

/// How far the views are, and the work that this server does on them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ViewsStatus {
    /// The end of the ledger.
    head: i64,
    caught_up: bool,
    /// The builds that serve: version, position, lagEvents, lagSeconds, fault.
    views: Vec<BTreeMap<String, Value>>,
    /// The builds that are filled beside them, in whatever process.
    building: Vec<BTreeMap<String, Value>>,
    tasks: Vec<ViewTask>,
}

/// Work on views.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ViewTask {
    id: Uuid,
    kind: TaskKind,
    /// running, done, failed, or stopped when the server ended first.
    state: String,
    /// Who wanted it.
    actor: String,
    /// The views, in the order they are worked on.
    views: Vec<String>,
    /// The view at hand: position, head, eventsPerSecond, secondsLeft.
    current: Option<BTreeMap<String, Value>>,
    /// What came of each view.
    results: Vec<BTreeMap<String, Value>>,
    #[schema(format = DateTime)]
    begun_at: String,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

/// Work on views, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ViewTaskList {
    tasks: Vec<ViewTask>,
}

/// The numbers of builds that were dropped.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct DroppedBuilds {
    dropped: Vec<i64>,
}

/// Which views; none means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ViewNames {
    #[serde(default)]
    names: Vec<String>,
}

#[utoipa::path(
    get,
    operation_id = "listProjections",
    path = "/api/v1/admin/teams/{teamId}/projections",
    tag = "Views",
    summary = "List all builds of all views",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<ViewBuilds>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(_: Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    let builds = front.app.runner.list().await.map_err(|error| ApiError::internal(&error))?;
    Reply::ok("Builds retrieved", &json!({ "builds": builds }))
}

#[utoipa::path(
    get,
    operation_id = "getProjectionsStatus",
    path = "/api/v1/admin/teams/{teamId}/projections/status",
    tag = "Views",
    summary = "Show how far the views are behind the ledger, why one stands still, and what is done to them",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<ViewsStatus>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn status(_: Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    let status = projections::status(&front.app.runner, &[]).await?;
    let mut shown = serde_json::to_value(&status).map_err(|error| ApiError::internal(&error))?;
    shown["tasks"] = json!(front.view_tasks.list());
    Reply::ok("Status retrieved", &shown)
}

#[utoipa::path(
    get,
    operation_id = "listProjectionTasks",
    path = "/api/v1/admin/teams/{teamId}/projections/tasks",
    tag = "Views",
    summary = "List the work that this server does or did on views, the newest first",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<ViewTaskList>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn tasks(_: Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    Reply::ok("Tasks retrieved", &json!({ "tasks": front.view_tasks.list() }))
}

#[utoipa::path(
    get,
    operation_id = "getProjectionTask",
    path = "/api/v1/admin/teams/{teamId}/projections/tasks/{taskId}",
    tag = "Views",
    summary = "Show how far such work is: its rate and the time left",
    params(TaskPath),
    responses((status = 200, description = "Done", body = Envelope<ViewTask>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn task(
    _: Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    Reply::ok("Task found", &front.view_tasks.find(access::id(&id, "taskId")?)?)
}

#[utoipa::path(
    post,
    operation_id = "rebuildProjections",
    path = "/api/v1/admin/teams/{teamId}/projections/rebuild",
    tag = "Views",
    summary = "Compute views afresh while the old ones serve, then switch; in the background",
    params(TeamPath),
    request_body = Option<ViewNames>,
    responses((status = 202, description = "Begun", body = Envelope<ViewTask>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn rebuild(admin: Admin, State(front): State<Front>, body: Body) -> Result<Reply, ApiError> {
    begin_task(&admin, &front, TaskKind::Rebuild, body).await
}

#[utoipa::path(
    post,
    operation_id = "verifyProjections",
    path = "/api/v1/admin/teams/{teamId}/projections/verify",
    tag = "Views",
    summary = "Compute views afresh and compare their digests with those that serve; in the background",
    params(TeamPath),
    request_body = Option<ViewNames>,
    responses((status = 202, description = "Begun", body = Envelope<ViewTask>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn verify(admin: Admin, State(front): State<Front>, body: Body) -> Result<Reply, ApiError> {
    begin_task(&admin, &front, TaskKind::Verify, body).await
}

#[utoipa::path(
    post,
    operation_id = "switchBackProjections",
    path = "/api/v1/admin/teams/{teamId}/projections/switch-back",
    tag = "Views",
    summary = "Go back to the builds that served before, after bringing them up to date; in the background",
    params(TeamPath),
    request_body = Option<ViewNames>,
    responses((status = 202, description = "Begun", body = Envelope<ViewTask>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn switch_back(
    admin: Admin,
    State(front): State<Front>,
    body: Body,
) -> Result<Reply, ApiError> {
    begin_task(&admin, &front, TaskKind::SwitchBack, body).await
}

async fn begin_task(admin: &Admin, front: &Front, kind: TaskKind, body: Body) -> Result<Reply, ApiError> {
    let asked = read::optional_json::<ViewNames>(body).await?;
    let task = front.view_tasks.begin(kind, &asked.names, &admin.0.actor).await?;
    Reply::new(StatusCode::ACCEPTED, "Begun; ask for the task to see how far it is", &task)
}

#[utoipa::path(
    delete,
    operation_id = "dropRetiredProjection",
    path = "/api/v1/admin/teams/{teamId}/projections/{viewName}/retired",
    tag = "Views",
    summary = "Drop the builds of a view that served before; there is no going back then",
    params(ViewPath),
    responses((status = 200, description = "Done", body = Envelope<DroppedBuilds>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn drop_retired(
    admin: Admin,
    State(front): State<Front>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let dropped = front.app.runner.drop_retired(&name).await.map_err(AdminError::from)?;
    tracing::info!(actor = admin.0.actor, view = name, ?dropped, "builds that served before were dropped");
    Reply::ok("Dropped", &json!({ "dropped": dropped }))
}
