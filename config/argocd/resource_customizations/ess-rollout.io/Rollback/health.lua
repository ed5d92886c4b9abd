-- How a RollingUpdateTask or a Rollback is, as Argo CD has it. The same text serves both kinds.
local status = obj.status or {}

-- The default of the field is -1: nobody has looked at the object, or not since it was changed.
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not looked at it yet"}
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

local function says(name)
  local condition = conditions[name]
  if condition == nil then
    return tostring(status.state)
  end
  if condition.message == nil or condition.message == "" then
    return condition.reason
  end
  return condition.reason .. ": " .. condition.message
end

-- Before the pauses: one after a failure is both, and alarms.
if is_true("Stalled") then
  return {status = "Degraded", message = says("Stalled")}
end

-- After a batch it may wait for what comes by itself, a soak or a window: nobody has to do anything.
if is_true("Paused") and status.state ~= "BatchHeld" then
  return {status = "Suspended", message = says("Paused")}
end

if status.state == "Planned" then
  return {status = "Suspended", message = says("Ready")}
end

if is_true("Succeeded") then
  local message = says("Succeeded")
  if status.rolledBackBy ~= nil then
    message = message .. "; rolled back by " .. status.rolledBackBy.name
  end
  return {status = "Healthy", message = message}
end

return {status = "Progressing", message = says("Ready")}
