//! Whether a run may begin: everything that can be known to go wrong before anything is touched.

use ess_rollout_api::v1alpha1::{ConfigurationImage, ImageSource, ImageUpdateTaskSpec, Place};
use ess_rollout_cloud::{EcsInstance, EcsStatus, GroupType, Image, Query, ScalingGroup};

use super::context::Context;
use crate::task::absence::{self, IMAGE_UPDATE_TEMPLATE};
use crate::task::observation::Known;
use crate::task::problem::{self, Checked, Problem};
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
    if ctx.region.is_empty() {
        return Some(problem::region_missing());
    }
    let has_secret = ctx.spec.credentials_ref.is_some();
    let role = ctx.spec.ram_role.as_deref();
    let refused = problem::of_credentials(ctx.input.settings, &ctx.namespace, has_secret, role);
    refused.or_else(|| check_image(ctx.spec))
}

/// The same, without the operator's settings.
pub(super) fn check_image(spec: &ImageUpdateTaskSpec) -> Option<Problem> {
    match (&spec.image_id, &spec.source) {
        (Some(_), _) => None,
        (None, Some(source)) => check_name(source),
        // Refused by the apiserver.
        (None, None) => Some(Problem::blocked(
            Reason::NothingToDo,
            "set spec.source to build an image, or spec.imageId to use one that there is".into(),
        )),
    }
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

/// What shows a configuration.
pub(super) fn of_configuration(id: &str) -> Query {
    Query::ScalingConfiguration {
        configuration: id.to_owned(),
    }
}

/// Whether a run may begin, as the cloud is now.
pub(super) fn check_cloud(ctx: &Context<'_>) -> Checked<Ready> {
    let observation = ctx.input.observation;
    let (given, source) = (ctx.spec.image_id.as_ref(), ctx.source());
    observation.require(reads(ctx))?;
    let group = problem::usable_group(
        observation.scaling_group(&ctx.group)?.as_ref(),
        ("spec.scalingGroupId", &ctx.group, &ctx.region),
        &GroupType::Ecs,
        "only scaling configurations of ECS groups take an image of this kind; for containers use a RollingUpdateTask with spec.update.containerGroup",
    )?;
    let (mut template_version, mut built_from) = (None, None);
    if let Some(source) = source {
        let Some(template) = observation.template(IMAGE_UPDATE_TEMPLATE)? else {
            let message = format!(
                "OOS in {} has no public template {IMAGE_UPDATE_TEMPLATE}: images cannot be built there",
                ctx.region
            );
            return Err(Problem::blocked(Reason::TemplateNotFound, message).into());
        };
        template_version = Some(template.version.clone()).filter(|version| !version.is_empty());
        built_from = Some(source_instance(ctx, source)?);
    }
    let configurations = read(ctx, configurations(ctx, group)?)?;
    let offered = match (given, built_from) {
        (Some(id), _) => Some(given_image(ctx, id)?),
        (None, Some(instance)) => Some(image_of(ctx, instance)?),
        (None, None) => None,
    };
    if let Some(offered) = offered {
        check_fit(ctx, &offered, &configurations)?;
    }
    Ok(Ready {
        configurations,
        template_version,
        place: ctx.place(observation)?,
    })
}

/// What is looked at, whatever comes of it.
fn reads(ctx: &Context<'_>) -> Vec<Query> {
    let group = ctx.group.clone();
    let mut reads = vec![Query::ScalingGroup { group }, Query::Account];
    let given = ctx.spec.image_id.clone();
    reads.extend(given.map(|image| Query::Image { image }));
    if let Some(source) = ctx.source() {
        let name = IMAGE_UPDATE_TEMPLATE.to_owned();
        let instances = vec![source.instance_id.clone()];
        reads.extend([Query::Template { name }, Query::EcsInstances { instances }]);
    }
    let configurations = ctx.spec.scaling_configuration_ids.iter();
    reads.extend(configurations.map(|id| of_configuration(id)));
    reads
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

/// What they carry.
fn read(ctx: &Context<'_>, ids: Vec<String>) -> Checked<Vec<ConfigurationImage>> {
    let (observation, group) = (ctx.input.observation, &ctx.group);
    observation.require(ids.iter().map(|id| of_configuration(id)))?;
    let read = |id: String| {
        let found = absence::configuration(observation, group, &id)?;
        let found = found.filter(|found| found.group.is_empty() || found.group == *group);
        let found = found.ok_or_else(|| {
            Problem::blocked(
                Reason::ScalingConfigurationNotFound,
                format!(
                    "spec.scalingConfigurationIds: scaling group {group} has no scaling configuration {id}; take it out, or name another"
                ),
            )
        })?;
        Ok(ConfigurationImage {
            id,
            image_id: found.image.clone(),
            updated: false,
        })
    };
    ids.into_iter().map(read).collect()
}

/// The template takes an instance that is Running or Stopped, and passes over one that is gone only
/// to fail one step later.
fn source_instance<'a>(ctx: &Context<'a>, source: &ImageSource) -> Checked<&'a EcsInstance> {
    let id = &source.instance_id;
    let asked = std::slice::from_ref(id);
    let found = ctx.input.observation.ecs_instances(asked)?;
    let problem = match found.iter().find(|instance| instance.id == *id) {
        None => Problem::blocked(
            Reason::SourceInstanceNotFound,
            format!(
                "spec.source.instanceId: ECS instance {id} does not exist in {}, or these credentials cannot see it",
                ctx.region
            ),
        ),
        Some(instance) => match &instance.status {
            EcsStatus::Running | EcsStatus::Stopped => return Ok(instance),
            status @ (EcsStatus::Pending | EcsStatus::Starting | EcsStatus::Stopping) => {
                Problem::wait(
                    Reason::SourceInstanceNotReady,
                    format!(
                        "instance {id} is {status}; the run begins when it is Running or Stopped"
                    ),
                )
            }
            status => Problem::blocked(
                Reason::SourceInstanceNotReady,
                format!(
                    "spec.source.instanceId: instance {id} is {status}; an image is built from one that is Running or Stopped"
                ),
            ),
        },
    };
    Err(problem.into())
}

/// Something that configurations are to carry, and what is known of it.
struct Offered<'a> {
    /// The field that names it, and what it is.
    named: String,
    architecture: &'a str,
    os_type: &'a str,
    cure: &'static str,
}

/// A given image, if it can be used.
fn given_image<'a>(ctx: &Context<'a>, id: &str) -> Checked<Offered<'a>> {
    let found = ctx.input.observation.image(id)?.as_ref();
    let (field, instead) = ("spec.imageId", "name another");
    let image = problem::usable_image(found, field, (id, &ctx.region), instead)?;
    Ok(Offered {
        named: format!("spec.imageId: image {id}"),
        architecture: &image.architecture,
        os_type: &image.os_type,
        cure: "name another image",
    })
}

/// An image that is to be built is for whatever the image of its instance is for.
fn image_of<'a>(ctx: &Context<'a>, instance: &'a EcsInstance) -> Known<Offered<'a>> {
    let (id, from) = (&instance.id, &instance.image);
    // One that was deleted says nothing of its architecture.
    let image = match from.as_str() {
        "" => None,
        from => ctx.input.observation.image(from)?.as_ref(),
    };
    Ok(Offered {
        named: format!("spec.source.instanceId: an image of instance {id}, which runs {from},"),
        architecture: image.map_or("", |image| &image.architecture),
        os_type: image.map_or(&instance.os_type, |image| &image.os_type),
        cure: "name another instance",
    })
}

/// Whether instances of each configuration can start from this as they can from what it carries.
fn check_fit(
    ctx: &Context<'_>,
    offered: &Offered<'_>,
    configurations: &[ConfigurationImage],
) -> Checked<()> {
    let observation = ctx.input.observation;
    let carried = configurations.iter().filter_map(|c| c.image_id.clone());
    observation.require(carried.map(|image| Query::Image { image }))?;
    for configuration in configurations {
        let Some(before) = &configuration.image_id else {
            continue;
        };
        // One that was deleted says nothing.
        if let Some(old) = observation.image(before)? {
            check_alike(offered, old, &configuration.id)?;
        }
    }
    Ok(())
}

/// Whether instances of a configuration can start from another image.
fn check_alike(offered: &Offered<'_>, old: &Image, configuration: &str) -> Result<(), Problem> {
    let (architecture, os) = (offered.architecture, offered.os_type);
    let (reason, is, was) = if problem::differ(architecture, &old.architecture) {
        let reason = Reason::ImageArchitectureMismatch;
        (reason, architecture, &old.architecture)
    } else if problem::differ(os, &old.os_type) {
        (Reason::ImageOSMismatch, os, &old.os_type)
    } else {
        return Ok(());
    };
    let message = format!(
        "{} is for {is}, and scaling configuration {configuration} carries {}, which is for {was}; {}, or change the configuration in the ESS console first",
        offered.named, old.id, offered.cure
    );
    Err(Problem::blocked(reason, message))
}
