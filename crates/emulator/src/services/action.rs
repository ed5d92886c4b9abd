//! An action: its name, the parameters that it honours, and what it does.

use serde_json::Value;

use super::args::Args;
use crate::error::ApiError;
use crate::state::call::Call;
use crate::state::world::World;

/// What an action answers.
pub type Answer = Result<Value, ApiError>;

/// What an action does.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// It only looks.
    Read(fn(&World, &Call, Args<'_>) -> Answer),
    /// It changes something.
    Write(fn(&mut World, &Call, Args<'_>) -> Answer),
}

/// An action of a service.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    /// As the API reference spells it.
    pub name: &'static str,
    /// Its parameters that make the difference here that they make in the cloud, as they travel
    /// (`Tag.N.Key`), in the 2014 spelling of ESS. A name stands for all that lies in it, too.
    /// What the published metadata has besides is refused. `ClientToken` among them: the same
    /// token gives the same answer.
    pub honours: &'static [&'static str],
    pub run: Run,
}
