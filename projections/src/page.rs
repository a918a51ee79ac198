//! Pages of lists, newest first, by position: what is added meanwhile shifts nothing.

use keyledger_events::Position;
use uuid::Uuid;

use crate::db::{Row, Value, ViewStore};
use crate::error::QueryError;

/// Rows of one query at most.
const ROWS_PER_QUERY: u32 = 1_000;

/// Which part of a list is wanted. The default is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// Only what came before this position.
    pub before: Option<Position>,
    /// This many at most.
    pub limit: Option<u32>,
}

/// A numbered part of a list, for programs that ask for page 3. What is added meanwhile shifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedPage {
    /// Rows before it.
    pub offset: u32,
    /// Rows of it at most.
    pub limit: u32,
    /// What the list is ordered by.
    pub order: Order,
    /// The smallest first.
    pub ascending: bool,
}

/// What a list can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// When a thing was made.
    Created,
    /// When it last changed.
    Updated,
}

impl Order {
    fn column(self) -> &'static str {
        match self {
            Self::Created => "created_position",
            Self::Updated => "updated_position",
        }
    }
}

/// Conditions of a list's query and their arguments, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    sql: Vec<String>,
    args: Vec<Value>,
}

impl Conditions {
    /// `column = value`.
    pub(crate) fn equal(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.args.push(value.into());
        self.sql.push(format!("{column} = ${}", self.args.len()));
        self
    }

    /// `column = value`, where there is a value.
    pub(crate) fn equal_if(self, column: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.equal(column, value),
            None => self,
        }
    }

    /// `column` is one of `words`; without words anything is right.
    pub(crate) fn one_of<'a>(mut self, column: &str, words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut places = Vec::new();
        for word in words {
            self.args.push(Value::text(word));
            places.push(format!("${}", self.args.len()));
        }
        if !places.is_empty() {
            self.sql.push(format!("{column} IN ({})", places.join(", ")));
        }
        self
    }

    /// `column`, a list of ids, names one of `ids`; without ids anything is right.
    pub(crate) fn names_one_of(mut self, column: &str, ids: &[Uuid]) -> Self {
        let mut alternatives = Vec::new();
        for id in ids {
            self.args.push(Value::text(format!("%{id}%")));
            alternatives.push(format!("{column} LIKE ${}", self.args.len()));
        }
        if !alternatives.is_empty() {
            self.sql.push(format!("({})", alternatives.join(" OR ")));
        }
        self
    }

    /// `column` is `value` or more, where there is a value.
    pub(crate) fn at_least(self, column: &str, value: Option<impl Into<Value>>) -> Self {
        self.compared(column, ">=", value)
    }

    /// `column` is less than `value`, where there is a value.
    pub(crate) fn less(self, column: &str, value: Option<impl Into<Value>>) -> Self {
        self.compared(column, "<", value)
    }

    fn compared(mut self, column: &str, comparison: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.args.push(value.into());
            self.sql.push(format!("{column} {comparison} ${}", self.args.len()));
        }
        self
    }

    /// `column` has `text` in it, where there is a text. Both engines fold the case of A to Z only.
    pub(crate) fn contains(mut self, column: &str, text: Option<&str>) -> Self {
        if let Some(text) = text {
            let escaped = text.to_ascii_lowercase().replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
            self.args.push(Value::text(format!("%{escaped}%")));
            self.sql.push(format!(r"lower({column}) LIKE ${} ESCAPE '\'", self.args.len()));
        }
        self
    }
}

/// Documents of a list, newest first, in as many queries as it takes. `select` yields the document and its
/// position; rows are ordered by `position_column`.
pub(crate) async fn list<T>(
    views: &ViewStore,
    view: &'static str,
    position_column: &str,
    conditions: Conditions,
    page: Page,
    decode: impl Fn(&Row) -> Result<T, QueryError>,
) -> Result<Vec<T>, QueryError> {
    let mut found = Vec::new();
    let mut before = page.before;
    loop {
        let wanted = page.limit.map_or(ROWS_PER_QUERY, |limit| limit.saturating_sub(count(&found)).min(ROWS_PER_QUERY));
        if wanted == 0 {
            return Ok(found);
        }
        let Conditions { sql, args } = conditions.clone().less(position_column, before);
        let sql = format!(
            "SELECT doc, {position_column} FROM {{table}} WHERE {} ORDER BY {position_column} DESC LIMIT {wanted}",
            sql.join(" AND ")
        );
        let rows = views.query(view, &sql, args).await?;
        for row in &rows {
            found.push(decode(row)?);
        }
        match rows.last() {
            Some(last) if count(&rows) == wanted => before = Some(Position(last.int(1)?)),
            _ => return Ok(found),
        }
    }
}

/// Documents of a numbered part of a list. The view has the columns that [`Order`] names.
pub(crate) async fn numbered<T>(
    views: &ViewStore,
    view: &'static str,
    conditions: Conditions,
    page: NumberedPage,
    decode: impl Fn(&Row) -> Result<T, QueryError>,
) -> Result<Vec<T>, QueryError> {
    let Conditions { sql, args } = conditions;
    let (column, direction) = (page.order.column(), if page.ascending { "ASC" } else { "DESC" });
    let sql = format!(
        "SELECT doc FROM {{table}} WHERE {} ORDER BY {column} {direction} LIMIT {} OFFSET {}",
        sql.join(" AND "),
        page.limit.min(ROWS_PER_QUERY),
        page.offset
    );
    views.query(view, &sql, args).await?.iter().map(decode).collect()
}

/// The number of a view's rows.
pub(crate) async fn total(views: &ViewStore, view: &'static str, conditions: Conditions) -> Result<u64, QueryError> {
    let Conditions { sql, args } = conditions;
    let rows = views.query(view, &format!("SELECT COUNT(*) FROM {{table}} WHERE {}", sql.join(" AND ")), args).await?;
    let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
    Ok(count.unsigned_abs())
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
