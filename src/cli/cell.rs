//! Texts in tables and lines for people.

use comfy_table::{Table, presets};
use keyledger_events::Timestamp;

/// The longest text in a cell, in characters. `--json` shows all of it.
const TEXT_CHARS_MAX: usize = 160;

/// A table with these columns.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(columns.iter().copied());
    table
}

/// A time to the second, in UTC.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A time that may not be there.
pub(super) fn maybe_time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

/// Foreign text on one line: what it may not do is move the cursor of whoever reads it.
pub(super) fn text(foreign: &str) -> String {
    let mut line: String =
        foreign.chars().take(TEXT_CHARS_MAX).map(|it| if it.is_control() { ' ' } else { it }).collect();
    if foreign.chars().nth(TEXT_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_line_without_commands_to_the_terminal() {
        assert_eq!(text("two\nlines \u{1b}[31mred"), "two lines  [31mred");
        assert_eq!(text(&"x".repeat(200)).chars().count(), TEXT_CHARS_MAX + 1);
    }

    #[test]
    fn times_are_to_the_second() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(time("2026-03-01T12:00:00.123456Z".parse()?), "2026-03-01 12:00:00Z");
        Ok(())
    }
}
