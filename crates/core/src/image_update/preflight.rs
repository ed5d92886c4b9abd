//! Whether a run may begin: everything that can be known to go wrong before anything is touched.

use ess_rollout_api::v1alpha1::{ConfigurationImage, ImageSource, Place};
use ess_rollout_cloud::{EcsInstance, EcsStatus, GroupType, Image, Query, ScalingGroup};

use super::context::Context;
use crate::task::absence::{self, IMAGE_UPDATE_TEMPLATE};
use crate::task::conditions::shorten;
use crate::task::observation::Known;
use crate::task::problem::{self, Problem};
use crate::task::reason::Reason;

/// The longest name that ECS takes for an image.
const IMAGE_NAME_MAX: usize = 128;
/// What OOS adds to a name: `_on_`, the id of the execution, `_at_` and the date. The id is not known
/// before the start; those that were seen have 25 characters.
const IMAGE_NAME_SUFFIX: usize = "_on_".len() + 32 + "_at_".len() + "2026-01-31".len();

/// What names of custom images must not begin with, by the documentation of CreateImage. The CRD refuses it, too, but an
/// object may be older than that rule.
const RESERVED: [&str; 4] = ["aliyun", "acs:", "http://", "https://"];

/// What a run is derived from.
pub(super) struct Ready {
    /// The configurations that get the image, and what they carry.
    pub(super) configurations: Vec<ConfigurationImage>,
    /// The template's newest version; none for a given image.
    pub(super) template_version: Option<String>,
    /// Where it takes place.
    pub(super) place: Place,
}

/// What can be said against a run without looking at the cloud.
pub(super) fn check_spec(ctx: &Context<'_>) -> Option<Problem> {
    let settings = ctx.input.settings;
    if ctx.region.is_empty() {
        return Some(problem::region_missing());
    }
    let has_secret = ctx.spec.credentials_ref.is_some();
    let role = ctx.spec.ram_role.as_deref();
    let refused = problem::of_credentials(settings, &ctx.namespace, has_secret, role);
    refused.or_else(|| {
        let source = ctx.spec.source.as_ref();
        match (&ctx.spec.image_id, source) {
            (Some(_), _) => None,
            (None, Some(source)) => check_name(source),
            // Refused by the apiserver.
            (None, None) => Some(Problem::blocked(
                Reason::NothingToDo,
                "set spec.source to build an image, or spec.imageId to use one that there is"
                    .into(),
            )),
        }
    })
}

/// What the image's name begins with.
pub(super) fn image_name(source: &ImageSource) -> String {
    match &source.image_name {
        Some(name) => name.clone(),
        None => format!("CreateImage_from_{}", source.instance_id),
    }
}

fn check_name(source: &ImageSource) -> Option<Problem> {
    let name = image_name(source);
    let lower = name.to_ascii_lowercase();
    if RESERVED.iter().any(|reserved| lower.starts_with(reserved)) {
        return Some(Problem::blocked(
            Reason::ImageNameReserved,
            format!(
                "spec.source.imageName: {name} begins with what ECS keeps for its own images ({}): use another name",
                RESERVED.join(", ")
            ),
        ));
    }
    let length = name.chars().count();
    let room = IMAGE_NAME_MAX - IMAGE_NAME_SUFFIX;
    (length > room).then(|| {
        Problem::blocked(
            Reason::ImageNameTooLong,
            format!(
                "spec.source.imageName: {name} has {length} characters; OOS adds its execution id and the date, and ECS takes {IMAGE_NAME_MAX} in all: use {room} at most"
            ),
        )
    })
}

/// Whether a run may begin, as the cloud is now.
pub(super) fn check_cloud(ctx: &Context<'_>) -> Known<Result<Ready, Problem>> {
    let observation = ctx.input.observation;
    let given = ctx.spec.image_id.as_ref();
    let source = ctx.spec.source.as_ref().filter(|_| given.is_none());
    let mut reads = vec![
        Query::ScalingGroup {
            group: ctx.group.clone(),
        },
        Query::Account,
    ];
    reads.extend(given.map(|image| Query::Image {
        image: image.clone(),
    }));
    if let Some(source) = source {
        reads.push(Query::Template {
            name: IMAGE_UPDATE_TEMPLATE.to_owned(),
        });
        reads.push(Query::EcsInstances {
            instances: vec![source.instance_id.clone()],
        });
    }
    let of_configuration = |id: &String| Query::ScalingConfiguration {
        configuration: id.clone(),
    };
    reads.extend(
        ctx.spec
            .scaling_configuration_ids
            .iter()
            .map(of_configuration),
    );
    observation.require(reads)?;

    let group = match problem::usable_group(
        observation.scaling_group(&ctx.group)?.as_ref(),
        ("spec.scalingGroupId", &ctx.group, &ctx.region),
        &GroupType::Ecs,
        "only scaling configurations of ECS groups take an image of this kind; for containers use a RollingUpdateTask with spec.update.containerGroup",
    ) {
        Ok(group) => group,
        Err(problem) => return Ok(Err(problem)),
    };
    let (mut template_version, mut built_from) = (None, None);
    if let Some(source) = source {
        let Some(template) = observation.template(IMAGE_UPDATE_TEMPLATE)? else {
            return Ok(Err(Problem::blocked(
                Reason::TemplateNotFound,
                format!(
                    "OOS in {} has no public template {IMAGE_UPDATE_TEMPLATE}: images cannot be built there",
                    ctx.region
                ),
            )));
        };
        template_version = Some(template.version.clone()).filter(|version| !version.is_empty());
        match source_instance(ctx, source)? {
            Ok(instance) => built_from = Some(instance),
            Err(problem) => return Ok(Err(problem)),
        }
    }
    let ids = match configurations(ctx, group) {
        Ok(ids) => ids,
        Err(problem) => return Ok(Err(problem)),
    };
    observation.require(ids.iter().map(of_configuration))?;
    let mut configurations = Vec::with_capacity(ids.len());
    for id in ids {
        let found = absence::configuration(observation, &ctx.group, &id)?;
        let Some(found) = found.filter(|found| found.group.is_empty() || found.group == ctx.group)
        else {
            return Ok(Err(Problem::blocked(
                Reason::ScalingConfigurationNotFound,
                format!(
                    "spec.scalingConfigurationIds: scaling group {} has no scaling configuration {id}; take it out, or name another",
                    ctx.group
                ),
            )));
        };
        configurations.push(ConfigurationImage {
            id,
            image_id: found.image.clone(),
            updated: false,
        });
    }
    let problem = match (given, built_from) {
        (Some(id), _) => check_given(ctx, id, &configurations)?,
        (None, Some(instance)) => check_built(ctx, instance, &configurations)?,
        (None, None) => None,
    };
    if let Some(problem) = problem {
        return Ok(Err(problem));
    }
    Ok(Ok(Ready {
        configurations,
        template_version,
        place: Place {
            region_id: ctx.region.clone(),
            account_id: absence::account(observation)?.map(|id| shorten(&id, 64)),
        },
    }))
}

/// The configurations that get the image.
fn configurations(ctx: &Context<'_>, group: &ScalingGroup) -> Result<Vec<String>, Problem> {
    if !ctx.spec.scaling_configuration_ids.is_empty() {
        return Ok(ctx.spec.scaling_configuration_ids.clone());
    }
    if let Some(active) = &group.active_scaling_configuration {
        return Ok(vec![active.clone()]);
    }
    let id = &ctx.group;
    Err(match &group.launch_template {
        Some(template) => Problem::blocked(
            Reason::LaunchTemplateGroup,
            format!(
                "scaling group {id} makes its instances from launch template {template} and has no active scaling configuration to put an image into: name configurations in spec.scalingConfigurationIds, or change the launch template in the ECS console"
            ),
        ),
        None => Problem::blocked(
            Reason::NoScalingConfiguration,
            format!(
                "scaling group {id} has no active scaling configuration: enable one in the ESS console, or name some in spec.scalingConfigurationIds"
            ),
        ),
    })
}

/// The template takes an instance that is Running or Stopped, and passes over one that is gone only
/// to fail one step later.
fn source_instance<'a>(
    ctx: &Context<'a>,
    source: &ImageSource,
) -> Known<Result<&'a EcsInstance, Problem>> {
    let id = &source.instance_id;
    let found = ctx
        .input
        .observation
        .ecs_instances(std::slice::from_ref(id))?;
    let Some(instance) = found.iter().find(|instance| instance.id == *id) else {
        return Ok(Err(Problem::blocked(
            Reason::SourceInstanceNotFound,
            format!(
                "spec.source.instanceId: ECS instance {id} does not exist in {}, or these credentials cannot see it",
                ctx.region
            ),
        )));
    };
    Ok(match &instance.status {
        EcsStatus::Running | EcsStatus::Stopped => Ok(instance),
        status @ (EcsStatus::Pending | EcsStatus::Starting | EcsStatus::Stopping) => {
            Err(Problem::wait(
                Reason::SourceInstanceNotReady,
                format!("instance {id} is {status}; the run begins when it is Running or Stopped"),
            ))
        }
        status => Err(Problem::blocked(
            Reason::SourceInstanceNotReady,
            format!(
                "spec.source.instanceId: instance {id} is {status}; an image is built from one that is Running or Stopped"
            ),
        )),
    })
}

/// Something that configurations are to carry, and what is known of it.
struct Offered<'a> {
    /// The field that names it, and what it is.
    named: String,
    architecture: &'a str,
    os_type: &'a str,
    cure: &'static str,
}

/// A given image: whether it can be used, and whether instances like those that there are can start
/// from it.
fn check_given(
    ctx: &Context<'_>,
    id: &str,
    configurations: &[ConfigurationImage],
) -> Known<Option<Problem>> {
    let found = ctx.input.observation.image(id)?.as_ref();
    let (field, instead) = ("spec.imageId", "name another");
    let image = match problem::usable_image(found, field, (id, &ctx.region), instead) {
        Ok(image) => image,
        Err(problem) => return Ok(Some(problem)),
    };
    let offered = Offered {
        named: format!("spec.imageId: image {id}"),
        architecture: &image.architecture,
        os_type: &image.os_type,
        cure: "name another image",
    };
    check_fit(ctx, &offered, configurations)
}

/// An image that is to be built is for whatever the image of its instance is for: whether instances
/// like those that there are can start from it.
fn check_built(
    ctx: &Context<'_>,
    instance: &EcsInstance,
    configurations: &[ConfigurationImage],
) -> Known<Option<Problem>> {
    let observation = ctx.input.observation;
    let (id, from) = (&instance.id, &instance.image);
    // One that was deleted says nothing of its architecture.
    let image = match from.as_str() {
        "" => None,
        from => observation.image(from)?.as_ref(),
    };
    let offered = Offered {
        named: format!("spec.source.instanceId: an image of instance {id}, which runs {from},"),
        architecture: image.map_or("", |image| &image.architecture),
        os_type: image.map_or(&instance.os_type, |image| &image.os_type),
        cure: "name another instance",
    };
    check_fit(ctx, &offered, configurations)
}

/// Whether instances of each configuration can start from this as they can from what it carries.
fn check_fit(
    ctx: &Context<'_>,
    offered: &Offered<'_>,
    configurations: &[ConfigurationImage],
) -> Known<Option<Problem>> {
    let observation = ctx.input.observation;
    let carried = configurations.iter().filter_map(|c| c.image_id.clone());
    observation.require(carried.map(|image| Query::Image { image }))?;
    for configuration in configurations {
        let Some(before) = &configuration.image_id else {
            continue;
        };
        // One that was deleted says nothing.
        let Some(old) = observation.image(before)?.as_ref() else {
            continue;
        };
        if let Some(problem) = unlike(offered, old, &configuration.id) {
            return Ok(Some(problem));
        }
    }
    Ok(None)
}

/// Whether instances of a configuration cannot start from another image.
fn unlike(offered: &Offered<'_>, old: &Image, configuration: &str) -> Option<Problem> {
    let Offered {
        named,
        architecture,
        os_type,
        cure,
    } = offered;
    let (reason, is, was) = if problem::differ(architecture, &old.architecture) {
        (
            Reason::ImageArchitectureMismatch,
            architecture,
            &old.architecture,
        )
    } else if problem::differ(os_type, &old.os_type) {
        (Reason::ImageOSMismatch, os_type, &old.os_type)
    } else {
        return None;
    };
    Some(Problem::blocked(
        reason,
        format!(
            "{named} is for {is}, and scaling configuration {configuration} carries {}, which is for {was}; {cure}, or change the configuration in the ESS console first",
            old.id
        ),
    ))
}
