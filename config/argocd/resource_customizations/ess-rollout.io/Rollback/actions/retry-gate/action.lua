-- Has the checks made again that hold the update in its pause.
local gate = (obj.status or {}).gate
if gate == nil or gate.verdict == nil then
  error("no check holds it", 0)
end

-- Under the admission policies this has to be the account that Argo CD writes with; docs/gitops.md has the others.
local account = "system:serviceaccount:argocd:argocd-server"

-- The version of the object that was looked at: a second click on the same one asks for nothing new.
local nonce = obj.metadata.resourceVersion

local annotations = obj.metadata.annotations or {}
annotations["ess-rollout.io/retry-gate"] = nonce
annotations["ess-rollout.io/requested-by"] = account
annotations["ess-rollout.io/request-note"] = "an action of Argo CD"
-- Of an earlier request, it would expire this one.
annotations["ess-rollout.io/request-expires"] = nil
obj.metadata.annotations = annotations
return obj
