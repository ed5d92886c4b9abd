//! Calls to cloud APIs: `ACS::ExecuteAPI` with its paging.

use serde_json::{Map, Value, json};

use super::{Outcome, is_high_risk};
use crate::error::ApiError;
use crate::oos::cut::shorten;
use crate::oos::engine::Engine;
use crate::oos::execution::Pause;
use crate::oos::functions::truth;
use crate::oos::host::Host;
use crate::oos::keys::risk_of;
use crate::params::Params;

/// Most pages that automatic paging follows.
const MAX_PAGES: usize = 100;
/// Page size that automatic paging asks for where the template asks for none. Every list API
/// here accepts it.
const PAGE_SIZE: u64 = 50;

/// A call as a template's properties describe it.
pub(super) struct Call {
    pub(super) service: String,
    pub(super) api: String,
    pub(super) params: Params,
    pub(super) auto_paging: bool,
    /// Whether it is of high risk by its own word, which counts before the name of the API.
    pub(super) risk: Option<bool>,
}

impl Call {
    pub(super) fn parse(properties: &Value) -> Result<Self, String> {
        let text = |keys: &[&str]| {
            keys.iter()
                .find_map(|key| properties.get(*key).and_then(Value::as_str))
                .map(str::to_owned)
        };
        let params = match properties.get("Parameters") {
            None | Some(Value::Null) => Map::new(),
            // What an expression left null is not given.
            Some(Value::Object(map)) => map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            Some(_) => return Err("Parameters is not an object".to_owned()),
        };
        Ok(Self {
            service: text(&["Service"])
                .ok_or("Service is missing")?
                .to_uppercase(),
            api: match (properties.get("API"), properties.get("Api")) {
                (Some(_), Some(_)) => return Err("API and Api exclude each other".to_owned()),
                _ => text(&["API", "Api"]).ok_or("API is missing or not a text")?,
            },
            params,
            risk: match properties.get("Risk") {
                None | Some(Value::Null) => None,
                Some(risk) => Some(risk_of(risk)?),
            },
            auto_paging: match properties.get("AutoPaging") {
                None | Some(Value::Null) => true,
                Some(value) => truth(value).map_err(|_| "AutoPaging must be true or false")?,
            },
        })
    }
}

/// A failed call in words: the call, the code, the message and the request id.
pub(super) fn describe(call: &Call, error: &ApiError) -> String {
    let request = match &error.request_id {
        Some(id) => format!(", RequestId: {id}"),
        None => String::new(),
    };
    format!(
        "{} {} failed. Code: {}, Message: {}{request}",
        call.service,
        call.api,
        error.code,
        shorten(&error.message)
    )
}

impl Engine {
    /// The call of a task. Its service is taken in capitals, which is another text.
    pub(super) fn call_of(&mut self, host: &dyn Host, properties: &Value) -> Result<Call, String> {
        let call = Call::parse(properties)?;
        let given = properties.get("Service").unwrap_or(&Value::Null);
        self.store
            .add_converted(host, given, &json!(call.service))?;
        Ok(call)
    }

    pub(super) fn execute_api(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        properties: &Value,
    ) -> Outcome {
        let call = match self.call_of(host, properties) {
            Ok(call) => call,
            Err(e) => return Outcome::Failed(e),
        };
        let execution = &self.executions[id];
        let needs_approval = {
            let high = call.risk.unwrap_or_else(|| is_high_risk(&call.api));
            execution.confirm_high_risk && high
        };
        if needs_approval && !execution.tasks[task].approved {
            return Outcome::Stays(Some(Pause::HighRisk));
        }
        match self.call_all_pages(host, id, &call) {
            Ok(answer) => Outcome::Done(answer),
            Err(e) => Outcome::Failed(describe(&call, &e)),
        }
    }

    /// One call on behalf of an execution.
    pub(super) fn call_api(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        call: &Call,
        params: &Params,
    ) -> Result<Value, ApiError> {
        // The journal has the call, however it ends.
        self.tell_derived(host);
        let execution = &self.executions[id];
        let caller = execution.acting.clone();
        let region = params
            .get("RegionId")
            .and_then(Value::as_str)
            .filter(|region| !region.is_empty())
            .unwrap_or(&execution.region)
            .to_owned();
        if call.service != "OOS" {
            return host.call(&caller, &region, &call.service, &call.api, params);
        }
        let family = execution.family.clone();
        let request_id = host.admit(&caller, &region, "OOS", &call.api, params)?;
        self.calling_family = Some(family);
        let answer = self.answer(host, &caller, &region, &call.api, params);
        self.calling_family = None;
        let mut answer = answer.map_err(|mut e| {
            e.request_id = Some(request_id.clone());
            e
        })?;
        if let Value::Object(map) = &mut answer {
            map.insert("RequestId".to_owned(), json!(request_id));
        }
        Ok(answer)
    }

    /// A call with all its pages in one answer.
    pub(super) fn call_all_pages(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        call: &Call,
    ) -> Result<Value, ApiError> {
        let mut params = call.params.clone();
        let lists = call.api.starts_with("Describe") || call.api.starts_with("List");
        let pages_itself = ["PageNumber", "NextToken"]
            .iter()
            .any(|key| params.contains_key(*key));
        if !call.auto_paging || !lists || pages_itself {
            return self.call_api(host, id, call, &params);
        }
        let has_size = params.contains_key("PageSize") || params.contains_key("MaxResults");
        if !has_size && call.service != "OOS" {
            params.insert("PageSize".to_owned(), json!(PAGE_SIZE));
        }
        let mut whole = self.call_api(host, id, call, &params)?;
        let mut last = whole.clone();
        for _ in 1..MAX_PAGES {
            let Some((key, value)) = next_page(&last) else {
                break;
            };
            params.remove("PageNumber");
            params.insert(key.to_owned(), value);
            last = self.call_api(host, id, call, &params)?;
            if append(&mut whole, &last, 0) == 0 {
                break;
            }
        }
        Ok(whole)
    }
}

/// The parameter that asks for the page after this answer. Some answers hold their paging one
/// object down (`Invocation` of ECS DescribeInvocationResults).
fn next_page(answer: &Value) -> Option<(&'static str, Value)> {
    let inside = answer.as_object().into_iter().flat_map(Map::values);
    std::iter::once(answer)
        .chain(inside.filter(|value| value.is_object()))
        .find_map(page_after)
}

fn page_after(answer: &Value) -> Option<(&'static str, Value)> {
    if let Some(token) = answer.get("NextToken").and_then(Value::as_str)
        && !token.is_empty()
    {
        return Some(("NextToken", json!(token)));
    }
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    let (page, size, total) = (
        number("PageNumber")?,
        number("PageSize")?,
        number("TotalCount")?,
    );
    (page * size < total).then(|| ("PageNumber", json!(page + 1)))
}

/// Appends the lists of a further page, one or two objects deep. Gives how much was appended.
pub(super) fn append(whole: &mut Value, page: &Value, depth: usize) -> usize {
    let (Value::Object(whole), Value::Object(page)) = (whole, page) else {
        return 0;
    };
    let mut appended = 0;
    for (key, value) in page {
        match (whole.get_mut(key), value) {
            (Some(Value::Array(into)), Value::Array(from)) => {
                appended += from.len();
                into.extend(from.iter().cloned());
            }
            (Some(into @ Value::Object(_)), Value::Object(_)) if depth < 2 => {
                appended += append(into, value, depth + 1);
            }
            _ => {}
        }
    }
    appended
}
