//! Query strings: each parameter known, each once.

use std::borrow::Cow;

use super::context::RequestContext;
use super::problem::Problem;
use crate::app::EventCondition;
use crate::model::error::FieldErrors;
use crate::model::time::Time;

/// Limit and default of the size of a page.
const LIMIT_MAX: usize = 200;
const LIMIT_DEFAULT: usize = 50;

/// The allowed parameters of a query string.
pub struct Query<'a> {
    given: Vec<(&'static str, Cow<'a, str>)>,
    faults: FieldErrors,
}

impl<'a> Query<'a> {
    /// Reads the query of `context`. Unknown and repeated parameters are faults.
    pub fn read(context: &'a RequestContext<'_>, known: &[&'static str]) -> Self {
        let mut query = Self {
            given: Vec::new(),
            faults: FieldErrors::default(),
        };
        for (name, value) in form_urlencoded::parse(context.request.raw_query_string().as_bytes()) {
            match known.iter().find(|one| **one == name) {
                None => query.faults.add(
                    &crate::model::text::sanitize(&name, 64),
                    "unknown parameter",
                ),
                Some(known) if query.given.iter().any(|(one, _)| one == known) => {
                    query.faults.add(known, "set this once");
                }
                Some(known) => query.given.push((known, value)),
            }
        }
        query
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .find(|(one, _)| *one == name)
            .map(|(_, value)| value.as_ref())
    }

    /// Records an invalid value of a parameter.
    pub fn fault(&mut self, name: &str, message: impl Into<String>) {
        self.faults.add(name, message);
    }

    /// A parameter that is `true` or `false`; false if absent.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.get(name) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.fault(name, "expected true or false");
                false
            }
        }
    }

    /// A parameter that is a time.
    pub fn time(&mut self, name: &str) -> Option<Time> {
        match self.get(name).map(Time::parse) {
            None => None,
            Some(Ok(time)) => Some(time),
            Some(Err(message)) => {
                self.fault(name, message);
                None
            }
        }
    }

    /// `limit`.
    pub fn limit(&mut self) -> usize {
        match self.get("limit").map(str::parse::<usize>) {
            None => LIMIT_DEFAULT,
            Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => limit,
            Some(_) => {
                self.fault("limit", "expected a number from 1 to 200");
                LIMIT_DEFAULT
            }
        }
    }

    /// `limit` and `after`.
    pub fn page_request(&mut self) -> PageRequest {
        let limit = self.limit();
        // Only what an answer has contained: "08" and "+8" are other texts for 8.
        let own = |text: &str| {
            text.parse()
                .ok()
                .filter(|after: &i64| *after > 0 && after.to_string() == text)
        };
        let after = match self.get("after").map(own) {
            None => None,
            Some(Some(after)) => Some(after),
            Some(None) => {
                self.fault("after", "expected the value of \"next\"");
                None
            }
        };
        PageRequest { after, limit }
    }

    /// `action`, `target`, `since` and `until`.
    pub fn events(&mut self) -> EventCondition {
        EventCondition {
            action: self.get("action").map(str::to_owned),
            target: self.get("target").map(str::to_owned),
            since: self.time("since"),
            until: self.time("until"),
            ..EventCondition::default()
        }
    }

    pub fn check(self) -> Result<(), Problem> {
        Ok(self.faults.check()?)
    }
}

/// The requested page of a list.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    pub after: Option<i64>,
    pub limit: usize,
}

/// Rejects every query parameter.
pub fn reject_parameters(context: &RequestContext<'_>) -> Result<(), Problem> {
    Query::read(context, &[]).check()
}

/// Reads only `limit` and `after`.
pub fn page_request(context: &RequestContext<'_>) -> Result<PageRequest, Problem> {
    let mut query = Query::read(context, &["limit", "after"]);
    let part = query.page_request();
    query.check().map(|()| part)
}
