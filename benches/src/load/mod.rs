//! The load generator: N keep-alive connections that send prepared, signed, unique requests as fast as they are
//! answered or at a given rate, for a count and a time, and check every answer.

mod connection;
mod polymart;
mod prepared;
mod stripe;
mod verification;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use crate::measure::Measure;
use crate::signature::Signer;
use connection::Connection;
use prepared::{Dispenser, Prepared};

pub(crate) use verification::question;

/// The secret that the benches sign with: webhook secret and signing secret of both providers.
pub(crate) const SECRET: &str = "whsec_bench_0123456789abcdef";

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Stripe deliveries: a mix of what a shop with subscriptions receives.
    Stripe,
    /// Polymart purchases, each by a buyer of its own.
    Polymart,
    /// Polymart's questions for the key of a buyer who has bought.
    Placeholder,
    /// Verifications of licences by their devices.
    Verify,
    /// The same with a challenge.
    VerifyChallenge,
}

/// `load`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The server, as it announced itself: `http://127.0.0.1:PORT`.
    #[arg(long)]
    pub(crate) url: String,
    /// What to post.
    #[arg(long)]
    pub(crate) kind: Kind,
    /// The team of the URL.
    #[arg(long, default_value_t)]
    pub(crate) team: Uuid,
    /// The product of the URL (Polymart).
    #[arg(long, default_value_t)]
    pub(crate) product: Uuid,
    /// The secret to sign with.
    #[arg(long, default_value = SECRET)]
    pub(crate) secret: String,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u64,
    /// Requests at most; all are prepared before the clock starts.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) count: u64,
    /// Seconds at most.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// The number of the first buyer or delivery, so that a later run sends others.
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u64,
    /// Different buyers or licences to ask about (placeholder, verify): the first so many.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) buyers: u64,
    /// Requests a second; each is due at a moment of its own and its time counts from there, whether a connection was
    /// free or not. As fast as they are answered where no rate is given.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
}

/// Runs the load on one thread, as one core is what a generator may take on a machine that it shares.
pub(crate) fn run(args: &Args) -> anyhow::Result<Measure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drive(args))
}

async fn drive(args: &Args) -> anyhow::Result<Measure> {
    ensure!(args.connections > 0 && args.count > 0, "--connections and --count must be at least 1");
    let host = args.url.strip_prefix("http://").context("--url must begin with http://")?.trim_end_matches('/');
    let address: SocketAddr = host.parse().with_context(|| format!("--url {}: not an address and port", args.url))?;
    let prepared = prepare(args, host)?;
    let expected = expected_answer(args.kind);

    let mut open = Vec::new();
    for _ in 0..args.connections {
        open.push(Connection::open(address, expected).await.with_context(|| format!("connecting to {address}"))?);
    }
    let start = Instant::now();
    let dispenser = Arc::new(Dispenser::new(prepared, start, Duration::from_secs_f64(args.seconds), args.rate));
    let tasks: Vec<_> = open.into_iter().map(|each| tokio::spawn(each.run(Arc::clone(&dispenser)))).collect();
    let mut tally = connection::Tally::default();
    for task in tasks {
        tally.add(task.await?);
    }
    Ok(tally.into_measure(start.elapsed()))
}

/// What the body of a good answer contains.
fn expected_answer(kind: Kind) -> &'static str {
    match kind {
        Kind::Stripe | Kind::Polymart => r#""duplicate":false"#,
        Kind::Placeholder => r#""value":""#,
        Kind::Verify => r#""code":"VALID""#,
        Kind::VerifyChallenge => r#""code":"VALID","challengeResponse":""#,
    }
}

fn prepare(args: &Args, host: &str) -> anyhow::Result<Prepared> {
    let signer = Signer::new(&args.secret)?;
    let now = keyledger_events::Clock::now(&keyledger_events::SystemClock).as_second();
    let mut prepared = Prepared::default();
    for number in args.first..args.first + args.count {
        let (path, header, body) = match args.kind {
            Kind::Stripe => {
                let body = stripe::delivery(number, now);
                let path = format!("/api/v1/integrations/stripe?teamId={}", args.team);
                (path, format!("stripe-signature: {}", signer.stripe(now, body.as_bytes())), body)
            }
            Kind::Polymart => {
                let body = polymart::purchase(number, now);
                let path = format!("/api/v1/integrations/polymart?teamId={}&productId={}", args.team, args.product);
                (path, format!("x-polymart-signature: {}", signer.polymart(body.as_bytes())), body)
            }
            Kind::Placeholder => {
                let body = polymart::placeholder(number, number % args.buyers.max(1), now);
                let path = format!("/api/v1/integrations/polymart/placeholder?teamId={}", args.team);
                (path, format!("x-polymart-signature: {}", signer.polymart(body.as_bytes())), body)
            }
            Kind::Verify | Kind::VerifyChallenge => {
                let challenged = args.kind == Kind::VerifyChallenge;
                let body = question(number, args.buyers.max(1), challenged);
                let path = format!("/api/v1/client/teams/{}/verification/verify", args.team);
                (path, "user-agent: bench".to_owned(), body)
            }
        };
        prepared.push(host, &path, &header, &body);
    }
    Ok(prepared)
}
