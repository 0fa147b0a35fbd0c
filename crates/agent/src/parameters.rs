//! The query of a request.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::failure::Failure;

/// The pairs of a query. Of several with one name the first counts; one that nobody asks for means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Parameters {
    /// Reads a query.
    pub(crate) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// What `name` says; nothing when it is missing or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// Whether `name` says yes, or `or` when it says nothing that is understood.
    pub(crate) fn flag(&self, name: &str, or: bool) -> bool {
        match self.text(name) {
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => true,
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => false,
            _ => or,
        }
    }

    /// Whether `name` says yes; no when it is missing.
    ///
    /// # Errors
    /// When it says neither.
    pub(crate) fn yes_or_no(&self, name: &str) -> Result<bool, Failure> {
        match (self.flag(name, false), self.flag(name, true)) {
            (no, yes) if no == yes => Ok(yes),
            _ if self.text(name).is_none() => Ok(false),
            _ => Err(Failure::bad(format!("{name} is neither true nor false"))),
        }
    }

    /// The number that `name` says, or `or` when it is missing.
    ///
    /// # Errors
    /// When it is no number, or below zero.
    pub(crate) fn number(&self, name: &str, or: usize) -> Result<usize, Failure> {
        let Some(text) = self.text(name) else { return Ok(or) };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(text.parse().unwrap_or(usize::MAX));
        }
        Err(Failure::bad(format!("{name} is not a whole number from 0 on")))
    }

    /// The parts of `name` between commas, without empty ones.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let parts = self.text(name).unwrap_or_default().split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_and_not_below_zero() {
        let read = |query: &str| Parameters::parse(query).number("n", 20).ok();
        assert_eq!((read("n=3"), read(""), read("n=")), (Some(3), Some(20), Some(20)));
        assert_eq!(read("n=99999999999999999999999"), Some(usize::MAX));
        assert_eq!((read("n=x"), read("n=-1"), read("n=1.5")), (None, None, None));
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_refused_where_it_matters() {
        let read = |query: &str| Parameters::parse(query).yes_or_no("f").ok();
        assert_eq!(
            (read("f=true"), read("f=1"), read("f=F"), read("f=")),
            (Some(true), Some(true), Some(false), Some(false))
        );
        assert_eq!((read(""), read("f=yes"), read("f=1x")), (Some(false), None, None));
    }

    #[test]
    fn a_list_has_no_empty_parts() {
        assert_eq!(Parameters::parse("l=a,,%20b,").list("l"), ["a", "b"]);
    }
}
