//! The life of an `ImageUpdateTask`, one decision at a time: which run is due, and how the one under way goes.
//!
//! [`step`] looks at the task, the group's record and what has been observed, and either asks for more or decides, as
//! [`crate::rollout::step`] does for rolling updates.
//!
//! The stages, each a module, told apart by what is on record of the run under way and by nothing else:
//!
//! | on record | stage |
//! |---|---|
//! | no run | `due_run`: what is [`due`](schedule), queue, preflight, the group taken, the run put on record; `waiting`, `window`: what keeps it; `idle`: nothing is due, `ahead`: what will keep the next one; `lost_status`: a run that OOS knows all the same |
//! | an intent to start, no execution | `starting`: look up, send again, adopt |
//! | an execution | `running`: the image that it builds; `cancel` |
//! | neither: the image is given | `set_image`: the operator puts it into the configurations itself |
//! | an end | `ending`: the configurations read back, the run put into the history |
//!
//! A run is on record, with its number, before anything is sent for it, and which times are due is counted
//! from the last one that is on record: so each of them leads to one run, whoever decides and however often it
//! dies on the way.

mod ahead;
mod cancel;
mod clock;
mod context;
mod due;
mod due_run;
mod ending;
mod events;
mod idle;
mod lost_status;
mod preflight;
mod report;
mod requests;
mod running;
pub mod schedule;
mod set_image;
mod spec_alone;
mod stage;
mod starting;
mod step;
mod waiting;
mod window;

use ess_rollout_api::v1alpha1::{ImageUpdateTask, ImageUpdateTaskStatus, RunOutcome};
use jiff::Timestamp;

use super::task::decision::{Settings, WorkOutcome};
use super::task::observation::Observation;
use super::task::reason::Reason;

pub use context::target;
pub use report::states;
pub use spec_alone::check_spec;
pub use step::step;

/// The answer of [`step`].
pub type Step = crate::task::decision::Step<ImageUpdateTaskStatus>;
/// What is to be done for an image update task.
pub type Decision = crate::task::decision::Decision<ImageUpdateTaskStatus>;
/// A status in the making, and what is to be said of it.
type Draft = crate::task::display::Draft<ImageUpdateTaskStatus>;
/// A decision in the making.
type Drafted = crate::task::decision::Decision<Draft>;
/// How a run ended: what it came to, and why, in a word and in a sentence.
type End<'m> = (RunOutcome, Reason, &'m str);

/// Everything a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The task as just read.
    pub task: &'a ImageUpdateTask,
    /// Why the record could not be written that a decision of this very pass had.
    pub record_lost: Option<&'a str>,
    /// The operator's configuration.
    pub settings: &'a Settings,
    /// Whether an admission policy lets nobody write another name than his own into `ess-rollout.io/requested-by` of this object.
    pub names_verified: bool,
    /// Whole seconds: what a status can hold.
    pub now: Timestamp,
    /// What was told since the last write or mutation.
    pub observation: &'a Observation,
    /// What became of the work of the decision just before, when it was carried out by this very
    /// process. After a crash there is none, and the run is looked for before anything is sent.
    pub outcome: Option<&'a WorkOutcome>,
}
