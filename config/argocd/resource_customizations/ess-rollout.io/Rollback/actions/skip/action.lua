-- Passes over instances, as done. The parameter: failed, batch-2, task:NAME, or instances, i-a or i-a/2 with the attempt, with commas.
local instance = (actionParams or {})["instance"]
if instance == nil or instance == "" then
  error("name the instance, or failed for all that failed", 0)
end
-- One instance alone is meant in the attempt that it is in: a later one is not hit.
for _, found in ipairs((obj.status or {}).instances or {}) do
  if found.id == instance and found.attempt ~= nil and found.attempt > 0 then
    instance = instance .. "/" .. tostring(found.attempt)
  end
end

-- Under the admission policies this has to be the account that Argo CD writes with; docs/gitops.md has the others.
local account = "system:serviceaccount:argocd:argocd-server"

-- The version of the object that was looked at: a second click on the same one asks for nothing new.
local nonce = obj.metadata.resourceVersion

local annotations = obj.metadata.annotations or {}
annotations["ess-rollout.io/skip"] = instance .. "@" .. nonce
annotations["ess-rollout.io/requested-by"] = account
annotations["ess-rollout.io/request-note"] = "an action of Argo CD"
-- Of an earlier request, it would expire this one.
annotations["ess-rollout.io/request-expires"] = nil
obj.metadata.annotations = annotations
return obj
