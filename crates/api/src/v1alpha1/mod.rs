//! Version v1alpha1.

pub mod action;
pub mod durations;
pub mod gates;
pub mod image_source;
pub mod image_update;
pub mod image_update_status;
pub mod maintenance_window;
pub mod place;
pub mod plan;
pub mod progress;
pub mod record;
pub mod restore;
pub mod rollback;
pub(crate) mod rules;
pub mod run_policy;
pub mod schedule;
pub mod source;
pub mod status;
pub mod task;
pub mod update;
pub mod window;

pub use action::*;
pub use durations::*;
pub use gates::*;
pub use image_source::*;
pub use image_update::*;
pub use image_update_status::*;
pub use maintenance_window::*;
pub use place::*;
pub use plan::*;
pub use progress::*;
pub use record::*;
pub use restore::*;
pub use rollback::*;
pub use run_policy::*;
pub use schedule::*;
pub use source::*;
pub use status::*;
pub use task::*;
pub use update::*;
pub use window::*;

/// Whether a field is left out when it is written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}
