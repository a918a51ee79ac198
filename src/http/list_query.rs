//! The query of a list: which page, how large, in which order.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;
use keyledger_projections::{NumberedPage, Order};
use uuid::Uuid;

use super::access;
use crate::http::envelope::ApiError;

/// The sizes of a page.
const SIZES: [u32; 4] = [10, 25, 50, 100];
/// The size unless somebody says otherwise.
const SIZE: u32 = 25;
/// The last page that can be asked for: beyond it a list is to be narrowed down.
const PAGE_MAX: u32 = 100_000;

/// A list's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListQuery {
    parameters: BTreeMap<String, String>,
    /// From 1.
    page: u32,
    /// Rows of a page.
    pub(super) size: u32,
    /// The smallest first.
    ascending: bool,
}

impl ListQuery {
    /// Reads the query of a URL.
    pub(super) fn read(uri: &Uri) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let pairs = pairs.map_err(|_| ApiError::bad_request("the query of the URL is not well-formed"))?;
        let parameters: BTreeMap<String, String> = pairs.0.into_iter().collect();
        let number = |name: &str, otherwise: u32| match parameters.get(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| ApiError::bad_request(format!("{name}: must be a whole number"))),
        };
        let (page, size) = (number("page", 1)?, number("pageSize", SIZE)?);
        if !(1..=PAGE_MAX).contains(&page) {
            return Err(ApiError::bad_request(format!("page: must be 1 to {PAGE_MAX}")));
        }
        if !SIZES.contains(&size) {
            return Err(ApiError::bad_request("pageSize: must be 10, 25, 50 or 100"));
        }
        let ascending = match parameters.get("sortDirection").map(String::as_str) {
            Some("asc") => true,
            None | Some("desc") => false,
            Some(_) => return Err(ApiError::bad_request("sortDirection: must be asc or desc")),
        };
        Ok(Self { parameters, page, size, ascending })
    }

    /// A parameter's text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The ids of a parameter, with commas between them.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<Uuid>, ApiError> {
        let parts = self.get(name).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| access::id(part, name)).collect()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::bad_request(format!("{name}: must be true or false"))),
        }
    }

    /// The page of a list that is ordered by when things were made or changed, with one row more, which tells whether
    /// there is a next page.
    pub(super) fn numbered(&self) -> Result<NumberedPage, ApiError> {
        let order = match self.get("sortColumn") {
            None | Some("createdAt") => Order::Created,
            Some("updatedAt") => Order::Updated,
            Some("fullName" | "email" | "username") => {
                let details = "sortColumn: personal data is sealed and has no order; sort by createdAt or updatedAt";
                return Err(ApiError::bad_request(details));
            }
            Some(_) => return Err(ApiError::bad_request("sortColumn: must be createdAt or updatedAt")),
        };
        Ok(NumberedPage { offset: self.skipped(), limit: self.size + 1, order, ascending: self.ascending })
    }

    /// Rows before the page.
    fn skipped(&self) -> u32 {
        (self.page - 1) * self.size
    }

    /// Cuts off the row that tells whether there is a next page.
    pub(super) fn cut<T>(&self, rows: &mut Vec<T>) -> bool {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        more
    }

    /// The page of rows that are all at hand, the smallest first, and whether there is a next one.
    pub(super) fn of<T>(&self, mut ascending: Vec<T>) -> (Vec<T>, bool) {
        if !self.ascending {
            ascending.reverse();
        }
        let skipped = usize::try_from(self.skipped()).unwrap_or(usize::MAX);
        let mut rows: Vec<_> = ascending.into_iter().skip(skipped).collect();
        let more = self.cut(&mut rows);
        (rows, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str) -> Result<(NumberedPage, u32), String> {
        let uri = format!("/x?{query}").parse::<Uri>().map_err(|error| error.to_string())?;
        let read = || ListQuery::read(&uri).and_then(|query| Ok((query.numbered()?, query.size)));
        read().map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn pages_are_numbered_from_one() {
        let first = NumberedPage { offset: 0, limit: 26, order: Order::Created, ascending: false };
        assert_eq!(check(""), Ok((first, 25)));
        let third = NumberedPage { offset: 20, limit: 11, order: Order::Updated, ascending: true };
        assert_eq!(check("page=3&pageSize=10&sortColumn=updatedAt&sortDirection=asc"), Ok((third, 10)));
        for bad in ["page=0", "page=x", "pageSize=11", "sortColumn=email", "sortColumn=x", "sortDirection=up"] {
            let name = bad.split('=').next().unwrap_or_default();
            assert!(check(bad).is_err_and(|error| error.contains(name)), "{bad}");
        }
    }
}
