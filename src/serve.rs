//! The server: opens the ledger, starts its tasks, serves, and ends them in order.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::admin::members;
use crate::admin::projections::ViewTasks;
use crate::app::App;
use crate::hooks::{Poster, limits};
use crate::http::{
    AuditLimits, DashboardLimits, Front, FrontParts, StatisticsCache, UnsignedLimit, VerifyLimits, describe_metrics,
    router, server,
};
use crate::mail::{MailUrl, Transport};
use crate::presence::{self, Presence};
use crate::proofs::{self, LogKey};
use crate::providers::interpreter;
use crate::serve_options::ServeOptions;
use crate::stop::{Stop, Stopping, stop};
use crate::verification::{ServerKeys, TeamSigners, Verifier};
use crate::{forgetting, hooks, mail, rotations, scheduler};

/// How often quiet addresses are forgotten and metrics are folded.
const UPKEEP: Duration = Duration::from_secs(10);

/// How far the ledger's last event may be ahead of the clock: clocks of several machines differ a little.
const CLOCK_BEHIND_SECONDS_MAX: i64 = 60;

/// A server that is listening.
pub struct Server {
    /// What it serves.
    pub app: App,
    /// Where it listens.
    pub address: std::net::SocketAddr,
    stop: Stop,
    http: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    /// What answers rest on: ended when the last one is given.
    memory: (Stop, [JoinHandle<()>; 2]),
    writer: JoinHandle<()>,
    _presence: Presence,
}

impl Server {
    /// Opens the ledger and listens.
    ///
    /// # Errors
    /// When the ledger cannot be opened, mail goes nowhere, or the address is taken.
    pub async fn start(options: &ServeOptions, clock: keyledger_events::SharedClock) -> anyhow::Result<Self> {
        let mail_url: MailUrl = options.mail_url.parse()?;
        let transport = Transport::open(&mail_url)?;
        let poster = Poster::new(options.hooks_allow_private.clone(), options.hooks_ca.as_ref())?;
        let (limit_notices, limit_queue) = limits::notices();
        let listener = TcpListener::bind(&options.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another address with --listen", options.listen))?;
        let address = listener.local_addr()?;
        let presence = presence::serving(&options.database)?;
        let (app, writer) = App::open(&options.database, &options.master, clock).await?;
        say_if_clock_is_behind(&app).await;
        app.runner.pass_once().await?;
        let (stop_all, stopping) = stop();
        let (stop_memory, memory_stopping) = stop();
        let mut views_stopping = memory_stopping.clone();
        let views = app.runner.start(app.writer.commits(), async move { views_stopping.requested().await });
        let unsigned = Arc::new(UnsignedLimit::per_minute(options.unsigned_limit_per_minute));
        let (address_limit, license_limit) = (options.verify_limit_per_minute, options.license_limit_per_minute);
        let verify_limits = Arc::new(VerifyLimits::per_minute(address_limit, license_limit));
        let log_key = LogKey::open(&app.keys).await?;
        let server_keys = ServerKeys::open(&app.keys, app.clock.now()).await?;
        let mail_folder = transport.folder().cloned();
        let forgetting = forgetting::Follower::begin(app.clone(), mail_folder.clone()).await?;
        let front = Front::from(FrontParts {
            app: app.clone(),
            verifier: Verifier::new(app.clone()),
            server_keys: server_keys.clone(),
            log_key: log_key.clone(),
            team_signers: TeamSigners::new(app.keys.clone()),
            country_header: options.country_header.as_deref().map(Into::into),
            limit_notices,
            statistics: StatisticsCache::default(),
            view_tasks: ViewTasks::new(app.runner.clone(), app.clock.clone(), stopping.clone()),
            verify_limits: verify_limits.clone(),
            unsigned: unsigned.clone(),
            trusted_proxies: options.trusted_proxies.clone().into(),
            mail_folder: mail_folder.clone(),
            metrics: prometheus()?,
            audit: AuditLimits::new(stopping.clone()),
            dashboard: DashboardLimits::new(stopping.clone()),
        });
        let dashboard = front.dashboard.clone();
        let upkeep = tokio::spawn(keep_up(front.metrics.clone(), unsigned, verify_limits, dashboard, stopping.clone()));
        let following = tokio::spawn(front.verifier.clone().run(memory_stopping));
        let noting = app.activity.clone().run(app.clock.clone(), options.requests_retention_days, stopping.clone());
        let http = tokio::spawn(server::run(listener, router(front), stopping.clone()));
        let tasks = vec![
            tokio::spawn(interpreter::run(app.clone(), stopping.clone())),
            tokio::spawn(schedule(app.clone(), stopping.clone())),
            tokio::spawn(proofs::run(app.clone(), log_key, stopping.clone())),
            tokio::spawn(mail::worker::run(app.clone(), transport, mail_url.from, stopping.clone())),
            tokio::spawn(hooks::worker::run(app.clone(), poster.clone(), stopping.clone())),
            tokio::spawn(limits::run(app.clone(), poster, limit_queue, stopping.clone())),
            tokio::spawn(noting),
            tokio::spawn(forgetting.run(stopping.clone())),
            tokio::spawn(rotations::follow(app.clone(), server_keys, stopping.clone())),
            upkeep,
        ];
        Ok(Self {
            app,
            address,
            stop: stop_all,
            http,
            tasks,
            memory: (stop_memory, [views, following]),
            writer,
            _presence: presence,
        })
    }

    /// Ends in order: requests under way first, then the tasks, the views and what follows the ledger, and last the
    /// Writer, so that nothing that was accepted is lost.
    pub async fn stop(self) {
        self.stop.request();
        let _ = self.http.await;
        for task in self.tasks {
            let _ = task.await;
        }
        // The requests that finished last are in the log too.
        if let Err(error) = self.app.activity.flush().await {
            tracing::warn!(%error, "the last seconds of activity could not be written down");
        }
        let (stop_memory, memory) = self.memory;
        stop_memory.request();
        for task in memory {
            let _ = task.await;
        }
        // The Writer commits what is queued and ends with its last handle.
        drop(self.app);
        if tokio::time::timeout(UPKEEP, self.writer).await.is_err() {
            tracing::warn!("the writer did not end in time");
        }
    }
}

/// Serves until SIGINT or SIGTERM. Prints the bound address on standard output when ready.
///
/// # Errors
/// As [`Server::start`].
#[expect(clippy::print_stdout, reason = "the contract: the bound address goes to standard output")]
pub async fn serve(options: ServeOptions) -> anyhow::Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let server = tokio::select! {
        started = Server::start(&options, Arc::new(keyledger_events::SystemClock)) => started?,
        // Nothing has been accepted yet.
        () = interrupts.first() => return Ok(()),
    };
    println!("listening on http://{}", server.address);
    tracing::info!(address = %server.address, database = %options.database, "listening");
    // While views are being built anew on a large ledger nobody knows yet, and a server serves all the same.
    if let Ok(Some(path)) = members::first_start_path(&server.app).await {
        tracing::info!("nobody owns this ledger yet; begin at http://{}{path}", server.address);
    }
    interrupts.first().await;
    tracing::info!("stopping: finishing what is under way");
    server.stop().await;
    Ok(())
}

/// SIGINT and SIGTERM. From when this is made they end nothing by themselves: one that comes before anybody waits for it is
/// kept.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the first of them.
    pub async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Times of record never go back: under a clock that is behind them everything is recorded at the last one.
async fn say_if_clock_is_behind(app: &App) {
    let Ok(head) = app.ledger.head().await else { return };
    let (now, last) = (app.clock.now(), head.recorded_at);
    let seconds = last.as_second().saturating_sub(now.as_second());
    if seconds > CLOCK_BEHIND_SECONDS_MAX {
        tracing::warn!(
            %now, last_recorded_at = %last, seconds,
            "this machine's clock is behind the ledger's last event: set it right. If it was ahead before, events are recorded \
             at that last time until the clock has come to it"
        );
    }
}

/// The scheduler's life ends with the process; an earlier end is an error to be seen.
async fn schedule(app: App, stopping: Stopping) {
    if let Err(error) = scheduler::run(app, stopping).await {
        tracing::error!(%error, "the scheduler cannot run: nothing is told that it has expired");
    }
}

/// The process's one recorder of metrics.
fn prometheus() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe_metrics();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

async fn keep_up(
    metrics: PrometheusHandle,
    unsigned: Arc<UnsignedLimit>,
    verify_limits: Arc<VerifyLimits>,
    dashboard: DashboardLimits,
    mut stopping: Stopping,
) {
    while tokio::time::timeout(UPKEEP, stopping.requested()).await.is_err() {
        metrics.run_upkeep();
        unsigned.forget_quiet();
        verify_limits.forget_quiet();
        dashboard.forget_quiet();
    }
}
