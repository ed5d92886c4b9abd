//! The regions of the scene, for the DescribeRegions of several services.

use serde_json::{Value, json};

use super::args::Args;
use crate::oos;
use crate::state::call::Service;
use crate::state::world::World;

/// One row for each; names are Chinese unless another language is asked for.
pub(crate) fn regions(world: &World, args: Args<'_>, service: Service) -> Vec<Value> {
    let language = args.text("AcceptLanguage");
    let host = service.name().to_ascii_lowercase();
    world
        .regions
        .iter()
        .map(|id| {
            json!({
                "RegionId": id,
                "LocalName": oos::region_name(id, language.as_deref().unwrap_or("zh-CN")),
                "RegionEndpoint": format!("{host}.{id}.aliyuncs.com"),
            })
        })
        .collect()
}
