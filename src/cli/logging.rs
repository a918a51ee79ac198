//! The log, on standard error. A server tells what it does; other commands only warn.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How much a server logs.
const VARIABLE: &str = "KEYLEDGER_LOG";
/// `human` or `json`.
const FORMAT_VARIABLE: &str = "KEYLEDGER_LOG_FORMAT";

/// What a server logs unless somebody says otherwise: not what libraries find worth a word when all is well.
const SERVER: &str = "info,tokio_cron_scheduler=warn,sqlx::postgres::notice=warn";

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
///
/// # Errors
/// In words, when a variable says what is not understood: a server whose log is silent would be noticed too late.
pub(super) fn start(verbosity: Verbosity) -> Result<(), String> {
    let wanted = variable(VARIABLE).map(|wanted| parse(&wanted)).transpose()?;
    let filter = match (wanted, verbosity) {
        (Some(wanted), Verbosity::Server | Verbosity::Demonstration) => wanted,
        (_, Verbosity::Server) => EnvFilter::new(SERVER),
        (_, Verbosity::Demonstration | Verbosity::Command) => EnvFilter::new("warn"),
    };
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    let _ = match variable(FORMAT_VARIABLE).as_deref() {
        Some("json") => builder.json().flatten_event(true).try_init(),
        None | Some("human") => builder.with_target(false).try_init(),
        Some(other) => return Err(format!("{FORMAT_VARIABLE} is `{other}`; it can be human or json")),
    };
    Ok(())
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Levels, for everything or for a part. A word alone that is no level would be taken for a part, and silence the rest.
fn parse(wanted: &str) -> Result<EnvFilter, String> {
    let words: Vec<&str> = wanted.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let bad = words.iter().find(|word| {
        let is_level = word.parse::<LevelFilter>().is_ok();
        !is_level && (!word.contains(['=', '[']) || EnvFilter::try_new(word).is_err())
    });
    match bad {
        None => Ok(EnvFilter::new(words.join(","))),
        Some(bad) => Err(format!(
            "{VARIABLE} has `{bad}`; it can be error, warn, info, debug, trace or off, for a part of the program as in \
             keyledger=debug,sqlx=warn"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_is_named() {
        for fine in ["info", "WARN", "off", "debug,sqlx=warn", "keyledger::hooks=trace,info", "info, hyper=off,"] {
            assert!(parse(fine).is_ok(), "{fine}: {:?}", parse(fine).err());
        }
        for (wrong, named) in [("inof", "`inof`"), ("info,sqlx", "`sqlx`"), ("info,sqlx=loud", "`sqlx=loud`")] {
            let problem = parse(wrong).err().unwrap_or_default();
            assert!(problem.contains(named) && problem.contains(VARIABLE), "{wrong}: {problem}");
        }
    }
}
