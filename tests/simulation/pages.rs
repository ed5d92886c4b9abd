//! Lists of the cloud that come in more pages than they would have to, and pages that do not fit together.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ess_emulator::front::Response;
use serde_json::{Value, json};

use crate::fault::Fault;

/// Rows of a page: services may give fewer than they are asked for.
const ROWS: usize = 2;
/// Tokens of pages that were cut here.
const TOKEN: &str = "cut-";

/// What is to come of lists that were cut, by the token that asks for it.
#[derive(Default)]
pub struct Pages(Mutex<BTreeMap<String, Rest>>);

/// The rest of a list.
struct Rest {
    /// The whole answer.
    answer: Response,
    fault: Fault,
    /// The rows that were given.
    given: usize,
}

/// Where the rows of an answer are.
fn rows(body: &Value) -> Option<String> {
    let is_list = |value: &Value| {
        let items = value.as_array();
        items.is_some_and(|items| items.len() > 1 && items.iter().all(Value::is_object))
    };
    let fields = body.as_object()?;
    fields.iter().find_map(|(name, value)| {
        if is_list(value) {
            return Some(format!("/{name}"));
        }
        let inner = value.as_object()?.iter().find(|(_, inner)| is_list(inner));
        inner.map(|(inner, _)| format!("/{name}/{inner}"))
    })
}

/// The token of a page that was cut here, if this asks for one.
fn token(body: &str) -> Option<String> {
    let pairs = ess_emulator::params::pairs(body);
    let found = pairs.into_iter().find(|(name, _)| name == "NextToken");
    found
        .map(|(_, token)| token)
        .filter(|token| token.starts_with(TOKEN))
}

impl Pages {
    /// What answers this, if it asks for a later page of a list that was cut.
    pub fn later(&self, body: &str) -> Option<Response> {
        let token = token(body)?;
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = pages.remove(&token)?;
        if rest.fault == Fault::TokenExpired {
            let refused = json!({
                "RequestId": "00000000-0000-0000-0000-000000000000",
                "Code": "InvalidNextToken",
                "Message": "The specified parameter NextToken is not valid or has expired.",
            });
            return Some(Response {
                status: 400,
                body: refused.to_string().into(),
                ..rest.answer
            });
        }
        drop(pages);
        Some(self.page(rest))
    }

    /// The first page of this answer, where its list goes on by tokens.
    pub fn cut(&self, fault: Fault, request: &str, answer: Response) -> Response {
        if answer.status != 200 || !request.contains("MaxResults=") {
            return answer;
        }
        self.page(Rest {
            answer,
            fault,
            given: 0,
        })
    }

    fn page(&self, mut rest: Rest) -> Response {
        let body: Value = serde_json::from_slice(&rest.answer.body).unwrap_or_default();
        let Some(place) = rows(&body) else {
            return rest.answer;
        };
        let all = body.pointer(&place).and_then(Value::as_array);
        let all = all.cloned().unwrap_or_default();
        let first = rest.given == 0;
        let from = match rest.fault {
            // Something came in before: what was given last is given again.
            Fault::PagesOverlap if !first => rest.given - 1,
            // Something went: what comes next is one further.
            Fault::PagesMiss if !first => rest.given + 1,
            _ => rest.given,
        };
        rest.given = all.len().min(rest.given + ROWS);
        let mut page = body.clone();
        if let Some(value) = page.pointer_mut(&place) {
            *value = all[from.min(rest.given)..rest.given].into();
        }
        let answer = rest.answer.clone();
        if rest.given < all.len() {
            let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let token = format!("{TOKEN}{}-{}", pages.len(), rest.given);
            page["NextToken"] = token.clone().into();
            pages.insert(token, rest);
        }
        Response {
            body: page.to_string().into(),
            ..answer
        }
    }
}
