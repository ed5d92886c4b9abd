-- Which actions there are, and which of them apply now. The operator judges each again when it is asked.
local status = obj.status or {}
local state = status.state
local ended = {Succeeded = true, Failed = true, Cancelled = true}
local deleting = obj.metadata.deletionTimestamp ~= nil
local seen = status.observedGeneration ~= nil and status.observedGeneration ~= -1

-- Requests can be made from the first visit to the end. What ended is only put back in Restoring.
local open = seen and not deleting and not ended[state] and state ~= "Restoring" and state ~= "Cancelling"

-- OOS takes requests on instances while an update runs that suspends at a failure.
local on_instances = open and status.execution ~= nil and obj.spec.onFailure ~= "Fail"
local failed = state == "FailureSuspended"
local unfinished = failed
for _, instance in ipairs(status.instances or {}) do
  if instance.state == "Failed" then
    failed = true
  end
  if instance.state == "Failed" or instance.state == "Pending" or instance.state == "Updating" then
    unfinished = true
  end
end

-- What windows hold, or what is not known of them.
local closed = {WindowClosed = true, WindowTooShort = true, WindowNotFound = true, WindowUnreadable = true, NeverDue = true}
local held_by_window = false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" and closed[condition.reason] then
    held_by_window = true
  end
end

local actions = {}
actions["continue"] = {
  displayName = "Continue after the batch",
  iconClass = "fa fa-fw fa-play",
  disabled = not (open and (state == "BatchSuspended" or state == "BatchHeld"))
}
actions["retry"] = {
  displayName = "Run instances again",
  iconClass = "fa fa-fw fa-redo",
  disabled = not (on_instances and failed),
  params = {{name = "instance", default = "failed"}}
}
actions["skip"] = {
  displayName = "Pass over instances, as done",
  iconClass = "fa fa-fw fa-forward",
  disabled = not (on_instances and unfinished),
  params = {{name = "instance"}}
}
actions["cancel-instances"] = {
  displayName = "Give up instances, as failed",
  iconClass = "fa fa-fw fa-ban",
  disabled = not (on_instances and unfinished),
  params = {{name = "instance"}}
}
actions["retry-gate"] = {
  displayName = "Make the checks again",
  iconClass = "fa fa-fw fa-stethoscope",
  disabled = not (open and state == "BatchSuspended" and (status.gate or {}).verdict ~= nil)
}
actions["override-window"] = {
  displayName = "Go on, whatever its windows say",
  iconClass = "fa fa-fw fa-unlock",
  disabled = not (open and held_by_window),
  params = {{name = "window", default = "all"}}
}
actions["cancel"] = {
  displayName = "Cancel",
  iconClass = "fa fa-fw fa-stop",
  disabled = not open
}
return actions
