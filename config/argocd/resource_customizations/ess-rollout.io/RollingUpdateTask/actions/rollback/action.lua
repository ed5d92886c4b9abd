-- Creates the Rollback of a task: suspended, it is cancelled first. Nothing owns the Rollback: it undoes the task even when that is
-- pruned. A second click on the same version of the task finds the Rollback there.
local spec = {taskRef = {name = obj.metadata.name}}
-- In batches as the update was.
spec.batches = obj.spec.batches
spec.batchSize = obj.spec.batchSize

return {
  {
    operation = "create",
    resource = {
      apiVersion = obj.apiVersion,
      kind = "Rollback",
      metadata = {
        name = obj.metadata.name .. "-rollback-" .. obj.metadata.resourceVersion,
        namespace = obj.metadata.namespace
      },
      spec = spec
    }
  }
}
