//! Requests by annotation. Only the people who ask write these keys; the operator never edits or
//! removes them. A request exists while the value differs from `status.handledActions`.

/// `<pauseId>` or `current@<nonce>`: leave that pause.
pub const CONTINUE: &str = "ess-rollout.io/continue";
/// `<instance>[/<attempt>][,...]@<nonce>`: run these failed instances again.
pub const RETRY: &str = "ess-rollout.io/retry";
/// As [`RETRY`]: count these instances as done.
pub const SKIP: &str = "ess-rollout.io/skip";
/// As [`RETRY`]: give these instances up.
pub const CANCEL_INSTANCES: &str = "ess-rollout.io/cancel-instances";
/// `<nonce>`: cancel the whole task.
pub const CANCEL: &str = "ess-rollout.io/cancel";
/// `<nonce>`: of an ImageUpdateTask, make a run now, whatever its schedule says.
pub const RUN_NOW: &str = "ess-rollout.io/run-now";
/// `<nonce>`: have the checks of `spec.gates` made again that came to a verdict in the pause that it is in.
pub const RETRY_GATE: &str = "ess-rollout.io/retry-gate";
/// `<window>[,...]@<nonce>` or `all@<nonce>`: have these windows count no more for this object. A window is `spec.window`, the name of
/// a MaintenanceWindow, or `<namespace>/<name>`.
pub const OVERRIDE_WINDOW: &str = "ess-rollout.io/override-window";
/// Who asked. Taken for the name of that person only where an admission policy sees to it: [`crate::admission`].
pub const REQUESTED_BY: &str = "ess-rollout.io/requested-by";
/// Why: free text, never trusted.
pub const REQUEST_NOTE: &str = "ess-rollout.io/request-note";
/// Until when it may be accepted, in RFC 3339. What is first seen later is rejected.
pub const REQUEST_EXPIRES: &str = "ess-rollout.io/request-expires";
/// Who created the object. As [`REQUESTED_BY`], it is somebody's name only where an admission policy sees to it. The operator
/// does not read it: it is for the rule of four eyes of that policy.
pub const CREATED_BY: &str = "ess-rollout.io/created-by";

/// Every annotation under `ess-rollout.io/` that means something: the requests, and what the
/// operator itself reads or writes.
pub const KNOWN: [&str; 14] = [
    CONTINUE,
    RETRY,
    SKIP,
    CANCEL_INSTANCES,
    CANCEL,
    RUN_NOW,
    RETRY_GATE,
    OVERRIDE_WINDOW,
    REQUESTED_BY,
    REQUEST_NOTE,
    REQUEST_EXPIRES,
    CREATED_BY,
    crate::EXECUTION_ID_ANNOTATION,
    crate::FORCE_DELETE_ANNOTATION,
];
