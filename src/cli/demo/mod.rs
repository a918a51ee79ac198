//! `keyledger demo`: a served ledger, driven through its own front door as Stripe and Polymart would.
//!
//! Nothing in it is make-believe but the providers: the deliveries are signed as theirs are, posted over HTTP, and
//! taken in, interpreted, mailed and expired by the same server that `keyledger serve` runs.

mod bodies;
mod post;
mod shop;
mod story;
mod stripe_api;
mod telling;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use keyledger_events::SystemClock;

use super::global::{Global, Reads};
use super::output::Output;
use crate::activity::RETENTION_DAYS;
use crate::admin::teams;
use crate::config::DatabaseUrl;
use crate::hooks::AllowPrivate;
use crate::serve::{Interrupts, Server};
use crate::serve_options::ServeOptions;
use shop::SHOP;

/// Badly signed deliveries, and verifications, that the demonstration's server takes per address and minute.
const LIMIT_PER_MINUTE: u32 = 60;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", env = "KEYLEDGER_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
}

impl DemoArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        refuse_a_real_ledger(global).await?;
        let options = options(global, self.listen)?;
        let mut output = Output::new(false);
        let mut interrupts = Interrupts::listen()?;
        let server = tokio::select! {
            started = Server::start(&options, Arc::new(SystemClock)) => started?,
            () = interrupts.first() => return Ok(()),
        };
        let result = tokio::select! {
            played = play(&server, global, &options, &mut output) => played,
            () = interrupts.first() => Ok(()),
        };
        server.stop().await;
        result
    }
}

async fn play(server: &Server, global: &Global, options: &ServeOptions, output: &mut Output) -> anyhow::Result<()> {
    let base = format!("http://{}", reachable(server.address));
    output.line(&format!("listening on {base}"))?;
    output.flush()?;
    story::tell(&story::Stage { app: &server.app, base: &base, options, global }, output).await
}

/// Mails of a demonstration go nowhere but into files, whatever the environment says: its buyers do not exist.
fn options(global: &Global, listen: String) -> anyhow::Result<ServeOptions> {
    let database = global.database();
    let master = global.master(&database)?;
    let mail_url = super::serve::mail_folder(&database);
    Ok(ServeOptions {
        database,
        master,
        listen,
        mail_url,
        trusted_proxies: Vec::new(),
        unsigned_limit_per_minute: LIMIT_PER_MINUTE,
        verify_limit_per_minute: LIMIT_PER_MINUTE,
        license_limit_per_minute: 0,
        country_header: None,
        hooks_allow_private: AllowPrivate::default(),
        hooks_ca: None,
        requests_retention_days: RETENTION_DAYS,
    })
}

/// A ledger with sales of one's own is no place for invented ones, and its mails must not end up in files.
async fn refuse_a_real_ledger(global: &Global) -> anyhow::Result<()> {
    let database = global.database();
    global
        .with_app_or_new(Reads::Views, async |app, _| {
            let Some(other) = teams::list(app).await?.into_iter().find(|team| team.name != SHOP) else { return Ok(()) };
            let elsewhere = match &database {
                DatabaseUrl::Sqlite(_) => "with --database-url sqlite:./demo",
                DatabaseUrl::Postgres(_) => "in an empty database, or with --database-url sqlite:./demo",
            };
            bail!(
                "the ledger at {database} has a team of its own (\"{}\"), so it gets no invented sales; \
                 start the demonstration {elsewhere}",
                other.name
            )
        })
        .await
}

/// Where this machine reaches what is bound to all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}
