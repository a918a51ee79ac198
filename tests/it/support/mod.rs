//! What the stories stand on: servers of the real binary, peers that talk back, and bodies as providers send them.

pub(crate) mod admin;
pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod compose;
pub(crate) mod database;
pub(crate) mod dev;
pub(crate) mod hooks;
pub(crate) mod localstripe;
pub(crate) mod lukittu;
pub(crate) mod place;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod scan;
pub(crate) mod sign;
pub(crate) mod smtp;
pub(crate) mod story;
pub(crate) mod stripe_api;
pub(crate) mod visitor;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use app::TestApp;
pub(crate) use process::{Backend, Keyledger, Options};

/// Any error: a test fails with it, and nextest shows the servers' logs beside it.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a test returns.
pub(crate) type TestResult = Result<(), Error>;

/// How long anything may take that ought to happen at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// How long anything may take that is tried again after a failure: retries back off.
const PATIENCE_WITH_RETRIES: Duration = Duration::from_secs(75);

/// How long to wait between two looks.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Runs stories on both stores: `on_both_stores!(name)` makes the tests `name::sqlite` and `name::postgres` of
/// `async fn name(backend: Backend) -> TestResult`.
macro_rules! on_both_stores {
    ($($story:ident),+ $(,)?) => {
        $(mod $story {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() -> $crate::support::TestResult {
                super::$story($crate::support::Backend::Sqlite).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() -> $crate::support::TestResult {
                super::$story($crate::support::Backend::Postgres).await
            }
        })+
    };
}
pub(crate) use on_both_stores;

/// Unix seconds now.
#[expect(
    clippy::disallowed_methods,
    reason = "tests stand outside the program, where the machine's clock is the clock"
)]
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Unix seconds of a time as the command line writes it.
pub(crate) fn unix(time: &serde_json::Value) -> Result<i64, Error> {
    let text = time.as_str().ok_or_else(|| format!("{time} is not a time"))?;
    Ok(text.parse::<jiff::Timestamp>()?.as_second())
}

/// A provider's id that no other test uses: `unique("evt")` is `evt_…`.
pub(crate) fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

/// Looks again and again until `look` finds something that ought to happen at once.
pub(crate) async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    within(PATIENCE, what, &mut look).await
}

/// Looks again and again until `look` finds something that a retry brings about.
pub(crate) async fn after_retries<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    within(PATIENCE_WITH_RETRIES, what, &mut look).await
}

async fn within<T>(
    limit: Duration,
    what: &str,
    look: &mut impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if begun.elapsed() > limit {
            return Err(format!("{what}: not so after {} s", limit.as_secs()).into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A file of the project.
pub(crate) fn in_project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A path that a variable names, if it names one.
fn given(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Where npm's packages are that the tests need.
pub(crate) fn node_modules() -> PathBuf {
    given("KEYLEDGER_TEST_NODE_PATH").unwrap_or_else(|| in_project("target/test-node/node_modules"))
}

/// The Python that has the peers of `tests/peers/requirements.txt`.
pub(crate) fn python() -> Result<PathBuf, Error> {
    let python = given("KEYLEDGER_TEST_PYTHON").unwrap_or_else(|| in_project("target/test-venv/bin/python"));
    match python.exists() {
        true => Ok(python),
        false => Err(format!("{} is missing: run ./scripts/test once, which makes it", python.display()).into()),
    }
}
