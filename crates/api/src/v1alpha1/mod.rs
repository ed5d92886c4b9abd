//! Version v1alpha1.

pub mod action;
pub mod image_update;
pub mod record;
pub mod rollback;
pub mod status;
pub mod task;

pub use action::*;
pub use image_update::*;
pub use record::*;
pub use rollback::*;
pub use status::*;
pub use task::*;

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}
