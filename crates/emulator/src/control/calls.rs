//! Calls by somebody that the fixture names, without a signature.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::answers::{answer, refuse};
use crate::cloud::Cloud;
use crate::error::ApiError;
use crate::front::Response;
use crate::oos::Caller;
use crate::params::{self, Params};
use crate::state::call::{self, Call, EssVersion, Outcome, Service};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CallAs {
    #[serde(rename = "as")]
    principal: String,
    service: String,
    action: String,
    /// That of the endpoint: `RegionId` among the parameters says otherwise, as over the wire.
    #[serde(default)]
    region: Option<String>,
    /// One of the service's; for ESS 2022-02-22 when absent.
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    params: Params,
}

/// The version that a call is made in, which must be one of its service.
fn version_of(service: Service, version: Option<&str>) -> Result<EssVersion, ApiError> {
    let Some(version) = version else {
        return Ok(EssVersion::V2022);
    };
    match Service::of_version(version)? {
        (of, version) if of == service => Ok(version),
        _ => Err(Service::other_version(service.name(), version)),
    }
}

/// The answer to a call that a service refused.
fn answered(error: ApiError, request_id: Option<String>) -> Response {
    answer(&json!({
        "status": error.status,
        "body": { "Code": error.code, "Message": error.message, "RequestId": request_id },
    }))
}

/// Makes the call, as it would be made over the wire by somebody with the key of the principal.
pub(super) fn call_as(
    cloud: &mut Cloud,
    ask: CallAs,
    wall_now: Timestamp,
) -> Result<Response, Response> {
    let caller = cloud
        .world
        .ram
        .principals
        .get(&ask.principal)
        .map(|p| Caller {
            principal: p.name.clone(),
            account_id: p.account_id.clone(),
        })
        .ok_or_else(|| refuse(404, format!("no principal {}", ask.principal)))?;
    let service = Service::parse(&ask.service)
        .ok_or_else(|| refuse(400, format!("no service {}", ask.service)))?;
    let version = match version_of(service, ask.version.as_deref()) {
        Ok(version) => version,
        Err(error) => {
            let id = cloud.world.ids.refused_request_id();
            let (now, refused) = (cloud.world.now, error.clone());
            let journal = &mut cloud.world.journal;
            journal.refused(now, Some(service), &ask.action, &id, refused);
            return Ok(answered(error, Some(id)));
        }
    };
    if let Some(names) = params::given_twice(ask.params.keys().map(String::as_str)) {
        return Err(refuse(400, params::twice(names).message));
    }
    let params = params::nest(&ask.params);
    let region = call::region_of(&params, ask.region, &cloud.world.regions);
    let outcome = cloud.call(Call {
        caller,
        region,
        service,
        action: ask.action,
        version,
        params,
        by_oos: false,
        wall_now,
    });
    Ok(match outcome {
        Outcome::Answered(Ok(body)) | Outcome::AnsweredAt(_, Ok(body)) => {
            answer(&json!({ "status": 200, "body": body }))
        }
        Outcome::Answered(Err(error)) | Outcome::AnsweredAt(_, Err(error)) => {
            let id = error.request_id.clone();
            answered(error, id)
        }
        Outcome::Dropped => answer(&json!({ "status": 0, "body": null })),
    })
}
