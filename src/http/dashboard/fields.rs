//! What was filled in: the fields of a form or of a page's query.

use std::ops::RangeInclusive;

use axum::http::Uri;
use indicatif::HumanCount;
use url::form_urlencoded;
use uuid::Uuid;

use super::problem::Problem;

/// Fields of one form at most.
const FIELDS_MAX: usize = 300;

/// Names and values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a form's body.
    pub(super) fn of_body(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).take(FIELDS_MAX).map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Those of a page's address.
    pub(super) fn of_query(uri: &Uri) -> Self {
        Self::of_body(uri.query().unwrap_or_default().as_bytes())
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A field as it was filled in; the last one of the name, as a hidden default stands before a tick.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field without the space around it; `None` when it is empty or missing.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A field that must be filled in. `what` names it in the sentence about it.
    ///
    /// # Errors
    /// When it is empty.
    pub(super) fn required(&self, name: &str, what: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| Problem::unusable(format!("{what} is missing: fill it in.")))
    }

    /// Every value of a field that may be there more than once.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim()).filter(|v| !v.is_empty())
    }

    /// Whether a box is ticked.
    pub(super) fn ticked(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| value == "on" || value == "true")
    }

    /// A whole number of any size; `None` when it is empty.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn number(&self, name: &str, what: &str) -> Result<Option<u32>, Problem> {
        self.number_within(name, what, 0..=u32::MAX)
    }

    /// A whole number within a range; `None` when it is empty.
    ///
    /// # Errors
    /// When it is none, or outside.
    pub(super) fn number_within(
        &self,
        name: &str,
        what: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse::<u32>().ok().filter(|number| range.contains(number));
        let (least, most) = (grouped(*range.start()), grouped(*range.end()));
        let bad = || format!("{what} must be a whole number from {least} to {most}, not “{text}”.");
        Ok(Some(number.ok_or_else(|| Problem::unusable(bad()))?))
    }

    /// An id; `None` when it is empty.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn id(&self, name: &str, what: &str) -> Result<Option<Uuid>, Problem> {
        let bad = |text: &str| Problem::unusable(format!("{what} must be an id, not “{text}”."));
        self.text(name).map(|text| text.parse().map_err(|_| bad(text))).transpose()
    }
}

/// A number as people read it: 8,760.
fn grouped(number: u32) -> String {
    HumanCount(number.into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_people_meant_them() {
        let fields = Fields::of_body(b"name=+Plugin+&days=30&on=false&on=on&pick=a&pick=b&empty=&bad=x%00");
        assert_eq!(fields.text("name"), Some("Plugin"));
        assert_eq!(fields.text("empty"), None);
        assert!(fields.ticked("on") && !fields.ticked("off"));
        assert_eq!(fields.all("pick").collect::<Vec<_>>(), ["a", "b"]);
        assert!(matches!(fields.number("days", "Days"), Ok(Some(30))));
        assert!(matches!(fields.number("empty", "Days"), Ok(None)));
        assert!(fields.number("bad", "Days").is_err() && fields.required("empty", "A name").is_err());
    }

    #[test]
    fn a_number_out_of_range_is_told_its_range() {
        for (text, allowed) in [("-1", false), ("8761", false), ("30.5", false), ("0", true), ("8760", true)] {
            let fields = Fields::of_body(format!("hours={text}").as_bytes());
            let read = fields.number_within("hours", "The grace", 0..=8_760);
            let said = format!("The grace must be a whole number from 0 to 8,760, not “{text}”.");
            match read {
                Ok(number) => assert!(allowed && number.is_some_and(|number| number.to_string() == text), "{text}"),
                Err(problem) => assert_eq!((allowed, problem.about_input()), (false, Some(said.as_str()))),
            }
        }
        assert_eq!(
            [grouped(7), grouped(999), grouped(1_000), grouped(u32::MAX)],
            ["7", "999", "1,000", "4,294,967,295"]
        );
    }
}
