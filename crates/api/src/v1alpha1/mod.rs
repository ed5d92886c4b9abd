//! Version v1alpha1.

pub mod record;
pub mod rollback;
pub mod status;
pub mod task;

pub use record::*;
pub use rollback::*;
pub use status::*;
pub use task::*;
