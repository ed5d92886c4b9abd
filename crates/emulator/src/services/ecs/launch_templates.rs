//! Launch templates, as far as templates read them.

use serde_json::{Value, json};

use super::answers::{seconds, tag_rows};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags, missing};
use crate::state::call::Call;
use crate::state::model::LaunchTemplate;
use crate::state::world::World;

fn of_call<'a>(world: &'a World, call: &'a Call) -> impl Iterator<Item = &'a LaunchTemplate> {
    world
        .seen()
        .launch_templates
        .values()
        .filter(|t| t.account_id == call.caller.account_id && t.region == call.region)
}

pub const DESCRIBE: Action = Action {
    name: "DescribeLaunchTemplates",
    honours: &[
        "LaunchTemplateId.N",
        "LaunchTemplateName.N",
        "PageNumber",
        "PageSize",
        "TemplateTag.N.Key",
        "TemplateTag.N.Value",
    ],
    run: Run::Read(describe),
};

pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.list_up_to("LaunchTemplateId", 50)?;
    let names = args.list_up_to("LaunchTemplateName", 50)?;
    let tags = args.pairs("TemplateTag", "Key", "Value");
    let page = args.page(10, 50)?;
    let found: Vec<&LaunchTemplate> = of_call(world, call)
        .filter(|t| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&t.launch_template_id))
        })
        .filter(|t| names.as_ref().is_none_or(|names| names.contains(&t.name)))
        .filter(|t| has_tags(&t.tags, &tags))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|t| {
            json!({
                "LaunchTemplateId": t.launch_template_id,
                "LaunchTemplateName": t.name,
                "DefaultVersionNumber": t.default_version,
                "LatestVersionNumber": t.versions.iter().map(|v| v.version).max(),
                "CreateTime": seconds(world.now),
                "Tags": tag_rows(&t.tags),
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "LaunchTemplateSets": { "LaunchTemplateSet": rows },
    }))
}

pub const VERSIONS: Action = Action {
    name: "DescribeLaunchTemplateVersions",
    honours: &[
        "DefaultVersion",
        "DetailFlag",
        "LaunchTemplateId",
        "LaunchTemplateName",
        "LaunchTemplateVersion.N",
        "MaxVersion",
        "MinVersion",
        "PageNumber",
        "PageSize",
    ],
    run: Run::Read(versions),
};

pub fn versions(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.text("LaunchTemplateId");
    let name = args.text("LaunchTemplateName");
    if id.is_none() && name.is_none() {
        return Err(missing("LaunchTemplateId"));
    }
    let wanted = args.list_up_to("LaunchTemplateVersion", 50)?;
    let default = args.flag("DefaultVersion")?.unwrap_or(false);
    // Details are there anyway.
    args.flag("DetailFlag")?;
    let least = args.number("MinVersion", 0, i64::MAX)?.unwrap_or(0);
    let most = args.number("MaxVersion", 0, i64::MAX)?.unwrap_or(i64::MAX);
    let page = args.page(10, 50)?;
    let template = of_call(world, call)
        .find(|t| {
            id.as_ref().is_none_or(|id| *id == t.launch_template_id)
                && name.as_ref().is_none_or(|n| *n == t.name)
        })
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidLaunchTemplate.NotFound",
                "The specified launch template does not exist.",
            )
        })?;
    let found: Vec<_> = template
        .versions
        .iter()
        .filter(|v| {
            wanted
                .as_ref()
                .is_none_or(|w| w.contains(&v.version.to_string()))
        })
        .filter(|v| i64::try_from(v.version).is_ok_and(|v| (least..=most).contains(&v)))
        .filter(|v| !default || v.version == template.default_version)
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|v| {
            json!({
                "LaunchTemplateId": template.launch_template_id,
                "LaunchTemplateName": template.name,
                "VersionNumber": v.version,
                "DefaultVersion": v.version == template.default_version,
                "LaunchTemplateData": {
                    "ImageId": v.image_id,
                    "UserData": v.user_data,
                    "KeyPairName": v.key_pair_name,
                },
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "LaunchTemplateVersionSets": { "LaunchTemplateVersionSet": rows },
    }))
}
