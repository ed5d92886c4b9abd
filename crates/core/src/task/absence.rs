//! What an answer does not show, although it is on record. One answer that leaves something out says
//! little: lists lag, and credentials may see less than there is. So it is asked for in another way
//! before anything follows from it; whoever clears something then waits for the bound on lateness and
//! asks again.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::Place;
use ess_rollout_cloud::{
    EciScalingConfiguration, ErrorClass, Execution, ExecutionFilter, ScalingConfiguration,
    ScalingGroup, ScalingInstance,
};

use super::observation::{Known, Missing, Observation};

/// Part of the name of every public rolling-update template.
pub(crate) const ROLLING_TEMPLATES: &str = "ACS-ESS-RollingUpdate";
/// The public template of image updates of scaling configurations.
pub(crate) const IMAGE_UPDATE_TEMPLATE: &str = "ACS-ESS-CreateImageAndUpdateScalingConfiguration";

/// The group, asked for by its id, and then looked for among all.
pub(crate) fn group<'o>(observation: &'o Observation, id: &str) -> Known<Option<&'o ScalingGroup>> {
    match observation.scaling_group(id)? {
        Some(group) => Ok(Some(group)),
        None => match observation.scaling_group_in_list(id) {
            // Who may see single groups alone may not list them. What is on record is not cleared for
            // a group that is gone, so that nothing hangs on it.
            Err(Missing::Failed(error)) if error.class == ErrorClass::Denied => Ok(None),
            found => Ok(found?.as_ref()),
        },
    }
}

/// The members of a group, and those of `wanted` that the list of members leaves out and that there are
/// all the same.
pub(crate) fn instances(
    observation: &Observation,
    group: &str,
    wanted: impl IntoIterator<Item = String>,
) -> Known<Vec<ScalingInstance>> {
    let listed = observation.scaling_instances(group)?;
    let mut missing: BTreeSet<String> = wanted.into_iter().collect();
    for instance in listed {
        missing.remove(&instance.id);
    }
    let mut all = listed.clone();
    if !missing.is_empty() {
        let missing: Vec<String> = missing.into_iter().collect();
        all.extend_from_slice(observation.scaling_instances_by_id(group, &missing)?);
    }
    Ok(all)
}

/// A scaling configuration, asked for by its id, and then looked for among those of its group.
pub(crate) fn configuration<'o>(
    observation: &'o Observation,
    group: &str,
    id: &str,
) -> Known<Option<&'o ScalingConfiguration>> {
    let found = match observation.scaling_configuration(id)? {
        None => observation.scaling_configuration_in_group(group, id)?,
        found => found,
    };
    Ok(found.as_ref())
}

/// The same of a group of type ECI.
pub(crate) fn eci_configuration<'o>(
    observation: &'o Observation,
    group: &str,
    id: &str,
) -> Known<Option<&'o EciScalingConfiguration>> {
    let found = match observation.eci_scaling_configuration(id)? {
        None => observation.eci_scaling_configuration_in_group(group, id)?,
        found => found,
    };
    Ok(found.as_ref())
}

/// A root execution, asked for by its id, and then looked for among those whose template name contains
/// `template`: the newest, and all that have not ended. One that none of them shows has ended, if it ever
/// was: OOS keeps its history for a time only.
pub(crate) fn execution<'o>(
    observation: &'o Observation,
    id: &str,
    template: &str,
) -> Known<Option<&'o Execution>> {
    for filter in [
        ExecutionFilter::Id(id.to_owned()),
        ExecutionFilter::NewestByTemplate(template.to_owned()),
        ExecutionFilter::ActiveByTemplate(template.to_owned()),
    ] {
        let listed = observation.executions(&filter)?;
        if let Some(found) = listed.iter().find(|execution| execution.id == id) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The account that the credentials belong to, if that can be told. Not being able to is no reason to
/// stand still: everything else may work.
pub(crate) fn account(observation: &Observation) -> Known<Option<String>> {
    match observation.account() {
        Err(Missing::Failed(_)) => Ok(None),
        account => account.cloned(),
    }
}

/// What to say when the credentials belong to another account than the run does. What they do not show
/// then says nothing of the run, and nothing may be sent with them.
pub(crate) fn other_account(
    observation: &Observation,
    place: Option<&Place>,
) -> Known<Option<String>> {
    let Some(own) = place.and_then(|place| place.account_id.as_ref()) else {
        return Ok(None);
    };
    let found = account(observation)?;
    Ok(found.filter(|found| found != own).map(|found| {
        format!(
            "the run is of account {own}, and the credentials in use are of account {found} by now: nothing is read into that, and nothing is sent; give credentials of account {own} back (spec.credentialsRef, or the operator's own)"
        )
    }))
}
