//! What somebody leaves behind who does not wait for its end: Ctrl-C ends a command wherever it is.

/// Says so when it goes away before it is over.
pub struct Unfinished(Option<String>);

impl Unfinished {
    /// What is said then, a whole sentence.
    pub fn new(said: String) -> Self {
        Self(Some(said))
    }

    /// There is nothing to say any more.
    pub fn is_over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(said) = &self.0 {
            eprintln!("{said}");
        }
    }
}
