//! Values of a fixture that can only be wrong are refused, with their place.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;

use crate::support::{SMALL, cloud, small};

fn refusal(yaml: &str) -> String {
    Fixture::parse(yaml)
        .and_then(|fixture| Cloud::new(&fixture))
        .expect_err(yaml)
        .to_string()
}

#[test]
fn what_stands_beside_the_groups() {
    for (more, place, field) in [
        ("durations: {command: -1}", "durations", "command"),
        ("durations: {scaleOut: .nan}", "durations", "scaleOut"),
        (
            "switches: {readLagSeconds: -2}",
            "switches",
            "readLagSeconds",
        ),
        (
            "switches: {rates: {OOS ListExecution: 5}}",
            "switches",
            "ListExecution",
        ),
        (
            "switches: {rates: {ListExecutions: 5}}",
            "switches",
            "ListExecutions",
        ),
        ("regionsWithoutOos: [cn-far]", "regionsWithoutOos", "cn-far"),
        (
            "instances: [{instanceId: i-1, imageId: m-1, region: cn-far}]",
            "instances",
            "cn-far",
        ),
        (
            "instances: [{instanceId: i-1, imageId: m-1, lifecycleState: Standby}]",
            "i-1",
            "lifecycleState",
        ),
        (
            "instances: [{instanceId: i-1, idPrefix: i-, imageId: m-1}]",
            "i-1",
            "idPrefix",
        ),
        ("disks: [{diskId: d-1, size: 0}]", "d-1", "size"),
        (
            "disks: [{diskId: d-1, instanceId: i-small-01, accountId: '2'}]",
            "d-1",
            "account",
        ),
        (
            "snapshots: [{snapshotId: s-1, instanceId: i-small-01, diskId: d-none}]",
            "s-1",
            "diskId",
        ),
        (
            "snapshots: [{snapshotId: s-1, instanceId: i-small-01}, {snapshotId: s-1, instanceId: i-small-02}]",
            "s-1",
            "twice",
        ),
        (
            "packages: [{name: p, region: cn-far}]",
            "packages: p",
            "cn-far",
        ),
        (
            "launchTemplates: [{launchTemplateId: lt-1, versions: [{version: 0, imageId: m-1}]}]",
            "lt-1",
            "version",
        ),
        (
            "launchTemplates: [{launchTemplateId: lt-1, versions: [{version: 1, imageId: m-1}, {version: 1, imageId: m-2}]}]",
            "lt-1",
            "version 1",
        ),
        (
            "loadBalancers: [{loadBalancerId: lb-1, listeners: [{port: 0}]}]",
            "lb-1",
            "ports",
        ),
        (
            "oidcProviders: [{name: o, issuer: x}, {name: o, issuer: y}]",
            "oidcProviders: o",
            "twice",
        ),
    ] {
        let why = refusal(&format!("{SMALL}\n{more}"));
        assert!(why.contains(place) && why.contains(field), "{more}: {why}");
    }
}

#[test]
fn what_stands_in_the_groups_and_before_them() {
    let in_group = "    maxSize: 6";
    for (from, to, field) in [
        ("  - {imageId: m-2}", "  - {imageId: m-1}", "twice"),
        (
            "  - {imageId: m-2}",
            "  - {imageId: m-2, status: Ready}",
            "Ready",
        ),
        (
            "  - {imageId: m-2}",
            "  - {imageId: m-2, architecture: mips}",
            "mips",
        ),
        (
            "  - {imageId: m-2}",
            "  - {imageId: m-2, ownerAlias: me}",
            "ownerAlias",
        ),
        ("  - {imageId: m-2}", "  - {imageId: m-2, size: 0}", "size"),
        (
            "trustsOos: true",
            "trustsOos: true\n    maxSessionSeconds: -5",
            "maxSessionSeconds",
        ),
        (in_group, "    maxSize: 0", "minSize"),
        (
            in_group,
            "    maxSize: 6\n    desiredCapacity: 7",
            "desiredCapacity",
        ),
        (
            in_group,
            "    maxSize: 6\n    launchTemplateVersion: Latest",
            "launchTemplateVersion",
        ),
        (
            in_group,
            "    maxSize: 6\n    instanceRefreshes: [{instanceRefreshTaskId: ir-1, status: Running}]",
            "Running",
        ),
        (
            in_group,
            "    maxSize: 6\n    instanceRefreshes: [{instanceRefreshTaskId: ir-1, secondsLeft: -1}]",
            "secondsLeft",
        ),
        (
            in_group,
            "    maxSize: 6\n    diagnosis: [{diagnoseType: VSwitch, status: Bad}]",
            "Bad",
        ),
        (
            in_group,
            "    maxSize: 6\n    lifecycleHooks: [{lifecycleHookId: h, lifecycleTransition: SCALE_IN, heartbeatTimeout: -1}]",
            "heartbeatTimeout",
        ),
        (
            in_group,
            "    maxSize: 6\n    lifecycleHooks: [{lifecycleHookId: h, lifecycleTransition: SCALE_IN}, {lifecycleHookId: h, lifecycleTransition: SCALE_OUT}]",
            "twice",
        ),
        (
            in_group,
            "    maxSize: 6\n    scalingRules: [{scalingRuleId: r, adjustmentType: TotalCapacity, adjustmentValue: -1}]",
            "adjustmentValue",
        ),
        (
            in_group,
            "    maxSize: 6\n    albServerGroups: [{albServerGroupId: sgp-1, port: 0}]",
            "ports",
        ),
        (
            in_group,
            "    maxSize: 6\n    albServerGroups: [{albServerGroupId: sgp-1, port: 80, weight: 101}]",
            "weight",
        ),
        (
            "{count: 3}",
            "{count: 3, loadBalancerWeight: 101}",
            "loadBalancerWeight",
        ),
        (
            "{count: 3}",
            "{count: 3, accountId: '2000000000000002'}",
            "account",
        ),
        (
            "- {scalingConfigurationId: asc-small, imageId: m-1}",
            "- {scalingConfigurationId: asc-small, imageId: m-1}\n      - {scalingConfigurationId: asc-small, imageId: m-2}",
            "twice",
        ),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let why = refusal(&SMALL.replace(from, to));
        assert!(why.contains(field), "{to}: {why}");
    }
}

#[test]
fn rules_for_what_is_not_there_and_times_that_cannot_be() {
    for (more, field) in [
        ("commands: [{attempt: 0}]", "attempt"),
        ("commands: [{durationSeconds: -1}]", "durationSeconds"),
        ("commands: [{instance: i-smal-01}]", "i-smal-01"),
        ("commands: [{errorInfo: x}]", "errorCode"),
        (
            "commands: [{exitCode: 256}]",
            "exitCode must be from 0 to 255",
        ),
        ("commands: [{exitCode: -9}]", "exitCode"),
        (
            "containerUpdates: [{exitCode: 300, status: Failed}]",
            "exitCode",
        ),
        (
            "metricRules: [{ruleId: r, groupId: '7301'}]",
            "groupId 7301",
        ),
        (
            "commands: [{exitCode: 1}, {instance: i-small-01, exitCode: 2}]",
            "commands[1]",
        ),
        (
            "commands: [{instance: 'i-*', contentContains: a}, {instance: i-small-01, contentContains: bad}]",
            "commands[0] matches first",
        ),
        (
            "files: [{name: '*'}, {attempt: 2, errorCode: ClientNotResponse}]",
            "files[1]",
        ),
        (
            "imageCreations: [{attempt: 1}, {source: m-1, attempt: 1, status: CreateFailed}]",
            "imageCreations[1]",
        ),
        (
            "snapshotCreations: [{}, {status: failed}]",
            "snapshotCreations[1]",
        ),
        (
            "backendHealth: [{status: abnormal}, {instance: i-small-01, forSeconds: 5, status: normal}]",
            "backendHealth[1]",
        ),
        (
            "faults: [{action: EnterStandby, params: {PageSize: '5'}, effect: {kind: deny}}]",
            "PageSize",
        ),
        (
            "faults: [{action: EnterStandby, params: {DryRun: 'true'}, effect: {kind: deny}}]",
            "DryRun",
        ),
        (
            "faults: [{service: ESS, action: '*Standby', params: {ScalingGroupId: a, DiskId: b}, effect: {kind: deny}}]",
            "DiskId",
        ),
        (
            "faults: [{service: ECS, params: {CommandId: a, DiskId: b}, effect: {kind: deny}}]",
            "CommandId and DiskId",
        ),
        (
            "faults: [{service: ESS, action: RunCommand, effect: {kind: deny}}]",
            "RunCommand",
        ),
        (
            "commands: [{errorCode: ClientNotResponse, exitCode: 3}]",
            "exitCode",
        ),
        ("files: [{instance: i-none}]", "i-none"),
        ("files: [{attempt: 0}]", "attempt"),
        ("containerUpdates: [{containerGroup: eci-none}]", "eci-none"),
        (
            "containerUpdates: [{durationSeconds: -1}]",
            "durationSeconds",
        ),
        ("imageCreations: [{source: m-none}]", "m-none"),
        ("imageCreations: [{attempt: 0}]", "attempt"),
        ("snapshotCreations: [{disk: d-none}]", "d-none"),
        (
            "snapshotCreations: [{durationSeconds: -1}]",
            "durationSeconds",
        ),
        (
            "backendHealth: [{instance: i-none, status: normal}]",
            "i-none",
        ),
        (
            "backendHealth: [{loadBalancer: lb-none, status: normal}]",
            "lb-none",
        ),
        (
            "backendHealth: [{serverGroup: sgp-none, status: normal}]",
            "sgp-none",
        ),
        (
            "backendHealth: [{status: normal, reason: RESPONSE_MISMATCH}]",
            "reason",
        ),
        (
            "backendHealth: [{status: normal, forSeconds: 0}]",
            "forSeconds",
        ),
        ("faults: [{effect: {kind: delay}}]", "seconds"),
        ("faults: [{effect: {kind: delay, seconds: -1}}]", "seconds"),
        ("faults: [{effect: {kind: effectLate}}]", "afterSeconds"),
        ("faults: [{effect: {kind: omit, entries: []}}]", "entries"),
        ("faults: [{effect: {kind: elsewhere}}]", "accountId"),
        (
            "faults: [{effect: {kind: elsewhere, region: cn-far}}]",
            "cn-far",
        ),
        (
            "faults: [{effect: {kind: partial, instances: [], status: 400, code: X}}]",
            "instances",
        ),
        (
            "faults: [{effect: {kind: error, status: 400, code: ''}}]",
            "code",
        ),
        (
            "faults: [{forSeconds: 0, effect: {kind: deny}}]",
            "forSeconds",
        ),
        (
            "faults: [{action: DescribeScalingGroups, params: {GroupId: x}, effect: {kind: deny}}]",
            "GroupId",
        ),
        (
            "faults: [{params: {Tag.1.Key: x}, effect: {kind: deny}}]",
            "Tag.1.Key",
        ),
        (
            "events: [{atSeconds: -1, do: {stop: {instanceId: i-small-01}}}]",
            "atSeconds",
        ),
        (
            "events: [{atSeconds: 1, delaySeconds: 1, do: {stop: {instanceId: i-small-01}}}]",
            "delaySeconds",
        ),
        (
            "events: [{when: {execution: {status: Waiting}}, delaySeconds: -1, do: {stop: {instanceId: i-small-01}}}]",
            "delaySeconds",
        ),
        (
            "events: [{when: {execution: {status: Waiting, nth: 0}}, do: {stop: {instanceId: i-small-01}}}]",
            "nth",
        ),
        (
            "events: [{when: {call: {service: ESS, action: EnterStandby, nth: 0}}, do: {stop: {instanceId: i-small-01}}}]",
            "nth",
        ),
        (
            "events: [{atSeconds: 1, do: {event: stop}}]",
            "must be an object",
        ),
        (
            "events: [{atSeconds: 1, do: {call: {as: admin, service: ESS, action: CreateScheduledTask}}}]",
            "CreateScheduledTask",
        ),
        (
            "events: [{atSeconds: 1, do: {call: {as: admin, service: ESS, action: DisableScalingGroup, params: {GroupId: x}}}}]",
            "GroupId",
        ),
        (
            "events: [{atSeconds: 1, do: {call: {as: admin, service: ESS, action: DisableScalingGroup, params: {RegionId: cn-far}}}}]",
            "cn-far",
        ),
    ] {
        let why = refusal(&format!("{SMALL}\n{more}"));
        let list = more.split(':').next().unwrap();
        assert!(why.contains(field) && why.contains(list), "{more}: {why}");
    }
}

/// What looks odd and may be meant.
#[test]
fn what_may_be_meant_is_taken() {
    for more in [
        "commands: [{instance: 'i-new-*', exitCode: 1}, {instance: i-0123456789abcdef, exitCode: 2}]",
        "switches: {rates: {'OOS List*': 5, '*': 100}}",
        "commands: [{instance: i-small-01, exitCode: 255}, {attempt: 2, exitCode: 3}, {contentContains: a, exitCode: 1}, {exitCode: 2}]",
        "commands: [{instance: i-w, exitCode: 3221225786}]\ninstances: [{instanceId: i-w, imageId: m-1, osType: windows}]",
        "backendHealth: [{forSeconds: 5, status: abnormal}, {instance: i-small-01, forSeconds: 9, status: normal}, {status: normal}]",
        "faults: [{action: Describe*, params: {InstanceIds: i-1}, effect: {kind: deny}}, {action: EnterStandby, params: {InstanceId: i-1}, caller: oos, effect: {kind: deny}}]",
        "instances: [{instanceId: i-1, imageId: m-deleted}]",
    ] {
        small(more);
    }
    cloud(&SMALL.replace("    maxSize: 6", "    maxSize: 6\n    desiredCapacity: 6"));
}

/// A test of credentials that have expired would pass whatever it tests.
#[test]
fn an_access_key_that_is_not_temporary_does_not_expire() {
    let key = |token: &str| {
        let late = format!(
            "principals:\n  - {{name: late, accessKeyId: late-key, accessKeySecret: late-secret, expiresAt: 2020-01-01T00:00:00Z{token}}}"
        );
        SMALL.replacen("principals:", &late, 1)
    };
    let why = refusal(&key(""));
    assert!(
        why.contains("principals: late: expiresAt") && why.contains("securityToken"),
        "{why}"
    );
    let parsed = Fixture::parse(&key(", securityToken: late-token")).unwrap();
    assert!(Cloud::new(&parsed).is_ok());
}

#[test]
fn names_that_are_empty_or_alike_or_there_twice() {
    for (from, to, part) in [
        ("{imageId: m-2}", "{imageId: \"\"}", "imageId"),
        ("{imageId: m-2}", "{imageId: ' '}", "imageId"),
        ("{imageId: m-2}", "{imageId: }", "imageId"),
        (
            "{imageId: m-2}",
            "{imageId: m-2, accountId: ''}",
            "accountId",
        ),
        ("{imageId: m-2}", "{imageId: M-1}", "M-1"),
        (
            "[cn-hangzhou]",
            "[cn-hangzhou, cn-hangzhou]",
            "cn-hangzhou twice",
        ),
        ("[cn-hangzhou]", "[cn-hangzhou, CN-Hangzhou]", "CN-Hangzhou"),
        ("[cn-hangzhou]", "[cn-hangzhou, \"\"]", "regions"),
        ("name: admin", "name: \"\"", "name"),
        ("name: reader", "name: ADMIN", "ADMIN"),
        (
            "    maxSize: 6",
            "    maxSize: 6\n    suspendedProcesses: [ScaleIn, ScaleIn]",
            "ScaleIn twice",
        ),
        (
            "    maxSize: 6",
            "    maxSize: 6\n    maxSize: 7",
            "maxSize",
        ),
        (
            "    maxSize: 6",
            "    maxSize: 6\n    tags: {a: b, a: c}",
            "duplicate",
        ),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let why = refusal(&SMALL.replacen(from, to, 1));
        assert!(why.contains(part), "{from} {to}: {why}");
    }
    for (more, part) in [
        ("instances: [{instanceId: '', imageId: m-1}]", "instanceId"),
        ("instances: [{instanceId: i-1, imageId: \"\"}]", "imageId"),
        ("disks: [{diskId: ''}]", "diskId"),
        ("commands: [{instance: '', exitCode: 1}]", "instance"),
        (
            "events: [{atSeconds: 1, do: {event: {product: ECS, name: done, content: {a: 1, a: 2}}}}]",
            "duplicate",
        ),
        ("accountId: '2'\naccountId: '3'", "accountId"),
    ] {
        let why = refusal(&format!("{SMALL}\n{more}"));
        assert!(why.contains(part), "{more}: {why}");
    }
    // What is about nothing may be.
    small(
        "commands: [{instance: i-small-01, output: ''}]\ninstances: [{instanceId: i-1, imageId: m-1, tags: {a: ''}}]",
    );
}

#[test]
fn figures_that_no_scene_has() {
    for (to, part) in [
        ("    maxSize: 2", "3 instances"),
        (
            "    maxSize: 2000\n    containerGroups: {count: 18446744073709551615}",
            "at most",
        ),
        ("    maxSize: 2001", "2000"),
        (
            "    maxSize: 6\n    lifecycleHooks: [{lifecycleHookId: h, lifecycleTransition: SCALE_IN, heartbeatTimeout: 29}]",
            "heartbeatTimeout",
        ),
        (
            "    maxSize: 6\n    lifecycleHooks: [{lifecycleHookId: h, lifecycleTransition: SCALE_IN, heartbeatTimeout: 21601}]",
            "heartbeatTimeout",
        ),
        (
            "    maxSize: 6\n    scalingRules: [{scalingRuleId: r, adjustmentType: TotalCapacity, adjustmentValue: 1, cooldown: 86401}]",
            "cooldown",
        ),
        (
            "    maxSize: 6\n    instanceRefreshes: [{instanceRefreshTaskId: ir-1, secondsLeft: 1.0e+300}]",
            "secondsLeft",
        ),
    ] {
        let why = refusal(&SMALL.replacen("    maxSize: 6", to, 1));
        assert!(why.contains(part), "{to}: {why}");
    }
    for (more, part) in [
        ("durations: {command: 1.0e+300}", "command"),
        ("metricRules: [{ruleId: r, instances: [i-none]}]", "i-none"),
        ("durations: {command: .inf}", "command"),
        ("switches: {readLagSeconds: 1.0e+300}", "readLagSeconds"),
        ("switches: {readLagSeconds: .nan}", "readLagSeconds"),
        ("disks: [{diskId: d-1, size: 65537}]", "size"),
        ("commands: [{durationSeconds: 1.0e+300}]", "durationSeconds"),
        (
            "metricRules: [{ruleId: r, states: [{afterSeconds: 1.0e+9, state: ALARM}]}]",
            "afterSeconds",
        ),
        (
            "backendHealth: [{afterSeconds: 1.0e+9, status: normal}]",
            "afterSeconds",
        ),
        (
            "faults: [{effect: {kind: delay, seconds: 1.0e+300}}]",
            "effect.seconds",
        ),
        (
            "events: [{atSeconds: 1.0e+300, do: {stop: {instanceId: i-small-01}}}]",
            "atSeconds",
        ),
        (
            "events: [{when: {execution: {status: Waiting}}, delaySeconds: 1.0e+9, do: {stop: {instanceId: i-small-01}}}]",
            "delaySeconds",
        ),
        (
            "launchTemplates: [{launchTemplateId: lt-1, versions: [{version: 18446744073709551615, imageId: m-1}]}]",
            "version",
        ),
    ] {
        let why = refusal(&format!("{SMALL}\n{more}"));
        assert!(why.contains(part), "{more}: {why}");
    }
}

#[test]
fn events_that_would_do_nothing() {
    let call = |when: &str, params: &str| {
        format!(
            "events: [{{{when}, do: {{call: {{as: admin, service: OOS, action: CancelExecution, params: {params}}}}}}}]"
        )
    };
    let waiting = "when: {execution: {status: Waiting}}";
    for (event, part) in [
        (call(waiting, "{ExecutionId: $executionid}"), "$executionid"),
        (
            call(waiting, "{ExecutionId: $execution_id}"),
            "$execution_id",
        ),
        (
            call(waiting, "{ExecutionId: '${executionId}'}"),
            "${executionId",
        ),
        (call(waiting, "{ExecutionId: $id}"), "$id"),
        (
            call(waiting, "{ExecutionId: 'x $executionIds'}"),
            "$executionIds",
        ),
        (
            call("atSeconds: 5", "{ExecutionId: $executionId}"),
            "$executionId",
        ),
        (
            call(
                "when: {call: {service: ESS, action: EnterStandby}}",
                "{ExecutionId: $executionId}",
            ),
            "$executionId",
        ),
        (
            format!(
                "events: [{{{waiting}, do: {{event: {{product: OOS, name: done, content: {{id: $executionId}}}}}}}}]"
            ),
            "$executionId",
        ),
        (
            "events: [{atSeconds: 5, do: {scaleIn: {scalingGroupId: asg-small, count: 0}}}]"
                .to_owned(),
            "count",
        ),
        (
            "events: [{atSeconds: 5, do: {scaleOut: {scalingGroupId: asg-small, count: 0}}}]"
                .to_owned(),
            "count",
        ),
        (
            "events: [{atSeconds: 5, do: {backendHealth: {instance: i-none, status: abnormal}}}]"
                .to_owned(),
            "i-none",
        ),
    ] {
        let why = refusal(&format!("{SMALL}\n{event}"));
        assert!(
            why.contains(part) && why.contains("events[0]"),
            "{event}: {why}"
        );
    }
    // A script has variables of its own.
    small(
        "events: [{atSeconds: 5, do: {call: {as: admin, service: ECS, action: RunCommand, params: {Type: RunShellScript, CommandContent: 'echo $HOME ${PATH}', InstanceId: [i-small-01]}}}}]",
    );
    small(&call(waiting, "{ExecutionId: $executionId}"));
}

#[test]
fn words_and_numbers_that_there_are_not() {
    for (more, place, field) in [
        (
            "disks: [{diskId: d-1, size: 40, category: foo}]",
            "d-1",
            "category foo",
        ),
        (
            "disks: [{diskId: d-1, size: 40, tags: {'': x}}]",
            "d-1",
            "tags",
        ),
        (
            "instances: [{instanceId: i-1, imageId: m-1, tags: {\"\": x}}]",
            "i-1",
            "tags",
        ),
        (
            "loadBalancers: [{loadBalancerId: lb-1, listeners: [{port: 80, protocol: foo}]}]",
            "lb-1",
            "protocol",
        ),
        (
            "loadBalancers: [{loadBalancerId: nlb-1, type: NLB, listeners: [{port: 80, protocol: HTTP, serverGroupId: s}]}]",
            "nlb-1",
            "protocol",
        ),
        (
            "oidcProviders: [{name: p, issuer: i, tokens: [{token: aaaa, subject: s, audience: a}, {token: aaaa, subject: t, audience: a}]}]",
            "oidcProviders: p",
            "tokens",
        ),
    ] {
        let said = refusal(&format!("{SMALL}\n{more}"));
        assert!(
            said.contains(place) && said.contains(field),
            "{more}: {said}"
        );
    }
    let hook = "    lifecycleHooks: [{lifecycleHookId: ash-1, lifecycleTransition: SCALE_IN, heartbeatTimeout: 60.5}]";
    let said = refusal(&format!("{SMALL}\n{hook}"));
    assert!(
        said.contains("heartbeatTimeout") && said.contains("whole"),
        "{said}"
    );
    small(
        "loadBalancers: [{loadBalancerId: lb-1, listeners: [{port: 80, protocol: tcp}]}]\n\
         disks: [{diskId: d-1, size: 40, category: cloud_ssd, tags: {k: ''}}]",
    );
}

#[test]
fn an_object_is_no_list() {
    for more in [
        "principals: [[admin, k, s]]",
        "faults: [{effect: [deny]}]",
        "durations: [1]",
        "switches: {oos: []}",
    ] {
        let yaml = format!("regions: [cn-hangzhou]\n{more}");
        assert!(Fixture::parse(&yaml).is_err(), "{more}");
    }
}
