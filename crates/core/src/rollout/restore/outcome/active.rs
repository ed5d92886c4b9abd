//! What new instances of the group get, now.

use ess_rollout_api::v1alpha1::{Plan, RollingUpdateTaskStatus};
use ess_rollout_cloud::ScalingGroup;

use crate::rollout::context::Context;
use crate::rollout::kind::content::ConfigurationContent;
use crate::rollout::restore::configuration;
use crate::rollout::result;
use crate::task::observation::Known;

/// What the active scaling configuration says of new instances.
#[derive(Default)]
pub(super) struct Active {
    /// Whether it was looked at: the update brings something that it should carry.
    pub(super) read: bool,
    /// Why new instances will not get what the update brought.
    pub(super) differs: Option<String>,
    pub(super) note: Option<String>,
}

/// Looks at the configuration that is active now. That it was another one when the run began is no
/// reason to change it: it is somebody's, and may be active for a reason.
pub(super) fn configuration(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    group: &ScalingGroup,
) -> Known<Active> {
    let Some(brought) = ctx.update.brings() else {
        return Ok(Active::default());
    };
    let what = ctx.update.what(Some(plan));
    let changed = configuration::changed_configuration(status, plan);
    let (observation, well) = (ctx.input.observation, result::went_well(status));
    let Some(active) = group.active_scaling_configuration.as_deref() else {
        return Ok(none(group, &what, well && changed.is_some()));
    };
    let kind = ctx.update.content_kind();
    let found = kind.found(observation, &ctx.group, active)?;
    let short = found.as_ref().map(ConfigurationContent::short);
    let short = short.unwrap_or_else(|| "nothing that could be read".to_owned());
    let noted = |note: Option<String>| {
        Ok(Active {
            read: true,
            differs: None,
            note,
        })
    };
    // After a run that ended early what new instances get matters only where all others run the new: else it goes back.
    let goes_back = !well && !configuration::all_updated(status);
    // Its item says how the one that was changed is.
    if goes_back || changed == Some(active) {
        let carried = format!("scaling configuration {active}, which is active, carries {short}");
        return noted((!well).then_some(carried));
    }
    let wanted = configuration::wanted_configuration(ctx, status, plan);
    let fits = found.as_ref().is_some_and(|found| {
        let mut wanted = wanted.iter();
        wanted.any(|wanted| found.is(&wanted.content, wanted.exactly)) || found.comes_from(&brought)
    });
    if fits {
        return noted(Some(format!(
            "scaling configuration {active}, which is active by now, carries it as well"
        )));
    }
    let (was, back) = match changed {
        Some(changed) => (
            format!(" ({changed} is the one that was changed)"),
            format!(", or make {changed} the active one again"),
        ),
        None => Default::default(),
    };
    let differs = Some(format!(
        "scaling configuration {active} is active by now{was} and carries {short}: new instances will not get {what}; put that into {active}{back}"
    ));
    Ok(Active {
        read: true,
        differs,
        note: None,
    })
}

/// New instances come from elsewhere. `by_now`: when the update began they came from a configuration.
fn none(group: &ScalingGroup, what: &str, by_now: bool) -> Active {
    let source = match &group.launch_template {
        Some(template) => format!("launch template {template}"),
        None => "no scaling configuration".to_owned(),
    };
    let said = format!(
        "new instances of the group come from {source}, which was not changed: make sure that they get {what}"
    );
    Active {
        read: false,
        differs: by_now.then(|| said.clone()),
        note: (!by_now).then_some(said),
    }
}
