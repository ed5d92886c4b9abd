"""Every action that the emulator has, called at least once through the official SDK and decoded by its models."""

import json
import re
import time
import unittest
from pathlib import Path

from aliyunsdkcore.client import AcsClient
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest as OldInstances
from aliyunsdkeci.request.v20180808.DescribeContainerGroupsRequest import (
    DescribeContainerGroupsRequest as OldContainerGroups,
)
from aliyunsdkess.request.v20140828.DescribeScalingGroupsRequest import DescribeScalingGroupsRequest as OldGroups
from aliyunsdkess.request.v20140828.DescribeScalingInstancesRequest import (
    DescribeScalingInstancesRequest as OldMembers,
)
from aliyunsdkoos.request.v20190601.ListTemplatesRequest import ListTemplatesRequest as OldTemplates
from aliyunsdksts.request.v20150401.GetCallerIdentityRequest import GetCallerIdentityRequest as OldIdentity

from alibabacloud_alb20200616 import client as alb, models as alb_models
from alibabacloud_cms20190101 import client as cms, models as cms_models
from alibabacloud_eci20180808 import client as eci, models as eci_models
from alibabacloud_ecs20140526 import client as ecs, models as ecs_models
from alibabacloud_ess20220222 import client as ess, models as ess_models
from alibabacloud_nlb20220430 import client as nlb, models as nlb_models
from alibabacloud_oos20190601 import client as oos, models as oos_models
from alibabacloud_slb20140515 import client as slb, models as slb_models
from alibabacloud_sts20150401 import client as sts, models as sts_models

from test_sdk import REGION, Emulator

FIXTURE = Path(__file__).resolve().parent / "actions.yaml"
GROUP, ECI_GROUP = "asg-1", "asg-eci"
PAUSE = json.dumps(
    {"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "wait", "Action": "ACS::Pause", "Properties": {}}]}
)


# Fields of answers that the models do not have. Clients pass over them; other readers of the answers may want them.
SURPLUS = {
    "ECS DescribeInvocationResults.Invocation.InvocationResults.InvocationResult.FinishTime",
    "ECS DescribeInvocationResults.Invocation.InvocationResults.InvocationResult.InstanceInvokeStatus",
    "ECS DescribeInvocations.Invocations.Invocation.InvokeInstances.InvokeInstance.CommandId",
    "ECS DescribeInvocations.Invocations.Invocation.InvokeInstances.InvokeInstance.FinishedTime",
    "ECS DescribeInvocations.Invocations.Invocation.InvokeInstances.InvokeInstance.InvokeId",
    "ECS DescribeInvocations.Invocations.Invocation.InvokeInstances.InvokeInstance.InvokeRecordStatus",
    "OOS CreateTemplate.Template.TemplateType",
    "OOS CreateTemplate.Template.VersionName",
    "OOS GetExecutionTemplate.Template.HasTrigger",
    "OOS GetExecutionTemplate.Template.TemplateType",
    "OOS GetExecutionTemplate.Template.VersionName",
    "OOS ListExecutions.Executions.LoopMode",
    "OOS ListTaskExecutionInvocations.MaxResults",
    "OOS ListTaskExecutionInvocations.NextToken",
    "OOS ListTaskExecutions.TotalCount",
    "OOS ListTemplates.TotalCount",
    "OOS UpdateTemplate.Template.TemplateType",
    "OOS UpdateTemplate.Template.VersionName",
}


def snake(name):
    """The name that the SDK gives to a method or an attribute."""
    name = name.replace("OIDC", "Oidc").replace("OOSA", "Oosa")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def lost(raw, decoded, path=""):
    """The fields of an answer that its model does not have."""
    if isinstance(raw, dict) and isinstance(decoded, dict):
        for name, value in raw.items():
            if name in decoded:
                yield from lost(value, decoded[name], f"{path}.{name}")
            elif value is not None:
                yield f"{path}.{name}"
    elif isinstance(raw, list) and isinstance(decoded, list):
        for ours, theirs in zip(raw, decoded):
            yield from lost(ours, theirs, path)


class ActionsTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.emulator = Emulator(FIXTURE)
        self.addCleanup(self.emulator.stop)
        self.lost = set()
        config = self.emulator.config()
        self.sides = {
            "ESS": (ess.Client(config), ess_models),
            "ECS": (ecs.Client(config), ecs_models),
            "OOS": (oos.Client(config), oos_models),
            "ECI": (eci.Client(config), eci_models),
            "STS": (sts.Client(config), sts_models),
            "SLB": (slb.Client(config), slb_models),
            "ALB": (alb.Client(config), alb_models),
            "NLB": (nlb.Client(config), nlb_models),
            "CMS": (cms.Client(config), cms_models),
        }

    def call(self, service, action, **params):
        """One call; its answer as the SDK decodes it."""
        client, models = self.sides[service]
        call_api, answers = type(client).call_api, []

        def kept(*args):
            answers.append(call_api(client, *args))
            return answers[-1]

        client.call_api = kept
        kind = getattr(models, f"{action}Request", None)
        method = getattr(client, snake(action))
        if kind is None:
            body = method().body
        else:
            request = kind()
            if hasattr(request, "region_id"):
                request.region_id = REGION
            for name, value in params.items():
                self.assertTrue(hasattr(request, name), f"{action} has no {name}")
                setattr(request, name, value)
            body = method(request).body
        self.assertTrue(body.request_id, action)
        # What is not signed goes another way through the SDK.
        for answer in answers:
            self.lost |= {f"{service} {action}{path}" for path in lost(answer["body"], body.to_map())}
        return body

    def wait(self, what):
        """The first true value of a function."""
        deadline = time.monotonic() + 20
        while not (found := what()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        return found

    def test_every_action_is_called_and_its_answer_decoded(self):
        self.classic_load_balancers()
        self.server_groups()
        self.alarms()
        self.auto_scaling()
        self.lifecycle_hooks_and_refreshes()
        self.groups_and_configurations()
        self.rules_and_hooks()
        self.new_instances()
        self.disks_and_snapshots()
        self.instances()
        self.kept_commands_and_files()
        self.image_life()
        self.commands_and_images()
        self.templates()
        self.executions()
        self.stored_parameters("", {"type": "String"}, {})
        self.stored_parameters("Secret", {}, {"with_decryption": True})
        self.containers_and_sessions()
        calls = self.emulator.control("GET", "journal")["entries"]
        called = {(c["service"], c["action"]) for c in calls if c["code"] == "OK" and not c["byOos"]}
        listed = self.emulator.control("GET", "actions")["actions"]
        there = {(a["service"], a["action"]) for a in listed}
        # None of these executions waits for a trigger.
        called |= {(c["service"], c["action"]) for c in calls if c["action"] == "TriggerExecution"}
        self.assertEqual(there - called, set())
        self.assertEqual(sorted(self.lost - SURPLUS), [])

    def auto_scaling(self):
        call = lambda action, **params: self.call("ESS", action, **params)
        self.assertEqual(call("DescribeRegions").regions[0].region_id, REGION)
        tag = ess_models.TagResourcesRequestTags(key="team", value="web", propagate=True)
        call("TagResources", resource_type="scalinggroup", resource_ids=[GROUP], tags=[tag])
        wanted = ess_models.DescribeScalingGroupsRequestTags(key="team", value="web")
        groups = call("DescribeScalingGroups", tags=[wanted]).scaling_groups
        self.assertEqual([g.scaling_group_id for g in groups], [GROUP])
        self.assertEqual(groups[0].tags[0].tag_value, "web")
        tagged = call("ListTagResources", resource_type="scalinggroup").tag_resources
        self.assertEqual([t.tag_key for t in tagged], ["team"])
        call("UntagResources", resource_type="scalinggroup", resource_ids=[GROUP], tag_keys=["team"])
        call("DisableScalingGroup", scaling_group_id=GROUP)
        call("EnableScalingGroup", scaling_group_id=GROUP)
        call("ModifyScalingGroup", scaling_group_id=GROUP, default_cooldown=60)
        self.assertEqual(call("DescribeScalingGroups", scaling_group_ids=[GROUP]).scaling_groups[0].default_cooldown, 60)
        call("ModifyScalingConfiguration", scaling_configuration_id="asc-1", image_id="m-2")
        found = call("DescribeScalingConfigurations", scaling_configuration_ids=["asc-1"]).scaling_configurations
        self.assertEqual(found[0].image_id, "m-2")
        container = ess_models.ModifyEciScalingConfigurationRequestContainers(name="app", image="y")
        call("ModifyEciScalingConfiguration", scaling_configuration_id="asc-eci", containers=[container])
        found = call("DescribeEciScalingConfigurations", scaling_configuration_ids=["asc-eci"]).scaling_configurations
        self.assertEqual(found[0].containers[0].image, "y")
        call("SuspendProcesses", scaling_group_id=GROUP, processes=["HealthCheck"])
        call("ResumeProcesses", scaling_group_id=GROUP, processes=["HealthCheck"])
        members = call("DescribeScalingInstances", scaling_group_id=GROUP).scaling_instances
        self.assertEqual(len(members), 4)
        one = [members[0].instance_id]
        call("EnterStandby", scaling_group_id=GROUP, instance_ids=one)
        call("ExitStandby", scaling_group_id=GROUP, instance_ids=one)
        call("SetInstancesProtection", scaling_group_id=GROUP, instance_ids=one, protected_from_scale_in=True)
        call("SetInstancesProtection", scaling_group_id=GROUP, instance_ids=one, protected_from_scale_in=False)
        call("DescribeScalingGroupDiagnoseDetails", scaling_group_id=GROUP)

    def classic_load_balancers(self):
        call = lambda action, **params: self.call("SLB", action, **params)
        found = call("DescribeLoadBalancers", load_balancer_id="lb-1", page_number=1, page_size=10)
        self.assertEqual([b.load_balancer_id for b in found.load_balancers.load_balancer], ["lb-1"])
        weights = lambda: {
            s.server_id: s.weight
            for s in call("DescribeLoadBalancerAttribute", load_balancer_id="lb-1").backend_servers.backend_server
        }
        self.assertEqual(weights(), {f"i-1-0{n}": 50 for n in range(1, 5)})
        health = call("DescribeHealthStatus", load_balancer_id="lb-1", listener_port=80).backend_servers.backend_server
        self.assertEqual([h.server_id for h in health if h.server_health_status == "abnormal"], ["i-1-04"])
        server = lambda server, **more: json.dumps([{"ServerId": server, **more}])
        call("SetBackendServers", load_balancer_id="lb-1", backend_servers=server("i-1-01", Weight="0"))
        call("AddBackendServers", load_balancer_id="lb-1", backend_servers=server("i-own", Weight="7"))
        self.assertEqual((weights()["i-1-01"], weights()["i-own"]), (0, 7))
        call("RemoveBackendServers", load_balancer_id="lb-1", backend_servers=server("i-own"))
        self.assertNotIn("i-own", weights())
        groups = call("DescribeVServerGroups", load_balancer_id="lb-1", include_listener=True).vserver_groups
        self.assertEqual([g.vserver_group_id for g in groups.vserver_group], ["rsp-1"])
        call("SetVServerGroupAttribute", vserver_group_id="rsp-1", backend_servers=server("i-1-02", Port=8080, Weight=9))
        servers = call("DescribeVServerGroupAttribute", vserver_group_id="rsp-1").backend_servers.backend_server
        self.assertEqual([(s.port, s.weight) for s in servers if s.server_id == "i-1-02"], [(8080, 9)])

    def server_groups(self):
        for service, models, group, listener, reason in [
            ("ALB", alb_models, "sgp-a", "lsn-alb-a", "RESPONSE_MISMATCH"),
            ("NLB", nlb_models, "sgp-n", "lsn-nlb-n", "CONNECT_FAILED"),
        ]:
            call = lambda action, **params: self.call(service, action, **params)
            balancers = call("ListLoadBalancers", max_results=10).load_balancers
            found = call("ListServerGroups", server_group_ids=[group]).server_groups
            self.assertEqual(found[0].related_load_balancer_ids, [b.load_balancer_id for b in balancers])
            listeners = call("ListListeners", load_balancer_ids=found[0].related_load_balancer_ids).listeners
            self.assertEqual([l.listener_id for l in listeners], [listener])
            more = {"include_rule": True, "max_results": 30} if service == "ALB" else {}
            info = call("GetListenerHealthStatus", listener_id=listener, **more).listener_health_status[0].server_group_infos[0]
            ill = [(s.server_id, s.status, s.reason.reason_code) for s in info.non_normal_servers]
            self.assertEqual(ill, [("i-1-04", "Unhealthy", reason)])
            rows = call("ListServerGroupServers", server_group_id=group, server_ids=["i-1-01"]).servers
            self.assertEqual([(s.status, s.weight) for s in rows], [("Available", 50)])
            server = models.UpdateServerGroupServersAttributeRequestServers(
                server_id="i-1-01", server_type="Ecs", port=rows[0].port, weight=3
            )
            call("UpdateServerGroupServersAttribute", server_group_id=group, servers=[server])
            rows = call("ListServerGroupServers", server_group_id=group, server_ids=["i-1-01"]).servers
            self.assertEqual(rows[0].weight, 3)

    def alarms(self):
        call = lambda action, **params: self.call("CMS", action, **params)
        rules = call("DescribeMetricRuleList", rule_ids="rule-1,rule-2", group_id="7301", page=1, page_size=20)
        self.assertEqual([(r.rule_id, r.alert_state) for r in rules.alarms.alarm], [("rule-1", "ALARM")])
        self.assertEqual(rules.total, "1")
        alerting = call("DescribeAlertingMetricRuleResources", rule_id="rule-1").resources.resource
        self.assertEqual([(r.rule_id, r.level) for r in alerting], [("rule-1", 2)] * 4)
        call("DisableMetricRules", rule_id=["rule-1"])
        self.assertFalse(call("DescribeMetricRuleList", rule_ids="rule-1").alarms.alarm[0].enable_state)
        call("EnableMetricRules", rule_id=["rule-1"])
        self.assertIsNotNone(call("DescribeAlertLogList", rule_id="rule-1", event_type="TRIGGERED").alert_log_list)
        groups = call("DescribeMonitorGroups", group_id="7301").resources.resource
        self.assertEqual([g.group_id for g in groups], [7301])
        members = call("DescribeMonitorGroupInstances", group_id=7301).resources.resource
        self.assertEqual(len(members), 4)
        call = lambda action, **params: self.call("ESS", action, **params)
        alarms = call("DescribeAlarms", scaling_group_id=GROUP, state="INSUFFICIENT_DATA").alarm_list
        self.assertEqual([a.alarm_task_id for a in alarms], ["asg-alarm-1"])
        call("DisableAlarm", alarm_task_id="asg-alarm-1")
        call("EnableAlarm", alarm_task_id="asg-alarm-1")

    def lifecycle_hooks_and_refreshes(self):
        call = lambda action, **params: self.call("ESS", action, **params)
        hooks = call("DescribeLifecycleHooks", scaling_group_id=GROUP).lifecycle_hooks
        self.assertEqual([hook.lifecycle_hook_id for hook in hooks], ["lh-1"])
        task = call("StartInstanceRefresh", scaling_group_id=GROUP, min_healthy_percentage=70).instance_refresh_task_id
        of_task = {"scaling_group_id": GROUP, "instance_refresh_task_id": task}
        call("SuspendInstanceRefresh", **of_task)
        call("ResumeInstanceRefresh", **of_task)
        call("CancelInstanceRefresh", **of_task)
        wanted = ess_models.StartInstanceRefreshRequestDesiredConfiguration(image_id="m-2")
        other = call("StartInstanceRefresh", scaling_group_id="asg-2", desired_configuration=wanted).instance_refresh_task_id
        call("RollbackInstanceRefresh", scaling_group_id="asg-2", instance_refresh_task_id=other)
        refreshes = call("DescribeInstanceRefreshes", scaling_group_id=GROUP).instance_refresh_tasks
        self.assertEqual((refreshes[0].status, refreshes[0].min_healthy_percentage), ("Cancelled", 70))
        self.emulator.control("POST", f"groups/{GROUP}/scaleOut", {"count": 1})
        activity = call("DescribeScalingActivities", scaling_group_id=GROUP).scaling_activities[0].scaling_activity_id
        detail = call("DescribeScalingActivityDetail", scaling_activity_id=activity)
        self.assertIn("Created", detail.detail)
        actions = self.wait(lambda: call("DescribeLifecycleActions", scaling_activity_id=activity).lifecycle_actions)
        call(
            "CompleteLifecycleAction",
            lifecycle_hook_id="lh-1",
            lifecycle_action_token=actions[0].lifecycle_action_token,
            lifecycle_action_result="CONTINUE",
        )
        members = call("DescribeScalingInstances", scaling_group_id=GROUP).scaling_instances
        call("RemoveInstances", scaling_group_id=GROUP, instance_ids=[members[0].instance_id])

    def groups_and_configurations(self):
        call = lambda action, **params: self.call("ESS", action, **params)
        group = call("CreateScalingGroup", scaling_group_name="new", min_size=0, max_size=2).scaling_group_id
        call("SetGroupDeletionProtection", scaling_group_id=group, group_deletion_protection=True)
        call("SetGroupDeletionProtection", scaling_group_id=group, group_deletion_protection=False)
        disk = ess_models.CreateScalingConfigurationRequestSystemDisk(size=60, category="cloud_essd")
        data = ess_models.CreateScalingConfigurationRequestDataDisks(size=100, category="cloud_essd")
        made = call(
            "CreateScalingConfiguration", scaling_group_id=group, image_id="m-1", instance_types=["ecs.c7.large"],
            system_disk=disk, data_disks=[data], instance_name="web", security_group_ids=["sg-1"], ram_role_name="r",
        ).scaling_configuration_id
        found = call("DescribeScalingConfigurations", scaling_configuration_ids=[made]).scaling_configurations[0]
        self.assertEqual((found.system_disk_size, found.data_disks[0].size, found.instance_name), (60, 100, "web"))
        call("EnableScalingGroup", scaling_group_id=group, active_scaling_configuration_id=made)
        call("DisableScalingGroup", scaling_group_id=group)
        call("DeactivateScalingConfiguration", scaling_configuration_id=made)
        call("DeleteScalingConfiguration", scaling_configuration_id=made)
        call("ModifyScalingGroup", scaling_group_id=group, removal_policies=["NewestInstance"], multi_azpolicy="BALANCE")
        found = call("DescribeScalingGroups", scaling_group_ids=[group]).scaling_groups[0]
        self.assertEqual(found.removal_policies, ["NewestInstance"])
        call("DeleteScalingGroup", scaling_group_id=group, force_delete=True)
        tag = ess_models.TagResourcesRequestTags(key="tier", value="front")
        call("TagResources", resource_type="scalinggroup", resource_ids=["asg-2"], tags=[tag])
        self.assertEqual(call("ListTagKeys", resource_type="scalinggroup").keys, ["tier"])
        self.assertEqual(call("ListTagValues", resource_type="scalinggroup", key="tier").values, ["front"])

    def rules_and_hooks(self):
        call = lambda action, **params: self.call("ESS", action, **params)
        of_group = {"scaling_group_id": "asg-2"}
        state = lambda one: call("DescribeScalingInstances", instance_ids=[one]).scaling_instances
        call("AttachInstances", instance_ids=["i-free"], load_balancer_weights=[20], **of_group)
        self.wait(lambda: state("i-free")[0].lifecycle_state == "InService")
        call("SetInstanceHealth", instance_id="i-free", health_status="Healthy")
        call("DetachInstances", instance_ids=["i-free"], **of_group)
        self.wait(lambda: not state("i-free"))
        rule = call(
            "CreateScalingRule", adjustment_type="QuantityChangeInCapacity", adjustment_value=5, **of_group
        )
        call("ModifyScalingRule", scaling_rule_id=rule.scaling_rule_id, adjustment_value=1)
        found = call("DescribeScalingRules", scaling_rule_aris=[rule.scaling_rule_ari]).scaling_rules
        self.assertEqual([r.adjustment_value for r in found], [1])
        hook = call(
            "CreateLifecycleHook", lifecycle_hook_name="wait", lifecycle_transition="SCALE_OUT", **of_group
        ).lifecycle_hook_id
        call("ModifyLifecycleHook", lifecycle_hook_id=hook, heartbeat_timeout=3600)
        hooks = call("DescribeLifecycleHooks", **of_group).lifecycle_hooks
        self.assertEqual([h.heartbeat_timeout for h in hooks], [3600])
        activity = call("ExecuteScalingRule", scaling_rule_ari=rule.scaling_rule_ari).scaling_activity_id
        actions = self.wait(lambda: call("DescribeLifecycleActions", scaling_activity_id=activity).lifecycle_actions)
        token = {"lifecycle_hook_id": hook, "lifecycle_action_token": actions[0].lifecycle_action_token}
        call("RecordLifecycleActionHeartbeat", heartbeat_timeout=3600, **token)
        call("CompleteLifecycleAction", **token)
        call("DeleteLifecycleHook", lifecycle_hook_id=hook)
        done = lambda: call("DescribeScalingActivities", scaling_activity_ids=[activity]).scaling_activities[0].status_code
        self.wait(lambda: done() == "Successful")
        call("DeleteScalingRule", scaling_rule_id=rule.scaling_rule_id)
        by = {"adjustment_type": "TotalCapacity", "adjustment_value": 3}
        self.assertTrue(call("ScaleWithAdjustment", **by, **of_group).scaling_activity_id)

    def new_instances(self):
        call = lambda action, **params: self.call("ECS", action, **params)
        asked = {"image_id": "m-1", "instance_type": "ecs.g7.large"}
        status = lambda one: call("DescribeInstanceAttribute", instance_id=one).status
        one = call("RunInstances", amount=1, instance_name="made", **asked).instance_id_sets.instance_id_set[0]
        self.wait(lambda: status(one) == "Running")
        self.assertTrue(call("AllocatePublicIpAddress", instance_id=one).ip_address)
        self.assertEqual(call("DescribeUserData", instance_id=one).instance_id, one)
        call("DeleteInstance", instance_id=one, force=True)
        one = call("CreateInstance", **asked).instance_id
        self.wait(lambda: status(one) == "Stopped")
        call("ModifyInstanceSpec", instance_id=one, instance_type="ecs.c7.large")
        self.assertEqual(call("DescribeInstanceAttribute", instance_id=one).instance_type, "ecs.c7.large")

    def disks_and_snapshots(self):
        call = lambda action, **params: self.call("ECS", action, **params)
        find = lambda one: call("DescribeDisks", disk_ids=json.dumps([one])).disks.disk[0]
        of = {"instance_id": "i-own"}
        disk = call("CreateDisk", zone_id=f"{REGION}-h", size=40, disk_name="data").disk_id
        self.wait(lambda: find(disk).status == "Available")
        call("AttachDisk", disk_id=disk, delete_with_instance=True, **of)
        self.wait(lambda: find(disk).status == "In_use")
        self.assertEqual(find(disk).attachments.attachment[0].instance_id, "i-own")
        call("ModifyDiskAttribute", disk_id=disk, description="for tests")
        call("ResizeDisk", disk_id=disk, new_size=50)
        self.assertEqual((find(disk).size, find(disk).description), (50, "for tests"))
        snapshot = call("CreateSnapshot", disk_id=disk, snapshot_name="before").snapshot_id
        shown = lambda: call("DescribeSnapshots", snapshot_ids=json.dumps([snapshot])).snapshots.snapshot[0]
        self.wait(lambda: shown().progress == "100%")
        call("ModifySnapshotAttribute", snapshot_id=snapshot, description="kept", retention_days=7)
        self.assertEqual((shown().description, shown().retention_days), ("kept", 7))
        call("StopInstance", **of)
        self.wait(lambda: call("DescribeInstanceAttribute", **of).status == "Stopped")
        call("ResetDisk", disk_id=disk, snapshot_id=snapshot)
        self.wait(lambda: find(disk).status == "In_use")
        call("ReInitDisk", disk_id=disk)
        self.wait(lambda: find(disk).status == "In_use")
        call("DetachDisk", disk_id=disk, **of)
        self.wait(lambda: find(disk).status == "Available")
        call("DeleteDisk", disk_id=disk)
        tag = ecs_models.AddTagsRequestTag(key="a", value="b")
        call("AddTags", resource_type="snapshot", resource_id=snapshot, tag=[tag])
        self.assertEqual(shown().tags.tag[0].tag_key, "a")
        call("RemoveTags", resource_type="snapshot", resource_id=snapshot)
        call("DeleteSnapshot", snapshot_id=snapshot)
        call("StartInstance", **of)
        self.wait(lambda: call("DescribeInstanceAttribute", **of).status == "Running")

    def kept_commands_and_files(self):
        call = lambda action, **params: self.call("ECS", action, **params)
        command = call(
            "CreateCommand", name="greet", type="RunShellScript", command_content="ZWNobyB7e25hbWV9fQ==",
            enable_parameter=True,
        ).command_id
        call("ModifyCommand", command_id=command, description="says something")
        found = call("DescribeCommands", command_id=command).commands.command[0]
        self.assertEqual((found.description, found.parameter_names.parameter_name), ("says something", ["name"]))
        asked = {"instance_id": ["i-own"], "parameters": {"name": "me"}}
        invocation = call("InvokeCommand", command_id=command, **asked).invoke_id
        call("StopInvocation", invoke_id=invocation)
        call("DeleteCommand", command_id=command)
        sent = call("SendFile", name="a.conf", target_dir="/etc", content="x", instance_id=["i-own"]).invoke_id
        result = lambda: call("DescribeSendFileResults", invoke_id=sent).invocations.invocation[0]
        self.wait(lambda: result().invocation_status == "Success")

    def image_life(self):
        call = lambda action, **params: self.call("ECS", action, **params)
        self.assertEqual(call("DescribeImageFromFamily", image_family="base").image.image_id, "m-3")
        call("ModifyImageSharePermission", image_id="m-3", add_account=["1000000000000009"])
        shared = call("DescribeImageSharePermission", image_id="m-3").accounts.account
        self.assertEqual([a.aliyun_id for a in shared], ["1000000000000009"])
        call("ModifyImageSharePermission", image_id="m-3", remove_account=["1000000000000009"])
        call("ModifyImageAttribute", image_id="m-3", image_name="base-3")
        copy = call("CopyImage", image_id="m-3", destination_region_id=REGION, destination_image_name="copy").image_id
        call("CancelCopyImage", image_id=copy)
        call("DeleteImage", image_id="m-3")
        self.assertFalse(call("DescribeImages", image_id="m-3").images.image)

    def instances(self):
        call = lambda action, **params: self.call("ECS", action, **params)
        self.assertEqual(call("DescribeRegions", accept_language="en-US").regions.region[0].local_name, "China (Hangzhou)")
        call("ModifyInstanceAttribute", instance_id="i-own", instance_name="mine", description="for tests")
        found = call("DescribeInstances", instance_name="mi*").instances.instance
        self.assertEqual([(i.instance_id, i.description) for i in found], [("i-own", "for tests")])
        status = lambda: call("DescribeInstanceStatus", instance_id=["i-own"]).instance_statuses.instance_status[0].status
        call("RebootInstance", instance_id="i-own")
        self.wait(lambda: status() == "Running")
        call("RebootInstances", instance_id=["i-own"])
        self.wait(lambda: status() == "Running")
        call("StopInstance", instance_id="i-own")
        self.wait(lambda: status() == "Stopped")
        disk = call("ReplaceSystemDisk", instance_id="i-own", image_id="m-2").disk_id
        found = call("DescribeDisks", disk_ids=json.dumps([disk]), disk_type="system").disks.disk
        self.assertEqual([d.instance_id for d in found], ["i-own"])
        self.wait(lambda: call("DescribeDisks", instance_id="i-own", status="In_use").disks.disk)
        call("StartInstance", instance_id="i-own")
        self.wait(lambda: status() == "Running")
        rows = call("StopInstances", instance_id=["i-own"]).instance_responses.instance_response
        self.assertEqual(rows[0].current_status, "Stopping")
        self.wait(lambda: status() == "Stopped")
        call("StartInstances", instance_id=["i-own"])
        self.wait(lambda: status() == "Running")
        call("DeleteInstance", instance_id="i-other", force=True)
        call("DescribeLaunchTemplates", launch_template_id=["lt-1"])
        versions = call("DescribeLaunchTemplateVersions", launch_template_id="lt-1").launch_template_version_sets
        self.assertEqual(versions.launch_template_version_set[0].launch_template_data.image_id, "m-1")
        tag = ecs_models.TagResourcesRequestTag(key="role", value="db")
        call("TagResources", resource_type="instance", resource_id=["i-own"], tag=[tag])
        tags = call("DescribeTags", resource_type="instance").tags.tag
        self.assertEqual([(t.tag_key, t.resource_type_count.instance) for t in tags if t.tag_key == "role"], [("role", 1)])
        rows = call("ListTagResources", resource_type="instance", resource_id=["i-own"]).tag_resources.tag_resource
        self.assertEqual([r.tag_value for r in rows], ["db"])
        call("UntagResources", resource_type="instance", resource_id=["i-own"], tag_key=["role"])

    def commands_and_images(self):
        call = lambda action, **params: self.call("ECS", action, **params)
        status = call("DescribeCloudAssistantStatus", instance_id=["i-own"]).instance_cloud_assistant_status_set
        self.assertEqual(status.instance_cloud_assistant_status[0].cloud_assistant_status, "true")
        started = call("RunCommand", type="RunShellScript", command_content="true", instance_id=["i-own"], timeout=60)
        rows = call("DescribeInvocations", invoke_id=started.invoke_id).invocations.invocation
        self.assertEqual(len(rows), 1)
        results = call("DescribeInvocationResults", invoke_id=started.invoke_id).invocation.invocation_results
        self.assertEqual(results.invocation_result[0].instance_id, "i-own")
        image = call("CreateImage", instance_id="i-own", image_name="made", description="here").image_id
        found = call("DescribeImages", image_id=image, status="Creating,Available", ostype="linux").images.image
        self.assertEqual([i.description for i in found], ["here"])
        self.assertEqual(len(call("DescribeSnapshots").snapshots.snapshot), 1)
        call("DeleteInstances", instance_id=["i-own"], force=True)

    def templates(self):
        call = lambda action, **params: self.call("OOS", action, **params)
        self.assertEqual(call("DescribeRegions").regions[0].region_id, REGION)
        self.assertTrue(call("ListActions").actions)
        call("ValidateTemplateContent", content=PAUSE)
        made = call("CreateTemplate", template_name="mine", content=PAUSE, tags={"team": "web"}, version_name="first")
        self.assertEqual((made.template.tags, made.template.created_by), ({"team": "web"}, "demo"))
        call("UpdateTemplate", template_name="mine", content=PAUSE, version_name="second")
        read = call("GetTemplate", template_name="mine").template
        self.assertEqual((read.version_name, read.template_version), ("second", "v2"))
        self.assertEqual(read.tags, {"team": "web"})
        self.assertEqual(len(call("ListTemplateVersions", template_name="mine").template_versions), 2)
        found = call("ListTemplates", tags={"team": "web"}, has_trigger=False).templates
        self.assertEqual([t.template_name for t in found], ["mine"])
        policy = call("GenerateExecutionPolicy", template_name="ACS-ESS-RollingUpdateByRunCommandInScalingGroup").policy
        self.assertIn("ecs:RunCommand", json.loads(policy)["Statement"][0]["Action"])
        call("TagResources", resource_type="template", resource_ids=["mine"], tags={"more": "1"})
        self.assertEqual(sorted(call("ListTagKeys", resource_type="template").keys), ["more", "team"])
        self.assertEqual(call("ListTagValues", resource_type="template", key="more").values, ["1"])
        rows = call("ListTagResources", resource_type="template", resource_ids=["mine"]).tag_resources.tag_resource
        self.assertEqual(sorted(r.tag_key for r in rows), ["more", "team"])
        call("UntagResources", resource_type="template", resource_ids=["mine"], tag_keys=["more"])
        instance = self.call("ESS", "DescribeScalingInstances", scaling_group_id=GROUP).scaling_instances[-1].instance_id
        states = call("ListInstancePackageStates", instance_id=instance)
        self.assertIsNotNone(states.package_states)

    def executions(self):
        call = lambda action, **params: self.call("OOS", action, **params)
        start = lambda: call("StartExecution", template_name="mine", mode="FailurePause").execution.execution_id
        status = lambda: call("ListExecutions", execution_id=execution).executions[0].status
        execution = start()
        self.wait(lambda: status() == "Waiting")
        call("UpdateExecution", execution_id=execution, description="changed")
        tasks = call("ListTaskExecutions", execution_id=execution).task_executions
        self.assertEqual([t.task_name for t in tasks], ["wait"])
        call("ListExecutionLogs", execution_id=execution)
        call("ListTaskExecutionInvocations", task_execution_id=tasks[0].task_execution_id)
        self.assertEqual(call("GetExecutionTemplate", execution_id=execution).template.template_name, "mine")
        with self.assertRaises(Exception) as refused:
            call("TriggerExecution", execution_id=execution, type="Timer", content="{}")
        self.assertEqual(refused.exception.statusCode, 400)
        call("NotifyExecution", execution_id=execution, notify_type="Approve")
        self.wait(lambda: status() == "Success")
        call("DeleteExecutions", execution_ids=json.dumps([execution]))
        execution = start()
        call("CancelExecution", execution_id=execution)
        self.wait(lambda: status() == "Cancelled")
        call("DeleteTemplate", template_name="mine", auto_delete_executions=True)
        call("CreateTemplate", template_name="mine", content=PAUSE)
        call("DeleteTemplates", template_names=["mine"])

    def stored_parameters(self, kind, at_first, clear):
        call = lambda action, **params: self.call("OOS", action, **params)
        call(f"Create{kind}Parameter", name="web/port", value="8080", **at_first)
        call(f"Update{kind}Parameter", name="web/port", value="8081")
        self.assertEqual(call(f"Get{kind}Parameter", name="web/port", **clear).parameter.value, "8081")
        call(f"Get{kind}Parameters", names=json.dumps(["web/port"]), **clear)
        call(f"List{kind}Parameters", name="web")
        versions = call(f"List{kind}ParameterVersions", name="web/port", **clear).parameter_versions
        self.assertEqual(len(versions), 2)
        call(f"Get{kind}ParametersByPath", path="web", **clear)
        call(f"Delete{kind}Parameter", name="web/port")

    def containers_and_sessions(self):
        groups = self.call("ECI", "DescribeContainerGroups", container_group_ids=json.dumps(["eci-1"])).container_groups
        self.assertEqual([g.container_group_id for g in groups], ["eci-1"])
        container = eci_models.UpdateContainerGroupRequestContainer(name="app", image="z")
        self.call("ECI", "UpdateContainerGroup", container_group_id="eci-1", container=[container])
        role = "acs:ram::1000000000000001:role/operator"
        session = self.call("STS", "AssumeRole", role_arn=role, role_session_name="me", duration_seconds=900)
        self.assertTrue(session.credentials.security_token)
        session = self.call(
            "STS", "AssumeRoleWithOIDC", role_arn=role, role_session_name="me", oidctoken="token",
            oidcprovider_arn="acs:ram::1000000000000001:oidc-provider/provider",
        )
        self.assertTrue(session.credentials.access_key_id)
        self.assertEqual(self.call("STS", "GetCallerIdentity").account_id, "1000000000000001")

    def test_a_parameter_that_is_not_honoured_is_refused(self):
        with self.assertRaises(Exception) as refused:
            self.call("ECS", "DescribeInstances", http_tokens="required")
        self.assertEqual(refused.exception.code, "UnsupportedParameter")
        self.assertIn("HttpTokens", refused.exception.message)

    def test_the_old_generation_reads_every_service(self):
        client = AcsClient("demo-access-key-id", "demo-access-key-secret", REGION)
        host = self.emulator.http.split("://")[1]

        def ask(request, **params):
            for name, value in params.items():
                getattr(request, f"set_{name}")(value)
            request.set_endpoint(host)
            request.set_protocol_type("http")
            request.set_accept_format("json")
            return json.loads(client.do_action_with_exception(request))

        groups = ask(OldGroups(), ScalingGroupIds=[GROUP])["ScalingGroups"]["ScalingGroup"]
        self.assertEqual([g["ScalingGroupId"] for g in groups], [GROUP])
        members = ask(OldMembers(), ScalingGroupId=GROUP)["ScalingInstances"]["ScalingInstance"]
        self.assertEqual(len(members), 4)
        ids = json.dumps(["i-own"])
        instances = ask(OldInstances(), InstanceIds=ids, InstanceName="i-o*")["Instances"]["Instance"]
        self.assertEqual([i["InstanceId"] for i in instances], ["i-own"])
        self.assertEqual(ask(OldContainerGroups(), ContainerGroupIds=json.dumps(["eci-1"]))["TotalCount"], 1)
        packages = ask(OldTemplates(), TemplateType="Package")["Templates"]
        self.assertEqual([t["TemplateName"] for t in packages], ["nginx"])
        self.assertEqual(ask(OldIdentity())["AccountId"], "1000000000000001")


if __name__ == "__main__":
    unittest.main()
