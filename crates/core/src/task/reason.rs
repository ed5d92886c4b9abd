//! Every reason that a user can meet: of conditions, results, requests and Events. `docs/states.md` says what each means, and
//! has these and no other.

use std::fmt;

macro_rules! reasons {
    ($($word:ident),* $(,)?) => {
        /// Why something is said, in one CamelCase word.
        #[allow(missing_docs, reason = "the page of states says what each word means, and is held against this list")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($word),*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// The word.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word)),*
                }
            }
        }
    };
}

reasons! {
    Abandoned, Accepted, AccessDenied, AccountArrearage, AccountChanged, ActionApplied, ActionRejected,
    ActiveConfigurationDiffers, Adopted, AlreadyEffective, AlreadyRolledBack, AlreadyRun, ApprovalNeeded,
    ApproveRefused, AsFound, AsReported, AsWanted, BatchEnded, BatchHeld, BatchSuspended, CRDOutdated, CancellationIsFinal,
    Cancelled, CancelledBeforeStart, CancelledElsewhere, Cancelling, CancellingSource, ClockWrong,
    CloudUnavailable, ConfigMapAccessDenied, ConfigMapKeyNotFound, ConfigMapNotFound, ContainerGroupNotFound,
    ContainerGroupNotRunning, ContainerNotFound, ContainersAmbiguous, ContainersTooLarge, Continued,
    CredentialsNotAllowed, CredentialsRejected, Deletion, DeletionWaits, Different, DuplicateExecution, Ending,
    ExecutionFailed, ExecutionGone, ExecutionIdMismatch, ExecutionInProgress, ExecutionNotFound,
    ExecutionNotListed, Expired, Failed, FailurePause, FailurePaused, FailureSuspended, ForeignExecution, FoundUpdated,
    FrozenTooLong, GateEvaluating, GateFailed, GateFailing, GateInconclusive, GateUnusable, GroupFrozen, HolderVanished, ImageArchitectureMismatch, ImageCreationFailed, ImageNameReserved,
    ImageNameTooLong, ImageNotAvailable, ImageNotFound, ImageOSMismatch, ImageUpdated, InService,
    InstanceFailed, InstanceFinished, InstanceNotFailed, InstanceNotRunning, InstancesNotListed, Interrupted,
    InvalidSchedule, InvalidSpec, InvalidTimeZone, LaunchTemplateGroup, LeftBehind, LeftGroup, LeftInStandby,
    LifecycleHookPending, LookLate, LoweringIgnored, Malformed, MayRunAgain, NeverDue, NoInstances, NoRollbackPayload,
    NoRun, NoVerdict, NoScalingConfiguration, NotAPackage, NotFound, NotInService, NotLatest, NotLookedAt, NotPaused,
    NotShown, NotStarted, NotSucceeded, NotSuspended, NotTouched, NotUnderstood, NotUpdated, NotYet,
    NotYetSupported, NothingChanged, NothingDue, NothingRan, NothingToDo, NothingToRollBack, OtherScalingGroup,
    OutcomeUnknown, Overridden, PackageNotFound, PackageVersionNotFound, PartlyApplied, PartlyUpdated, Passed,
    PayloadMismatch, PlanChanged, Planned, PreflightFailed, PresentAtCreation, ProcessesResumed, ProcessesSuspended, ProgressDeadlineExceeded,
    Protected, RamRoleNotAllowed, RecordNotWritten, Refused, RegionMissing, Rejected, RenewRemovesFields,
    Replaced, RequestRefused, Restored, Restoring, Retried, Returned, RollbackOfRollback, RolledBack,
    RollingUpdateInProgress, RunActive, RunCancelled, RunEnded, RunFailed, RunFinished, RunKeyConflict,
    RunKeyInProgress, RunKeysExhausted, RunMissed, RunStarted, RunSucceeded, RunWaiting, Running,
    ScalingActivityInProgress, ScalingConfigurationNotFound, ScalingGroupLost, ScalingGroupNotActive,
    ScalingGroupNotFound, ScalingGroupTypeMismatch, Scheduled, ScopeTooNarrow, ScriptAmbiguous, ScriptEmpty,
    ScriptTooLarge, ScriptTypeMismatch, SecretMissing, Skipped, Soaking, SourceCancelling, SourceExecutionGone,
    SourceExecutionNotListed, SourceInstanceNotFound, SourceInstanceNotReady, SourceIsNewer, SourceNotFound,
    SourceRestoring, SourceRunning, SourceStarting, StaleAttempt, StalePause, Standby, StartPaced, StartRefused, Started,
    Starting, StartingDeadlineExceeded, StatusRefused, Succeeded, Superseded, Suspended, TakenOver,
    TaskFinished, TaskNotFailed, TasksNotListed, TemplateNotFound, TooManyBatches, TooManyInstances,
    TooManyRequests, TooManyTargets, UnattendedRun, UnknownAnnotation, UnknownBatch, UnknownInstance,
    UnknownTask, Unsupported, UnsupportedOS, UpdateRemovesFields, Updated, Updating, UseTaskRef, Verifying,
    WaitingForScalingGroup, WindowClosed, WindowMissed, WindowNotFound,
    WindowNotHolding, WindowTooShort, WindowUnreadable,
    StatusContradiction, Other,
}

impl Reason {
    /// The reason with a word that is on record. Another version of the operator may have put one there that this one does not
    /// know.
    pub(crate) fn recorded(word: &str) -> Self {
        let mut all = Self::ALL.iter().copied();
        all.find(|reason| reason.word() == word)
            .unwrap_or(Self::Other)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, word: &&str) -> bool {
        self.word() == *word
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.word().to_owned()
    }
}

impl PartialEq<Reason> for String {
    fn eq(&self, reason: &Reason) -> bool {
        self == reason.word()
    }
}
