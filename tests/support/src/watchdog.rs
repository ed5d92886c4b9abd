//! Ends children and removes directories when this process dies, however it dies.
//!
//! `Drop` does not run for statics, nor when a test process is killed by SIGKILL. So the first child starts
//! a small shell beside it that reads a pipe from this process: the kernel closes the pipe when the process is
//! gone, and the shell then kills what is still registered, the newest first, and removes the
//! directories. `PR_SET_PDEATHSIG` would not do: it fires when the *thread* that started the child ends, and
//! every test has a thread of its own.
//!
//! The newest goes first because a kube-apiserver whose etcd is gone does not end.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, bail};

/// `KILL`, not `TERM`: nobody is left who could wait for a child that does not listen. The signals are ignored because the shell
/// must outlive a Ctrl-C that ends the test process. A directory may still be written to by a child that is
/// being killed, hence the second attempt.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
pids=
while read -r verb what; do
    case $verb in
    add) pids="$what $pids" ;;
    del)
        left=
        for pid in $pids; do [ "$pid" = "$what" ] || left="$left $pid"; done
        pids=$left
        ;;
    dir) set -- "$@" "$what" ;;
    esac
done
for pid in $pids; do kill -s KILL "$pid" 2>/dev/null; done
[ $# -eq 0 ] && exit
rm -rf -- "$@" 2>/dev/null || { sleep 0.2; rm -rf -- "$@"; }
"#;

static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
static START: Mutex<()> = Mutex::new(());

/// Registers a child. Call it right after the child was started.
pub fn add_child(pid: u32) -> Result<()> {
    tell(&format!("add {pid}"))
}

/// Forgets a child that has ended: its number may soon belong to somebody else.
pub fn forget_child(pid: u32) -> Result<()> {
    tell(&format!("del {pid}"))
}

/// Registers a directory for removal at the end of the process.
pub fn add_directory(path: &Path) -> Result<()> {
    tell(&format!("dir {}", path.display()))
}

fn tell(line: &str) -> Result<()> {
    let mut pipe = match pipe()?.lock() {
        Ok(pipe) => pipe,
        // A panic elsewhere while writing a line of a few bytes: the pipe is still good.
        Err(poisoned) => poisoned.into_inner(),
    };
    writeln!(pipe, "{line}").context("the watchdog shell is gone")
}

fn pipe() -> Result<&'static Mutex<ChildStdin>> {
    let _one = START.lock();
    if let Some(pipe) = PIPE.get() {
        return Ok(pipe);
    }
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "watchdog"])
        .stdin(Stdio::piped())
        // Not the test's own output: whoever reads that through a pipe would wait for the watchdog too.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the watchdog shell")?;
    let Some(pipe) = shell.stdin.take() else {
        bail!("the watchdog shell has no standard input");
    };
    Ok(PIPE.get_or_init(|| Mutex::new(pipe)))
}
