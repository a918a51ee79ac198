//! A tolerant view of foreign JSON that knows where it stands, so that a refusal can name the field.
//!
//! Providers render payloads in many layouts. Asking for a field that is not there gives an absent node, and
//! only the reader of a value decides whether that is an error.

use std::collections::BTreeMap;

use keyledger_events::Timestamp;
use keyledger_events::clock::from_unix_seconds;
use serde_json::Value;

/// Text of a foreign value that goes into a message is cut after so many characters.
pub(crate) const QUOTE_CHARS_MAX: usize = 100;

static ABSENT: Value = Value::Null;

/// A field that is missing or that cannot be what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct BadField {
    /// Where it is: `data.object.lines.data[0].period.end`.
    pub field: String,
    /// What is wrong: `is missing`.
    pub problem: String,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
    /// Of a list that is an object with `data`.
    DataIndex(usize),
}

/// A place in a JSON document: its value, if any, and the way there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    step: Step<'a>,
    parent: Option<&'a Node<'a>>,
}

/// A list as providers write it: bare, or as an object with `data` and `has_more`.
#[derive(Debug)]
pub(crate) struct List<'a> {
    /// The elements that are here.
    pub(crate) items: Vec<Node<'a>>,
    /// Whether there are more of them elsewhere.
    pub(crate) truncated: bool,
}

/// A reference that may have been expanded to the object it refers to.
#[derive(Debug)]
pub(crate) struct IdOrObject<'a> {
    /// The id, which both forms have.
    pub(crate) id: String,
    /// The object, where it was expanded.
    pub(crate) object: Option<Node<'a>>,
}

impl<'a> Node<'a> {
    /// The top of a document; `name` begins every path, and may be empty.
    pub(crate) fn root(value: &'a Value, name: &'a str) -> Self {
        Self { value, step: Step::Key(name), parent: None }
    }

    /// The field of an object; absent when there is no such field, or no object.
    pub(crate) fn get(&'a self, key: &'a str) -> Node<'a> {
        Node { value: self.value.get(key).unwrap_or(&ABSENT), step: Step::Key(key), parent: Some(self) }
    }

    /// Whether the field is missing or null.
    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// Whether text without characters is here.
    pub(crate) fn is_empty_text(&self) -> bool {
        self.value.as_str() == Some("")
    }

    /// The complaint that this field has the given problem.
    pub(crate) fn bad(&self, problem: impl Into<String>) -> BadField {
        BadField { field: self.path(), problem: problem.into() }
    }

    /// The path from the top to here.
    pub(crate) fn path(&self) -> String {
        let mut path = self.parent.map(Node::path).unwrap_or_default();
        match self.step {
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::DataIndex(index) => path.push_str(&format!(".data[{index}]")),
        }
        path
    }

    /// A label that nothing depends on: text, or nothing.
    pub(crate) fn label(&self) -> Option<String> {
        self.value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A flag that nothing depends on when it is missing.
    pub(crate) fn flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// Text that must be there.
    ///
    /// # Errors
    /// When it is missing, empty or not text.
    pub(crate) fn text(&self) -> Result<String, BadField> {
        match self.value {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            Value::Null => Err(self.bad("is missing")),
            Value::String(_) => Err(self.bad("is empty")),
            _ => Err(self.bad("is not text")),
        }
    }

    /// An id that a provider writes as a number here and as text there.
    ///
    /// # Errors
    /// When it is missing, empty, or neither a whole number nor text.
    pub(crate) fn id(&self) -> Result<String, BadField> {
        match self.value {
            Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
            Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Value::Null => Err(self.bad("is missing")),
            Value::String(_) => Err(self.bad("is empty")),
            _ => Err(self.bad("is neither a whole number nor text")),
        }
    }

    /// A reference: an id, or the object that was expanded in its place.
    ///
    /// # Errors
    /// When something is there that has no id.
    pub(crate) fn id_or_object(self) -> Result<Option<IdOrObject<'a>>, BadField> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(id) if id.is_empty() => Ok(None),
            Value::String(id) => Ok(Some(IdOrObject { id: id.clone(), object: None })),
            Value::Object(fields) => match fields.get("id").and_then(Value::as_str) {
                Some(id) if !id.is_empty() => Ok(Some(IdOrObject { id: id.to_owned(), object: Some(self) })),
                _ => Err(self.bad("is an object without an `id`")),
            },
            _ => Err(self.bad("is neither an id nor an object")),
        }
    }

    /// The id of a reference.
    ///
    /// # Errors
    /// As [`Node::id_or_object`].
    pub(crate) fn reference(&self) -> Result<Option<String>, BadField> {
        Ok(self.id_or_object()?.map(|found| found.id))
    }

    /// A whole number; numbers written as text are taken too, as emulators echo form fields.
    ///
    /// # Errors
    /// When something else is there.
    pub(crate) fn integer(&self) -> Result<Option<i64>, BadField> {
        let number = match self.value {
            Value::Null => return Ok(None),
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.bad(format!("is {}, not a whole number", self.quoted())))
    }

    /// A whole number that must be there.
    ///
    /// # Errors
    /// When it is missing or something else.
    pub(crate) fn required_integer(&self) -> Result<i64, BadField> {
        self.integer()?.ok_or_else(|| self.bad("is missing"))
    }

    /// A number of units: 1 when it is not said.
    ///
    /// # Errors
    /// When it is negative, too large or not a number.
    pub(crate) fn quantity(&self) -> Result<u32, BadField> {
        match self.integer()? {
            None => Ok(1),
            Some(units) => {
                u32::try_from(units).map_err(|_| self.bad(format!("is {units}, not a quantity from 0 to {}", u32::MAX)))
            }
        }
    }

    /// A moment, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// When it is not a number, or beyond the years that we can handle.
    pub(crate) fn time(&self) -> Result<Option<Timestamp>, BadField> {
        match self.integer()? {
            None => Ok(None),
            Some(seconds) => from_unix_seconds(seconds)
                .map(Some)
                .ok_or_else(|| self.bad(format!("is {seconds}, not a time in seconds since 1970"))),
        }
    }

    /// A moment that must be there.
    ///
    /// # Errors
    /// When it is missing, or as [`Node::time`].
    pub(crate) fn required_time(&self) -> Result<Timestamp, BadField> {
        self.time()?.ok_or_else(|| self.bad("is missing"))
    }

    /// A list; `None` when it is absent.
    ///
    /// # Errors
    /// When something else is there.
    pub(crate) fn list(&'a self) -> Result<Option<List<'a>>, BadField> {
        match self.value {
            Value::Null => Ok(None),
            Value::Array(values) => Ok(Some(List { items: self.elements(values, Step::Index), truncated: false })),
            Value::Object(fields) => {
                let values = fields.get("data").and_then(Value::as_array);
                let items = self.elements(values.ok_or_else(|| self.bad("is a list without `data`"))?, Step::DataIndex);
                let has_more = fields.get("has_more").and_then(Value::as_bool).unwrap_or(false);
                let total = fields.get("total_count").and_then(Value::as_u64).unwrap_or(0);
                Ok(Some(List { truncated: has_more || total > items.len() as u64, items }))
            }
            _ => Err(self.bad("is not a list")),
        }
    }

    fn elements(&'a self, values: &'a [Value], step: fn(usize) -> Step<'a>) -> Vec<Node<'a>> {
        values.iter().enumerate().map(|(index, value)| Node { value, step: step(index), parent: Some(self) }).collect()
    }

    /// The text entries of a map. Numbers and flags become text, anything else is passed over; `None` when there
    /// is no map.
    pub(crate) fn text_map(&self) -> Option<BTreeMap<String, String>> {
        let entry = |(key, value): (&String, &Value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return None,
            };
            Some((key.clone(), text))
        };
        Some(self.value.as_object()?.iter().filter_map(entry).collect())
    }

    /// A number or a short text for a message; never a whole object.
    fn quoted(&self) -> String {
        match self.value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => quote(text),
            Value::Bool(flag) => flag.to_string(),
            Value::Null => "null".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        }
    }
}

/// Foreign text for a message: in quotes, control characters escaped, cut after [`QUOTE_CHARS_MAX`].
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_knows_its_way() {
        let value = json!({ "a": { "data": [{ "b": [1, 2] }] } });
        let root = Node::root(&value, "");
        let list = root.get("a");
        let paths = list.list().map(|list| {
            let first = list.into_iter().flat_map(|list| list.items).next();
            first.map(|item| item.get("b").get("missing").path())
        });
        assert_eq!(paths, Ok(Some("a.data[0].b.missing".to_owned())));
        assert_eq!(Node::root(&value, "event").get("a").path(), "event.a");
    }

    #[test]
    fn foreign_text_is_quoted_escaped_and_cut() {
        assert_eq!(quote("a\"b\n"), r#""a\"b\n""#);
        assert_eq!(quote(&"ü".repeat(QUOTE_CHARS_MAX)), format!("\"{}\"", "ü".repeat(QUOTE_CHARS_MAX)));
        assert_eq!(quote(&"ü".repeat(QUOTE_CHARS_MAX + 1)), format!("\"{}\"…", "ü".repeat(QUOTE_CHARS_MAX)));
    }

    #[test]
    fn only_whole_numbers_are_numbers() {
        for (value, expected) in [
            (json!(null), Ok(None)),
            (json!(-5), Ok(Some(-5))),
            (json!("17"), Ok(Some(17))),
            (json!(1.5), Err("`n` is 1.5, not a whole number".to_owned())),
            (json!(u64::MAX), Err("`n` is 18446744073709551615, not a whole number".to_owned())),
            (json!(" 1"), Err("`n` is \" 1\", not a whole number".to_owned())),
            (json!(false), Err("`n` is false, not a whole number".to_owned())),
        ] {
            assert_eq!(Node::root(&value, "n").integer().map_err(|bad| bad.to_string()), expected);
        }
    }
}
