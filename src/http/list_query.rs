//! The query of a list: which page, how large, in which order.

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
/// Ids of one parameter at most.
const IDS_MAX: usize = 100;
/// Filters that programs may know from elsewhere. Where a list has none of the name, to answer everything would be to
/// answer another question.
const FILTERS: [&str; 12] = [
    "productIds",
    "customerIds",
    "search",
    "metadataKey",
    "metadataValue",
    "status",
    "productId",
    "customerId",
    "licenseId",
    "licenseCountMin",
    "licenseCountMax",
    "licenseCountComparisonMode",
];
/// The last page that can be asked for: beyond it a list is to be narrowed down.
const PAGE_MAX: u32 = 100_000;

/// A list's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListQuery {
    /// In order, as they were given.
    parameters: Vec<(String, String)>,
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
        let parameters = pairs.0;
        let number = |name: &str, otherwise: u32| match last(&parameters, name) {
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
        let ascending = match last(&parameters, "sortDirection") {
            Some("asc") => true,
            None | Some("desc") => false,
            Some(_) => return Err(ApiError::bad_request("sortDirection: must be asc or desc")),
        };
        Ok(Self { parameters, page, size, ascending })
    }

    /// The same, of a list with these filters and no others.
    pub(super) fn filtered(uri: &Uri, filters: &[&str]) -> Result<Self, ApiError> {
        let query = Self::read(uri)?;
        let foreign = |name: &str| FILTERS.contains(&name) && !filters.contains(&name);
        // An empty one asks for nothing less than everything.
        let asks = |(name, value): &&(String, String)| !value.is_empty() && foreign(bare(name));
        let Some((name, _)) = query.parameters.iter().find(asks) else { return Ok(query) };
        let there_are = if filters.is_empty() { "none".to_owned() } else { filters.join(", ") };
        Err(ApiError::bad_request(format!("{}: is no filter of this list; its filters: {there_are}", bare(name))))
    }

    /// A parameter's text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        last(&self.parameters, name)
    }

    /// The ids of a parameter, with commas between them or each by itself: `productIds=A&productIds=B`, `productIds[]=A`.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<Uuid>, ApiError> {
        let values = self.parameters.iter().filter(|(known, _)| bare(known) == name);
        let parts = values.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|part| !part.is_empty());
        let ids = parts.map(|part| access::id(part, name)).collect::<Result<Vec<_>, _>>()?;
        match ids.len() {
            0..=IDS_MAX => Ok(ids),
            many => Err(ApiError::bad_request(format!("{name}: must have {IDS_MAX} ids at most, not {many}"))),
        }
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

/// The value of a parameter; the last one of the name.
fn last<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A parameter's name without the brackets that some programs put behind that of a list: `productIds[]`, `productIds[0]`.
fn bare(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
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

    #[test]
    fn ids_are_counted_however_they_are_given() -> Result<(), Box<dyn std::error::Error>> {
        let ids: Vec<_> = (0..=IDS_MAX).map(|_| Uuid::new_v4().to_string()).collect();
        let of = |query: String| -> Result<_, Box<dyn std::error::Error>> {
            let query = ListQuery::read(&format!("/x?{query}").parse()?).map_err(|error| format!("{error:?}"))?;
            let found = query.ids("productIds").map_err(|error| format!("{error:?}"));
            Ok(found.map(|ids| ids.iter().map(Uuid::to_string).collect::<Vec<_>>()))
        };
        let (a, b) = (&ids[0], &ids[1]);
        for query in [
            format!("productIds={a},{b}"),
            format!("productIds={a}&page=1&productIds={b}"),
            format!("productIds[]={a}&productIds%5B%5D={b}"),
            format!("productIds[0]={a}&productIds[1]={b}&productIdsOf=x"),
        ] {
            assert_eq!(of(query.clone())?.as_deref(), Ok(&ids[..2]), "{query}");
        }
        assert_eq!(of(format!("productIds={}", ids[1..].join(",")))?.map(|ids| ids.len()), Ok(IDS_MAX));
        assert!(of(format!("productIds={}", ids.join(",")))?.is_err_and(|error| error.contains("100 ids at most")));
        Ok(())
    }

    #[test]
    fn a_filter_that_there_is_not_is_refused_and_any_other_name_is_not() -> Result<(), Box<dyn std::error::Error>> {
        let read = |query: &str| -> Result<_, Box<dyn std::error::Error>> {
            let uri = format!("/x?{query}").parse()?;
            Ok(ListQuery::filtered(&uri, &["productIds", "customerIds"]).map_err(|error| format!("{error:?}")).err())
        };
        let counted = ["licenseId", "licenseCountMin", "licenseCountMax", "licenseCountComparisonMode"];
        let others = ["metadataKey", "metadataValue", "status", "search", "productId", "customerId", "status[]"];
        for name in counted.into_iter().chain(others) {
            let refused = read(&format!("pageSize=10&{name}=x"))?.unwrap_or_default();
            assert!(refused.contains(bare(name)) && refused.contains("productIds, customerIds"), "{refused}");
        }
        assert_eq!(read("productIds=&customerIds[]=&search=&utm_source=x")?, None);
        Ok(())
    }
}
