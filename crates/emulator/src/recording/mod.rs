//! Recordings: what was called, from which scene, and what came of it. A recording is replayed on a
//! cloud of its own ([`replay`]), without sockets and without waiting, or held against that of
//! another run ([`calls`]).

pub mod calls;
mod compare;
mod format;
mod rebuild;
pub mod replay;
mod scene;

pub use compare::Difference;
pub use format::{Recorded, Recording, RecordingError, read};
pub use scene::{Scene, Template};

use crate::cloud::Cloud;
use format::VERSION;

/// Begins to record: from now on the journal keeps what [`take`] needs.
pub fn begin(cloud: &mut Cloud) {
    cloud.world.journal.record();
}

/// What was recorded since [`begin`], which must have come before the first call.
///
/// # Errors
/// When there were more calls than the journal keeps.
pub fn take(cloud: &mut Cloud, scene: &Scene) -> Result<Recording, RecordingError> {
    let end = cloud.now();
    let mut start = rebuild::cloud(scene)?;
    let changes = rebuild::changes(&mut start, cloud);
    let journal = &cloud.world.journal;
    let nothing = Default::default();
    let recorder = journal.recorder().unwrap_or(&nothing);
    let calls: Vec<Recorded> = journal
        .since(0)
        .map(|call| Recorded {
            call: call.clone(),
            answer: recorder.answers.get(&call.seq).cloned(),
        })
        .collect();
    if calls.len() < journal.len() {
        return Err(RecordingError::TooManyCalls);
    }
    Ok(Recording {
        version: VERSION,
        emulator: env!("CARGO_PKG_VERSION").to_owned(),
        scene: scene.clone(),
        controls: recorder.controls.clone(),
        calls,
        changes,
        end,
    })
}
