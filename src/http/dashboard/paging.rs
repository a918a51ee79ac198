//! Pages of lists: each row has a place in the ledger, and a page begins below a place. So rows that are added meanwhile
//! shift nothing, and the address of a page can be passed on.

use keyledger_events::Position;
use keyledger_projections::Page;

use super::fields::Fields;
use super::problem::Problem;
use super::viewer::Viewer;

/// Rows of a page.
pub(super) const ROWS: u32 = 50;
const ROWS_PLACES: usize = ROWS as usize;

/// A position in the ledger that an address names; `None` when it names none.
///
/// # Errors
/// When it is no position.
pub(super) fn position(query: &Fields, name: &str) -> Result<Option<Position>, Problem> {
    let bad = |text: &str| Problem::unusable(format!("“{name}” must be a position in the ledger, not “{text}”."));
    let parse = |text: &str| text.parse().ok().filter(|number: &i64| *number >= 0).map(Position);
    query.text(name).map(|text| parse(text).ok_or_else(|| bad(text))).transpose()
}

/// Which page is wanted: `?before=<position>`, or the newest rows.
///
/// # Errors
/// When it is no position.
pub(super) fn wanted(query: &Fields) -> Result<Page, Problem> {
    // One row more than is shown tells whether there is a next page.
    Ok(Page { before: position(query, "before")?, limit: Some(ROWS + 1) })
}

/// Cuts off the row that tells whether there is a next page, and answers the address of that page: the same list below
/// the last row that is shown.
pub(super) fn next<T>(
    rows: &mut Vec<T>,
    query: &Fields,
    path: &str,
    position: impl Fn(&T) -> Position,
) -> Option<String> {
    if rows.len() <= ROWS_PLACES {
        return None;
    }
    rows.truncate(ROWS_PLACES);
    let before = position(rows.last()?).to_string();
    Some(address(path, query, &[("before", &before)]))
}

/// The address of the newest rows, for a later page.
pub(super) fn first(viewer: &Viewer) -> Option<String> {
    viewer.query.text("before").map(|_| address(&viewer.path, &viewer.query, &[("before", "")]))
}

/// A list's address with some of its query changed; an empty value leaves the field out.
pub(super) fn address(path: &str, query: &Fields, changed: &[(&str, &str)]) -> String {
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in query.iter() {
        if !value.is_empty() && changed.iter().all(|(other, _)| *other != name) {
            written.append_pair(name, value);
        }
    }
    for (name, value) in changed.iter().filter(|(_, value)| !value.is_empty()) {
        written.append_pair(name, value);
    }
    let written = written.finish();
    if written.is_empty() { path.to_owned() } else { format!("{path}?{written}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_below_the_last_row_and_keeps_the_filter() {
        let query = Fields::of_body(b"q=a+b%26c&before=900&state=");
        let mut rows: Vec<_> = (0..=i64::from(ROWS)).rev().map(Position).collect();
        let next = next(&mut rows, &query, "/x", |row| *row);
        assert_eq!(next.as_deref(), Some("/x?q=a+b%26c&before=1"));
        assert_eq!(rows.len(), ROWS_PLACES);
        assert_eq!(super::next(&mut rows, &query, "/x", |row| *row), None);
        assert_eq!(address("/x", &query, &[("q", ""), ("before", "")]), "/x");
    }
}
