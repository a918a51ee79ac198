//! Rows as comma-separated values (RFC 4180) that a spreadsheet may open: no cell of ours is taken for a formula.

use std::fmt::Write as _;

/// The line of some cells, with its end.
pub fn line<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut line = String::new();
    for (index, text) in cells.into_iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        cell(&mut line, text.as_ref());
    }
    line.push_str("\r\n");
    line
}

/// What begins like a formula gets an apostrophe before it, which spreadsheets take for "this is text".
fn cell(line: &mut String, text: &str) {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let apostrophe = if formula { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n', ';', '\t']) {
        // Writing into a String cannot fail.
        let _ = write!(line, "\"{apostrophe}{}\"", text.replace('"', "\"\""));
    } else {
        let _ = write!(line, "{apostrophe}{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(line(["a", "", "1"]), "a,,1\r\n");
        assert_eq!(line(["a,b", "say \"x\"", "two\nlines"]), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n");
        assert_eq!(line(["=1+1", "+1", "-1", "@x", "\tx"]), "'=1+1,'+1,'-1,'@x,\"'\tx\"\r\n");
        assert_eq!(line(["=HYPERLINK(\"http://x\",1)"]), "\"'=HYPERLINK(\"\"http://x\"\",1)\"\r\n");
    }
}
