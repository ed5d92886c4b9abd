//! Many runs for the price of their ends: what they have in common is run once.
//!
//! A run up to its first fault is the run without faults. So that one is run, and at each boundary the process is forked for
//! each fault that fits: the child meets it and goes on to its end, the parent waits for it and goes on without. This takes
//! a process with one thread, in which nothing is open that a child and its parent would both use: a worker of
//! [`crate::workers`]. What it gives is what the same run gives from its beginning; some are run again to see that.

use std::process;

use fork::Fork;

/// Tries each fault in a child of this process, one after the other. In a child: the fault that is to be met there; in the
/// parent, once all have ended: `None`.
///
/// # Panics
///
/// If the machine has no room for another process.
pub fn take(faults: impl Iterator<Item = crate::fault::Fault>) -> Option<crate::fault::Fault> {
    for fault in faults {
        match fork::fork().expect("a child for each fault") {
            Fork::Child => return Some(fault),
            Fork::Parent(child) => {
                let status = fork::waitpid(child).expect("a child that ends");
                if status != 0 {
                    // It had a line to write, and wrote none.
                    eprintln!(
                        "sweep: the run with {} ended with status {status}",
                        fault.name()
                    );
                    process::abort();
                }
            }
        }
    }
    None
}
