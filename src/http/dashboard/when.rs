//! Moments as pages show them: in UTC as they are served, in the viewer's own zone where scripts run, and exact to the
//! second in UTC for whoever points at them.

use std::fmt;

use askama::filters::HtmlSafe;
use keyledger_events::Timestamp;

/// A moment. It writes its own markup, in which nothing comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When(pub(super) Timestamp);

impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.strftime("%Y-%m-%d %H:%M:%S UTC");
        let shown = self.0.strftime("%Y-%m-%d %H:%M");
        write!(f, r#"<time datetime="{}" title="{exact}">{shown}&nbsp;UTC</time>"#, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_shows_itself_and_its_exact_time() {
        let shown = When(Timestamp::UNIX_EPOCH).to_string();
        let expected = concat!(
            r#"<time datetime="1970-01-01T00:00:00Z" title="1970-01-01 00:00:00 UTC">"#,
            "1970-01-01 00:00&nbsp;UTC</time>"
        );
        assert_eq!(shown, expected);
    }
}
