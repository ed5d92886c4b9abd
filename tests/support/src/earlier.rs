//! An earlier version of this project, for tests in which it takes turns with the present one: its source tree, and in it the
//! program.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{Options, source_root};

/// The exit status of `hack/earlier` where the checkout does not have the commit.
const NOT_THERE: i32 = 3;

/// The last version without leader election.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its source tree.
    pub tree: PathBuf,
}

impl Earlier {
    /// Built the first time, which takes minutes. `None`: the history of this checkout does not go back to it.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn find() -> Result<Option<Self>> {
        let script = source_root().join("hack/earlier");
        let output = Command::new(&script)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run {}", script.display()))?;
        if output.status.code() == Some(NOT_THERE) {
            return Ok(None);
        }
        if !output.status.success() {
            bail!("{} failed (its output says why)", script.display());
        }
        let tree = PathBuf::from(String::from_utf8(output.stdout)?.trim());
        Ok(Some(Self { tree }))
    }

    /// The same operator in this version: without the flags that it does not know.
    pub fn operator(&self, options: &Options) -> Options {
        let mut options = options.clone();
        options
            .flags
            .retain(|flag| !flag.starts_with("--leader-elect"));
        options.program = Some(self.tree.join("ess-rollout"));
        options
    }
}
