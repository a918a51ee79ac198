//! The log, on standard error. A server tells what it does; other commands only warn.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How much a server logs.
const VARIABLE: &str = "KEYLEDGER_LOG";
/// `human` or `json`.
const FORMAT_VARIABLE: &str = "KEYLEDGER_LOG_FORMAT";

/// What logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verbosity {
    /// Tells what it does.
    Server,
    /// Only warns, unless asked for more.
    Demonstration,
    /// Only warns.
    Command,
}

/// Starts logging. Does nothing when it was started before.
pub(super) fn start(verbosity: Verbosity) {
    let filter = match (std::env::var(VARIABLE), verbosity) {
        (Ok(wanted), Verbosity::Server | Verbosity::Demonstration) => EnvFilter::builder().parse_lossy(wanted),
        (_, Verbosity::Server) => EnvFilter::new("info"),
        (_, Verbosity::Demonstration | Verbosity::Command) => EnvFilter::new("warn"),
    };
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    let _ = match std::env::var(FORMAT_VARIABLE).as_deref() {
        Ok("json") => builder.json().flatten_event(true).try_init(),
        _ => builder.with_target(false).try_init(),
    };
}
