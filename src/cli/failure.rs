//! How a command ends that did not succeed.

use std::io::Write as _;
use std::process::ExitCode;

use super::output::OutputError;

/// Says why on standard error. Whoever stopped reading standard output has seen enough: that is no failure.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(OutputError::Closed))) {
        return ExitCode::SUCCESS;
    }
    // There is nobody left to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "error: {}", sentence(error));
    ExitCode::FAILURE
}

/// The error and its causes, without those that the error says itself already.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if said.is_empty() {
            said = text;
        } else if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_said_once() {
        let io = std::io::Error::other("disk full");
        let error = anyhow::Error::new(io).context("the ledger cannot be written");
        assert_eq!(sentence(&error), "the ledger cannot be written: disk full");
        assert_eq!(sentence(&error.context("no: disk full")), "no: disk full: the ledger cannot be written");
    }
}
