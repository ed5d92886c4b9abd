//! How a command ends. Scripts and pipelines tell the ends apart by the exit status.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it was asked for.
    Wanted,
    /// It could not be done: a mistake in the arguments, no such object, no right, no apiserver; or `lint` has
    /// found faults.
    Error,
    /// The update has failed.
    Failed,
    /// The update was cancelled.
    Cancelled,
    /// The update waits for a person, which was not asked for.
    Paused,
    /// The operator refused the request.
    Rejected,
    /// It took longer than `--timeout`.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
    /// Nobody reads what is printed any more.
    PipeClosed,
}

impl End {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Wanted => 0,
            Self::Error => 1,
            Self::Failed => 2,
            Self::Cancelled => 3,
            Self::Paused => 4,
            Self::Rejected => 5,
            // As timeout(1) has it.
            Self::TimedOut => 124,
            // As shells have a process that a signal ended.
            Self::Interrupted => 130,
            Self::PipeClosed => 141,
        }
    }
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(end.code())
    }
}

/// Whether a command failed because nobody reads what it prints: `| head` is no error.
pub fn pipe_is_closed(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
