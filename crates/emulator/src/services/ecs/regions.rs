//! DescribeRegions.

use serde_json::json;

use crate::services::action::{Action, Run};
use crate::services::args::invalid;
use crate::services::regions::regions;
use crate::state::call::Service;

/// Every region of the scene sells everything that is asked about.
pub const DESCRIBE: Action = Action {
    name: "DescribeRegions",
    honours: &["AcceptLanguage", "InstanceChargeType", "ResourceType"],
    run: Run::Read(|world, _, args| {
        for (name, known) in [
            (
                "InstanceChargeType",
                ["PrePaid", "PostPaid", "SpotWithPriceLimit", "SpotAsPriceGo"].as_slice(),
            ),
            (
                "ResourceType",
                ["instance", "disk", "reservedinstance", "scu"].as_slice(),
            ),
        ] {
            if let Some(value) = args.text(name)
                && !known.iter().any(|k| k.eq_ignore_ascii_case(&value))
            {
                return Err(invalid(
                    name,
                    &format!("it must be one of {}", known.join(", ")),
                ));
            }
        }
        let rows = regions(world, args, Service::Ecs);
        Ok(json!({ "Regions": { "Region": rows } }))
    }),
};
