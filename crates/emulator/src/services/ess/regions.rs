//! DescribeRegions.

use serde_json::json;

use super::answers::list;
use crate::services::action::{Action, Run};
use crate::services::regions::regions;
use crate::state::call::Service;

pub const DESCRIBE: Action = Action {
    name: "DescribeRegions",
    honours: &["AcceptLanguage"],
    run: Run::Read(|world, call, args| {
        let rows = regions(world, args, Service::Ess);
        Ok(json!({ "Regions": list(call.version, "Region", rows) }))
    }),
};
