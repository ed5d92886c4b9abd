//! The HTTP front without HTTP: from a request to an answer, in one synchronous step. The server
//! puts sockets around it; a simulation calls it as it is.

mod http;
mod signature;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::oos::Caller;
use crate::params::{self, Params};
use crate::secrets::{Common, may_be_secret, percent_encoded as encode};
use crate::state::call::{self, Call, Service};
use crate::state::journal::{Journal, MASKED};
pub use http::{Request, Response};
use signature::Scheme;

/// What the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// At once.
    Answer(Response),
    /// When the virtual clock reaches the time.
    AnswerAt(Timestamp, Response),
    /// The connection ends without an answer.
    Dropped,
}

/// The parameters that are about the request itself. With version 3 they travel in headers.
const PUBLIC: &[&str] = &[
    "Action",
    "Version",
    "Format",
    "AccessKeyId",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureNonce",
    "SignatureType",
    "Timestamp",
    "SecurityToken",
    "Signature",
];

/// Answers one request. `wall_now` is the clock that signatures and STS credentials go by, which
/// is not the virtual one.
pub fn handle(cloud: &mut Cloud, request: &Request, wall_now: Timestamp) -> Outcome {
    let host = request.header("host").unwrap_or("localhost").to_owned();
    let mut call = match decode(cloud, request, &host, wall_now) {
        Ok(call) => call,
        Err(error) => return Outcome::Answer(early(cloud, request, &host, error)),
    };
    match authenticate(cloud, request, &call, wall_now) {
        Ok(caller) => call.caller = caller,
        Err(error) => {
            let id = cloud.world.ids.refused_request_id();
            cloud.world.keep_tokens(&call);
            let journal = &mut cloud.world.journal;
            let seq = journal.arrive(cloud.world.now, &call, &id);
            let noted = without_secrets(journal, seq, request, &call.action, error.clone());
            journal.outcome(seq, &Err(noted));
            return Outcome::Answer(response(&host, Err(error), &id));
        }
    }
    match cloud.call(call) {
        call::Outcome::Answered(result) => Outcome::Answer(response(&host, result, "")),
        call::Outcome::AnsweredAt(at, result) => Outcome::AnswerAt(at, response(&host, result, "")),
        call::Outcome::Dropped => Outcome::Dropped,
    }
}

/// An error as it is noted. It may quote all that was signed: the client knows that, and nobody else
/// should.
fn without_secrets(
    journal: &mut Journal,
    seq: usize,
    request: &Request,
    action: &str,
    mut error: ApiError,
) -> ApiError {
    let pairs = all_pairs(request);
    let others = || {
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_str())))
    };
    for (name, value) in &pairs {
        let mut shown = Value::String(value.clone());
        match may_be_secret(action, name, others()) {
            true => shown = MASKED.into(),
            false => journal.hide(&mut shown, Common::Stays),
        }
        if let Some(shown) = shown.as_str().filter(|shown| shown != value) {
            // As it stands in a query, and in a string to sign that has the query in it.
            let once = |value: &str| format!("{}={}", encode(name), encode(value));
            let (before, after) = (once(value), once(shown));
            error.message = error.message.replace(&before, &after);
            error.message = error.message.replace(&encode(&before), &encode(&after));
        }
    }
    let headers = request.headers.iter();
    let secret = headers.filter(|(name, _)| may_be_secret(action, name, others()));
    let values: Vec<String> = secret.map(|(_, value)| value.trim().to_owned()).collect();
    journal.also_given(seq, values);
    error
}

/// The answer to a request whose body is above `limit` bytes. The rest of it is not looked at: the
/// journal has its service by the name of the endpoint, and the action when the URL or a header
/// says it.
pub fn too_large(cloud: &mut Cloud, request: &Request, limit: usize) -> Response {
    let host = request.header("host").unwrap_or("localhost").to_owned();
    let error = ApiError::new(
        413,
        "RequestEntityTooLarge",
        format!("The request body is larger than {limit} bytes, which is the most that is read."),
    );
    early(cloud, request, &host, error)
}

/// The answer to a request that is not even a call. It is in the journal as far as it can be told:
/// the service by the name of the endpoint, the action as it was sent.
fn early(cloud: &mut Cloud, request: &Request, host: &str, error: ApiError) -> Response {
    let id = cloud.world.ids.refused_request_id();
    let pairs = all_pairs(request);
    let (action, _) = action_and_version(request, &pairs);
    let action: String = action.unwrap_or_default().chars().take(128).collect();
    let now = cloud.world.now;
    let (service, _) = endpoint(host);
    cloud
        .world
        .journal
        .refused(now, service, &action, &id, error.clone());
    response(host, Err(error), &id)
}

fn response(host: &str, result: Result<Value, ApiError>, request_id: &str) -> Response {
    let (mut response, id) = match result {
        Ok(answer) => {
            let id = answer["RequestId"]
                .as_str()
                .unwrap_or(request_id)
                .to_owned();
            (Response::json(200, &answer), id)
        }
        Err(error) => {
            let id = error.request_id.unwrap_or_else(|| request_id.to_owned());
            let mut body = json!({
                "RequestId": id,
                "HostId": host,
                "Code": error.code,
                "Message": error.message,
                "Recommend": format!(
                    "https://api.aliyun.com/troubleshoot?q={}&requestId={id}", error.code
                ),
            });
            if let Some(detail) = error.access_denied_detail {
                body["AccessDeniedDetail"] = *detail;
            }
            let mut response = Response::json(error.status, &body);
            if let Some(millis) = error.retry_after_millis {
                response
                    .headers
                    .push(("x-acs-retry-after".into(), millis.to_string()));
            }
            (response, id)
        }
    };
    response.headers.push(("x-acs-request-id".into(), id));
    response
}

/// All parameters, query first.
fn all_pairs(request: &Request) -> Vec<(String, String)> {
    let mut all = params::pairs(&request.query);
    let form = request.header("content-type").is_some_and(|t| {
        t.to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    });
    if form {
        all.extend(params::pairs(&String::from_utf8_lossy(&request.body)));
    }
    all
}

/// Action and version. Version 3 signs them as headers. With version 1 only parameters are signed,
/// although clients may send the headers, too.
fn action_and_version(
    request: &Request,
    pairs: &[(String, String)],
) -> (Option<String>, Option<String>) {
    let param = |name: &str| {
        pairs
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.clone())
    };
    let header = |name: &str| request.header(name).map(str::to_owned);
    let (action, version) = (param("Action"), param("Version"));
    match Scheme::of(request, pairs) {
        Scheme::V3 => (
            header("x-acs-action").or(action),
            header("x-acs-version").or(version),
        ),
        Scheme::V1 => (action, version),
        Scheme::Unsigned => (
            action.or_else(|| header("x-acs-action")),
            version.or_else(|| header("x-acs-version")),
        ),
    }
}

fn decode(
    cloud: &Cloud,
    request: &Request,
    host: &str,
    wall_now: Timestamp,
) -> Result<Call, ApiError> {
    if !["GET", "POST"].contains(&request.method.as_str()) {
        return Err(ApiError::new(
            400,
            "UnsupportedHTTPMethod",
            "This http method is not supported.",
        ));
    }
    let pairs = all_pairs(request);
    let scheme = Scheme::of(request, &pairs);
    let (action, version) = action_and_version(request, &pairs);
    let missing = crate::services::args::missing;
    let action = action.ok_or_else(|| missing("Action"))?;
    let version = version.ok_or_else(|| missing("Version"))?;
    let (by_version, ess_version) = Service::of_version(&version)?;
    let (by_host, region_of_host) = endpoint(host);
    if by_host.is_some_and(|service| service != by_version) {
        return Err(Service::other_version(host, &version));
    }
    if let Some(names) = params::given_twice(pairs.iter().map(|(name, _)| name.as_str())) {
        return Err(params::twice(names));
    }
    let mut flat = Params::new();
    for (name, value) in pairs {
        let public = scheme != Scheme::V3 && PUBLIC.contains(&name.as_str());
        if !public {
            flat.entry(name).or_insert(Value::String(value));
        }
    }
    let params = params::nest(&flat);
    let region = call::region_of(&params, region_of_host, &cloud.world.regions);
    Ok(Call {
        caller: Caller {
            principal: String::new(),
            account_id: String::new(),
        },
        region,
        service: by_version,
        action,
        version: ess_version,
        params,
        by_oos: false,
        wall_now,
    })
}

/// What an endpoint's host says: the service, and the region if it is in the name. Hosts that look
/// like no endpoint (an address, localhost) say nothing.
fn endpoint(host: &str) -> (Option<Service>, Option<String>) {
    let name = host.split(':').next().unwrap_or_default();
    let mut labels = name.split('.');
    let first = labels.next().unwrap_or_default();
    if first.is_empty() || labels.clone().next().is_none() {
        return (None, None);
    }
    let (product, inner_region) = match first.split_once('-') {
        None | Some((_, "vpc")) => (first.trim_end_matches("-vpc"), None),
        // `ecs-cn-hangzhou.aliyuncs.com`
        Some((product, region)) => (product, Some(region.to_owned())),
    };
    let service = match product {
        // The endpoints of CloudMonitor do not have its product code.
        "metrics" => Service::Cms,
        code => match Service::parse(code) {
            Some(service) => service,
            None => return (None, None),
        },
    };
    let second = labels
        .next()
        .filter(|label| label.contains('-'))
        .map(str::to_owned);
    (Some(service), inner_region.or(second))
}

fn authenticate(
    cloud: &mut Cloud,
    request: &Request,
    call: &Call,
    wall_now: Timestamp,
) -> Result<Caller, ApiError> {
    let pairs = all_pairs(request);
    let unsigned = Scheme::of(request, &pairs) == Scheme::Unsigned;
    if unsigned
        && call.service == Service::Sts
        && call.action.eq_ignore_ascii_case("AssumeRoleWithOIDC")
    {
        return Ok(Caller {
            principal: "anonymous".into(),
            account_id: String::new(),
        });
    }
    let verified = signature::verify(&cloud.world.ram, request, &pairs, wall_now)?;
    let caller = verified.key.caller.clone();
    cloud
        .nonces
        .take(&caller.principal, verified.nonce, wall_now)?;
    Ok(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_name_their_service_and_region() {
        for (host, service, region) in [
            (
                "oos.cn-hangzhou.aliyuncs.com",
                Some(Service::Oos),
                Some("cn-hangzhou"),
            ),
            (
                "oos-vpc.cn-beijing.aliyuncs.com",
                Some(Service::Oos),
                Some("cn-beijing"),
            ),
            ("ess.aliyuncs.com", Some(Service::Ess), None),
            (
                "ecs-cn-hangzhou.aliyuncs.com:443",
                Some(Service::Ecs),
                Some("cn-hangzhou"),
            ),
            ("sts.aliyuncs.com", Some(Service::Sts), None),
            ("slb.aliyuncs.com", Some(Service::Slb), None),
            (
                "alb.cn-hangzhou.aliyuncs.com",
                Some(Service::Alb),
                Some("cn-hangzhou"),
            ),
            (
                "nlb-vpc.cn-beijing.aliyuncs.com",
                Some(Service::Nlb),
                Some("cn-beijing"),
            ),
            (
                "metrics.cn-hangzhou.aliyuncs.com",
                Some(Service::Cms),
                Some("cn-hangzhou"),
            ),
            ("127.0.0.1:18080", None, None),
            ("localhost:1", None, None),
            ("ess", None, None),
        ] {
            assert_eq!(
                endpoint(host),
                (service, region.map(str::to_owned)),
                "{host}"
            );
        }
    }
}
