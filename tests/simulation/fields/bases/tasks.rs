//! Of RollingUpdateTasks.

use serde_json::{Value, json};

use super::{Base, Way, full_container, of_policy};
use crate::scenario::{
    Act::{Create, Wait},
    GROUP, NEW_IMAGE, OLD_IMAGE,
    When::{Field, Later, Now},
    config_map, eci_group, group, object, with,
};

const WEB: &str = "web";

fn base(name: &'static str, update: Value, more: Value) -> Base {
    let spec = json!({"scalingGroupId": GROUP, "batches": 2, "update": update});
    Base::new(name, "rollingupdatetasks", WEB, with(spec, more))
}

/// Once the task has ended, it is rolled back to where its spec says.
fn and_back(base: Base) -> Base {
    let back = json!({"taskRef": {"name": WEB}, "batches": 2});
    base.then(Field(WEB, "/status/restore/done", true.into()), Wait)
        .then(Later(10), Create(object("Rollback", "back", back)))
        .then(
            Field("rollbacks/back", "/status/restore/done", true.into()),
            Wait,
        )
}

pub fn all() -> Vec<Base> {
    let script = || json!({"script": {"run": {"inline": "systemctl restart agent"}}});
    let image = || json!({"image": {"imageId": NEW_IMAGE}});
    let from = |key: &str| json!({"configMapKeyRef": {"name": "scripts", "key": key}});
    let mut two = group(GROUP, 2);
    two["instances"]["packages"] = json!({"agent": "v1"});
    let mut protected = group(GROUP, 3);
    protected["instances"] =
        json!([{"count": 3}, {"count": 1, "lifecycleState": "Protected", "idPrefix": "i-kept"}]);
    let mut all = vec![
        and_back(base(
            "image",
            json!({"image": {
                "imageId": NEW_IMAGE, "rollbackImageId": "m-v0", "updateScalingConfiguration": true,
            }}),
            json!({"regionId": "cn-hangzhou", "maxErrors": 1}),
        ))
        .cloud(json!({"images": [{"imageId": "m-v0"}, {"imageId": OLD_IMAGE}, {"imageId": NEW_IMAGE}]})),
        base("protected", image(), json!({"lifecycleStates": ["InService"]}))
            .cloud(json!({"scalingGroups": [protected]}))
            .then(Field(WEB, "/status/restore/done", true.into()), Wait),
        and_back(base(
            "script",
            json!({"script": {
                "type": "LinuxShell", "run": {"inline": "systemctl restart agent"}, "rollback": {"inline": "systemctl restart old"},
            }}),
            json!({}),
        )),
        and_back(
            base("script-of-a-config-map", json!({"script": {"run": from("run"), "rollback": from("rollback")}}), json!({}))
                .first(Now, Create(config_map("restart new", "restart old"))),
        ),
        and_back(
            base(
                "package",
                json!({"package": {"name": "agent", "version": "v3", "action": "Install", "rollbackVersion": "v2"}}),
                json!({}),
            )
            .cloud(json!({"packages": [{"name": "agent", "versions": 3}], "scalingGroups": [two]})),
        ),
        and_back(
            base(
                "containers",
                json!({"containerGroup": {
                    "updateType": "Incremental", "containers": [full_container("v2")], "rollbackContainers": [full_container("v1")],
                }}),
                json!({}),
            )
            .cloud(json!({"scalingGroups": [eci_group(GROUP, 2)]})),
        ),
    ];
    let way = Way {
        script: "restart agent",
        fault: |fault| json!({"faults": [fault]}),
    };
    all.extend(of_policy(&|name, more| base(name, script(), more), &way));
    all
}
