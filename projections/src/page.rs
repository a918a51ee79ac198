//! Pages of lists, newest first, by position: what is added meanwhile shifts nothing.

use std::collections::BTreeSet;

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

/// Conditions of a list's query and their arguments, in order. A row fulfils all of `sql` and, where there are any, one
/// of `alternatives`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    sql: Vec<String>,
    alternatives: Vec<String>,
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
        if !ids.is_empty() {
            let named = self.named(column, ids);
            self.sql.push(named);
        }
        self
    }

    /// The same, each way to fulfil it looked for by itself: rows of one id alone by an index of the column, the others
    /// among those where `several` is 1.
    pub(crate) fn names_one_of_indexed(mut self, column: &str, several: &str, ids: &[Uuid]) -> Self {
        if ids.is_empty() {
            return self;
        }
        let mut ways = Vec::new();
        // Each once, or its rows would come twice.
        for id in ids.iter().collect::<BTreeSet<_>>() {
            self.args.push(Value::text(id.to_string()));
            ways.push(format!("{several} = 0 AND {column} = ${}", self.args.len()));
        }
        let named = self.named(column, ids);
        ways.push(format!("{several} = 1 AND {named}"));
        self.by_each(&ways)
    }

    /// `column` is one of `words`, each looked for by itself; without words anything is right. Words other than `common`
    /// are found by an index of the rows where `column <> 'common'`, which the condition therefore says.
    pub(crate) fn one_of_rare(self, column: &str, common: &str, words: &[&'static str]) -> Self {
        let way = |word: &&'static str| {
            let rare = if *word == common { String::new() } else { format!("{column} <> '{common}' AND ") };
            format!("{rare}{column} = '{word}'")
        };
        self.by_each(&words.iter().collect::<BTreeSet<_>>().into_iter().map(way).collect::<Vec<_>>())
    }

    /// `column` is one of `words`, which are different, each looked for by itself.
    pub(crate) fn one_of_each(self, column: &str, words: &[&'static str]) -> Self {
        self.by_each(&words.iter().map(|word| format!("{column} = '{word}'")).collect::<Vec<_>>())
    }

    /// One of these conditions, no two of which a row fulfils, each looked for by itself.
    fn by_each(mut self, ways: &[String]) -> Self {
        self.alternatives = match (ways, self.alternatives.as_slice()) {
            ([], _) => return self,
            (_, []) => ways.to_vec(),
            (_, before) => {
                before.iter().flat_map(|one| ways.iter().map(move |two| format!("{one} AND {two}"))).collect()
            }
        };
        self
    }

    fn named(&mut self, column: &str, ids: &[Uuid]) -> String {
        let mut alternatives = Vec::new();
        for id in ids {
            self.args.push(Value::text(format!("%{id}%")));
            alternatives.push(format!("{column} LIKE ${}", self.args.len()));
        }
        format!("({})", alternatives.join(" OR "))
    }

    /// The condition of each query that together find every row once.
    fn each(&self) -> Vec<String> {
        let with =
            |alternative: &String| [self.sql.as_slice(), std::slice::from_ref(alternative)].concat().join(" AND ");
        if self.alternatives.is_empty() {
            return vec![self.sql.join(" AND ")];
        }
        self.alternatives.iter().map(with).collect()
    }

    /// Columns of the first `limit` rows in an order. Each of several queries is ordered and cut by itself, so that an
    /// index does it.
    fn select(&self, columns: &str, order: &str, limit: u32) -> String {
        let each: Vec<_> = self
            .each()
            .iter()
            .map(|condition| {
                format!("SELECT {columns} FROM {{table}} WHERE {condition} ORDER BY {order} LIMIT {limit}")
            })
            .collect();
        match each.as_slice() {
            [only] => only.clone(),
            several => {
                let several: Vec<_> = several
                    .iter()
                    .enumerate()
                    .map(|(place, sql)| format!("SELECT * FROM ({sql}) AS q{place}"))
                    .collect();
                let several = several.join(" UNION ALL ");
                format!("SELECT {columns} FROM ({several}) AS found ORDER BY {order} LIMIT {limit}")
            }
        }
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
        let wanted_ones = conditions.clone().less(position_column, before);
        let sql = wanted_ones.select(&format!("doc, {position_column}"), &format!("{position_column} DESC"), wanted);
        let rows = views.query(view, &sql, wanted_ones.args).await?;
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
    let (column, direction) = (page.order.column(), if page.ascending { "ASC" } else { "DESC" });
    let limit = page.limit.min(ROWS_PER_QUERY);
    let found = conditions.select(
        &format!("doc, {column}"),
        &format!("{column} {direction}"),
        page.offset.saturating_add(limit),
    );
    let sql =
        format!("SELECT doc FROM ({found}) AS page ORDER BY {column} {direction} LIMIT {limit} OFFSET {}", page.offset);
    views.query(view, &sql, conditions.args).await?.iter().map(decode).collect()
}

/// The number of a view's rows.
pub(crate) async fn total(views: &ViewStore, view: &'static str, conditions: Conditions) -> Result<u64, QueryError> {
    let counts =
        conditions.each().into_iter().map(|condition| format!("SELECT COUNT(*) FROM {{table}} WHERE {condition}"));
    let sql = counts.collect::<Vec<_>>().join(" UNION ALL ");
    let mut total = 0;
    for row in views.query(view, &sql, conditions.args).await? {
        total += row.int(0)?.unsigned_abs();
    }
    Ok(total)
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
