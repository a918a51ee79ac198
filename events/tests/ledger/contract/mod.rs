//! What every ledger keeps to, told through the Writer and run on every engine.

mod batches;
mod callers;
mod data_keys;
mod limits;
mod order;
mod outcomes;
mod reading;

/// Declares stories as tests on the named engines.
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        mod memory { $crate::contract::stories!(@on Memory: $($story),*); }
        mod sqlite { $crate::contract::stories!(@on Sqlite: $($story),*); }
        mod postgres { $crate::contract::stories!(@on Postgres: $($story),*); }
    };
    (@on $engine:ident: $($story:ident),*) => {$(
        #[tokio::test]
        async fn $story() -> $crate::support::TestResult {
            $crate::support::run($crate::support::Engine::$engine, super::$story).await
        }
    )*};
}
pub(crate) use stories;
