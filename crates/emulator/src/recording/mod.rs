//! Recordings: what was called, from which scene, and what came of it. A recording is replayed on a
//! cloud of its own ([`replay`]), without sockets and without waiting, or held against that of
//! another run ([`calls`]).

pub mod calls;
mod compare;
mod format;
mod plain;
mod rebuild;
pub mod replay;
mod scene;
mod stand_in;

pub use compare::Difference;
pub use format::{Recorded, Recording, RecordingError, read};
pub use scene::{Scene, Template};

use std::cell::RefCell;

use crate::cloud::Cloud;
use crate::secrets::Common;
use crate::state::journal::Entry;
use crate::state::recorder::{Answer, number};
use format::VERSION;
use scene::stand_in;

/// Begins to record: from now on the journal keeps what [`take`] needs.
pub fn begin(cloud: &mut Cloud) {
    let secrets = cloud.secrets_of_fixture();
    cloud.world.journal.record(secrets);
    // Whoever reads such a template reads them.
    let contents: Vec<String> = cloud.world.library.contents().map(str::to_owned).collect();
    for content in contents {
        cloud.world.keep_tokens_of(&content);
    }
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
    // A call may have had in clear what a later one made a secret. What clients gave is given again by a
    // replay: each secret in it has a stand-in, the same for the same secret.
    let veil = journal.veil();
    let numbers = RefCell::new(recorder.numbers());
    let numbered = |secret: &str| stand_in(number(&mut numbers.borrow_mut(), secret));
    let shown = |call: &Entry| {
        let mut shown = call.shown(&veil).into_owned();
        if !call.by_oos
            && !call.by_script
            && let Some(given) = journal.given(call.seq, &numbered)
        {
            shown.params = given;
        }
        shown
    };
    let calls: Vec<Recorded> = journal
        .since(0)
        .map(|call| Recorded {
            call: shown(call),
            answer: recorder.answers.get(&call.seq).map(|answer| {
                let Some(before) = &answer.answer else {
                    return answer.clone();
                };
                let mut whole = before.clone();
                journal.hide(&mut whole, Common::Each);
                let hidden = answer.hidden || whole != *before;
                Answer::whole(whole, hidden)
            }),
            aside: recorder.asides.get(&call.seq).cloned().unwrap_or_default(),
        })
        .collect();
    let mut controls = recorder.controls.clone();
    for control in &mut controls {
        veil.given(&mut control.body, &numbered);
    }
    if calls.len() < journal.len() {
        return Err(RecordingError::TooManyCalls);
    }
    Ok(Recording {
        version: VERSION,
        emulator: env!("CARGO_PKG_VERSION").to_owned(),
        scene: scene.shown(),
        controls,
        calls,
        changes,
        end,
    })
}
