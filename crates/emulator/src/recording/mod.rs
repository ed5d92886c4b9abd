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

use serde_json::Value;

use crate::cloud::Cloud;
use crate::state::journal::Entry;
use crate::state::recorder::Answer;
use format::VERSION;

/// Begins to record: from now on the journal keeps what [`take`] needs.
pub fn begin(cloud: &mut Cloud) {
    let providers = cloud.world.ram.oidc_providers.values();
    let tokens = providers.flat_map(|provider| &provider.tokens);
    let tokens = tokens.map(|token| token.token.clone()).collect();
    cloud.world.journal.record(tokens);
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
    // A call may have had in clear what a later one made a secret.
    let hidden = |mut value: Value| {
        journal.hide(&mut value);
        value
    };
    let hidden_call = |call: &Entry| {
        let mut call = call.clone();
        if let Value::Object(params) = hidden(Value::Object(std::mem::take(&mut call.params))) {
            call.params = params;
        }
        if let Value::String(message) = hidden(Value::String(std::mem::take(&mut call.message))) {
            call.message = message;
        }
        call.region = journal.without_secrets(&call.region);
        call.action = journal.without_secrets(&call.action);
        call
    };
    let calls: Vec<Recorded> = journal
        .since(0)
        .map(|call| Recorded {
            call: hidden_call(call),
            answer: recorder.answers.get(&call.seq).map(|answer| {
                let whole = answer.answer.clone();
                whole.map_or_else(|| answer.clone(), |whole| Answer::whole(hidden(whole)))
            }),
            aside: recorder.asides.get(&call.seq).cloned().unwrap_or_default(),
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
