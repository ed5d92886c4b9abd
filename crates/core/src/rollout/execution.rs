//! An execution, as the status names it.

use ess_rollout_api::v1alpha1::ExecutionRef;
use ess_rollout_cloud::Execution;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use crate::identity;
use crate::task::conditions::shorten;

/// An execution, as the status names it.
pub(super) fn reference(ctx: &Context<'_>, execution: &Execution) -> ExecutionRef {
    ExecutionRef {
        id: execution.id.clone(),
        template_name: shorten(&execution.template_name, 200),
        template_version: shorten(&execution.template_version, 64),
        status: shorten(execution.status.as_str(), 64),
        start_time: execution.start.map(Time),
        end_time: execution.end.map(Time),
        ended_seen_time: None,
        url: identity::execution_url(&ctx.region, &execution.id),
    }
}
