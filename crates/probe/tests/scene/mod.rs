//! What is probed in tests.

use serde_json::{Value, json};

/// An account with a group of each type.
pub fn scene() -> Value {
    json!({
        "accountId": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "principals": [{"name": "prober", "accessKeyId": "k", "accessKeySecret": "s", "allow": ["*"]}],
        "images": [{"imageId": "m-1"}],
        "scalingGroups": [
            {"scalingGroupId": "asg-ecs", "maxSize": 4,
                "configurations": [{"scalingConfigurationId": "asc-1", "imageId": "m-1"}], "instances": {"count": 2}},
            {"scalingGroupId": "asg-eci", "maxSize": 4, "groupType": "ECI",
                "eciConfigurations": [{"scalingConfigurationId": "asc-2",
                    "containers": [{"Name": "c", "Image": "i:1", "Cpu": 1, "Memory": 2}]}],
                "containerGroups": {"count": 1}},
        ],
    })
}
