//! Of Rollbacks.

use serde_json::{Value, json};

use super::{Base, Way, full_container, of_policy};
use crate::scenario::{
    Act::{Console, Create, Wait},
    GROUP, OLD_IMAGE,
    When::{Field, Later, Now, Paused},
    config_map, containers, eci_group, group, image, package, script, with,
};

const BACK: &str = "rollbacks/back";

fn base(name: &'static str, more: Value) -> Base {
    let spec = json!({"taskRef": {"name": "web"}, "batches": 2});
    Base::new(name, "rollbacks", BACK, with(spec, more))
}

/// Of this task, once that has ended.
fn of(task: Value, base: Base) -> Base {
    base.first(Now, Create(task))
        .first(Field("web", "/status/restore/done", true.into()), Wait)
}

fn to_its_end(base: Base) -> Base {
    base.then(Field(BACK, "/status/restore/done", true.into()), Wait)
}

/// The id of the first execution of every run.
const FIRST: &str = "exec-1b39896a51a8749b";

pub fn all() -> Vec<Base> {
    let mut two = group(GROUP, 2);
    two["instances"]["packages"] = json!({"agent": "v1"});
    let pausing = || json!({"suspensionPolicy": "SuspendFirstBatch"});
    let from = json!({"configMapKeyRef": {"name": "scripts", "key": "rollback"}});
    let mut all = vec![
        to_its_end(of(
            image("web", json!({})),
            base("image", json!({"to": {"imageId": OLD_IMAGE}, "maxErrors": 1})),
        )),
        // Of four instances two were touched.
        to_its_end(
            base("scope", json!({"scope": "Updated"}))
                .first(Now, Create(image("web", pausing())))
                .first(Paused("web", 1), Wait),
        ),
        to_its_end(of(
            script("web", json!({})),
            base("script", json!({"to": {"script": {"inline": "systemctl restart old"}}})),
        )),
        to_its_end(of(
            script("web", json!({})),
            base("script-of-a-config-map", json!({"to": {"script": from}}))
                .first(Now, Create(config_map("restart new", "restart old"))),
        )),
        to_its_end(of(
            package("web", json!({})),
            base("package", json!({"to": {"packageVersion": "v1"}}))
                .cloud(json!({"packages": [{"name": "agent", "versions": 2}], "scalingGroups": [two]})),
        )),
        to_its_end(of(
            containers("web", json!({})),
            base("containers", json!({"to": {"containers": [full_container("v1")]}}))
                .cloud(json!({"scalingGroups": [eci_group(GROUP, 2)]})),
        )),
        to_its_end(
            Base::new(
                "execution",
                "rollbacks",
                BACK,
                json!({
                    "executionId": FIRST, "scalingGroupId": GROUP, "regionId": "cn-hangzhou", "batches": 2,
                    "to": {"imageId": OLD_IMAGE},
                }),
            )
            .first(
                Now,
                Console {
                    of: "none",
                    service: "OOS",
                    action: "StartExecution",
                    params: json!({
                        "TemplateName": "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
                        "Parameters": json!({
                            "invokeType": "invoke", "scalingGroupId": GROUP, "batchNumber": 2, "imageId": "m-v2", "OOSAssumeRole": "",
                        }).to_string(),
                        "Tags": json!({"scaling_group": GROUP}).to_string(),
                    }),
                },
            )
            .first(Later(300), Wait),
        ),
    ];
    let of_script = |name, more| {
        let way_back =
            json!({"update": {"script": {"rollback": {"inline": "systemctl restart old"}}}});
        of(script("web", way_back), base(name, more))
    };
    let way = Way {
        script: "restart old",
        fault: |fault| json!({"events": [{"when": {"execution": {"status": "Success"}}, "do": {"fault": fault}}]}),
    };
    all.extend(of_policy(&of_script, &way));
    all
}
