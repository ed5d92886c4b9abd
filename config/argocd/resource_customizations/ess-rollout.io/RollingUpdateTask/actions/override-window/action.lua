-- Has windows count no more. The parameter: all that are for it now, or spec.window, NAME, NAMESPACE/NAME, with commas.
local window = (actionParams or {})["window"]
if window == nil or window == "" then
  window = "all"
end

-- Under the admission policies this has to be the account that Argo CD writes with; docs/gitops.md has the others.
local account = "system:serviceaccount:argocd:argocd-server"

-- The version of the object that was looked at: a second click on the same one asks for nothing new.
local nonce = obj.metadata.resourceVersion

local annotations = obj.metadata.annotations or {}
annotations["ess-rollout.io/override-window"] = window .. "@" .. nonce
annotations["ess-rollout.io/requested-by"] = account
annotations["ess-rollout.io/request-note"] = "an action of Argo CD"
-- Of an earlier request, it would expire this one.
annotations["ess-rollout.io/request-expires"] = nil
obj.metadata.annotations = annotations
return obj
