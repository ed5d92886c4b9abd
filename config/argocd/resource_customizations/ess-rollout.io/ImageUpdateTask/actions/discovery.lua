-- Which actions there are, and which of them apply now. The operator judges each again when it is asked.
local status = obj.status or {}
local state = status.state
local deleting = obj.metadata.deletionTimestamp ~= nil
local seen = status.observedGeneration ~= nil and status.observedGeneration ~= -1
local waits = state == "Pending" or state == "Waiting" or state == "Blocked"
local at_work = state == "Running" or state == "Cancelling" or state == "Verifying"

-- What windows hold, or what is not known of them.
local closed = {WindowClosed = true, WindowTooShort = true, WindowNotFound = true, WindowUnreadable = true, NeverDue = true}
local held_by_window = false
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" and closed[condition.reason] then
    held_by_window = true
  end
end

local actions = {}
actions["run-now"] = {
  displayName = "Run now",
  iconClass = "fa fa-fw fa-play",
  disabled = not (seen and not deleting and (not at_work or obj.spec.concurrencyPolicy == "Replace"))
}
actions["cancel"] = {
  displayName = "Cancel the run",
  iconClass = "fa fa-fw fa-stop",
  disabled = not (seen and not deleting and (waits or state == "Running"))
}
actions["override-window"] = {
  displayName = "Let it begin, whatever its windows say",
  iconClass = "fa fa-fw fa-unlock",
  disabled = not (seen and not deleting and held_by_window),
  params = {{name = "window", default = "all"}}
}
return actions
