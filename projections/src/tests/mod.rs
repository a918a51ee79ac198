//! What every view keeps to, on both engines.
//!
//! PostgreSQL's stories want a throw-away server in `KEYLEDGER_TEST_POSTGRES`; each makes a database of its own.

mod checkpoints;
mod facts;
mod faults;
mod filters;
mod heard;
mod home;
mod people;
mod rebuilds;
mod releases;
mod runners;
mod standings;
mod test_views;
mod timeline;
mod versions;
mod views;
mod webhooks;
mod work;

/// What a story ends with.
type TestResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Declares stories as tests on both engines.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod sqlite { $crate::tests::stories!(@on Sqlite: $($story),*); }
        mod postgres { $crate::tests::stories!(@on Postgres: $($story),*); }
    };
    (@on $engine:ident: $($story:ident),*) => {$(
        #[tokio::test]
        async fn $story() -> $crate::tests::TestResult {
            super::$story(&$crate::tests::home::Home::open($crate::tests::home::Engine::$engine).await?).await
        }
    )*};
}
use stories;
