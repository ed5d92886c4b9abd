//! A child program under a test: its logs in a file, ready files, kill -9, restart, and a sure end.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::watchdog;

/// How often a file, a log or a child is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// Lines of a log that a failure shows.
const TAIL: usize = 60;

/// A program with fixed arguments that can be started, killed and started again. Dropping it ends the child: SIGTERM,
/// and SIGKILL after a grace period. When the drop is part of a panic, the end of the log is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    envs: Vec<(OsString, OsString)>,
    log: PathBuf,
    child: Option<Child>,
    grace: Duration,
}

impl Process {
    /// Describes a program; nothing runs before [`Process::start`]. `log` is where its output goes, that of
    /// later starts behind that of earlier ones.
    pub fn new(name: &str, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            envs: Vec::new(),
            log: log.into(),
            child: None,
            grace: Duration::from_secs(10),
        }
    }

    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn args<I, A>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = A>,
        A: Into<OsString>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable for the child. Besides these it inherits the environment of this process.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.envs.push((name.into(), value.into()));
        self
    }

    /// How long a SIGTERM may take before SIGKILL follows; 10 s unless told.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    /// When it runs already, or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        if self.running() {
            bail!("{} runs already", self.name);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let child = Command::new(&self.program)
            .args(&self.args)
            // Loopback only: a proxy of the machine must not get in between.
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost")
            .envs(self.envs.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C in the terminal goes to the test process alone; the watchdog then ends the children in
            // the right order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = child.id();
        self.child = Some(child);
        watchdog::add_child(pid)
    }

    /// The number of the running child.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn running(&mut self) -> bool {
        matches!(self.exited(), Ok(None)) && self.child.is_some()
    }

    /// How the child ended, if it has; `None` while it runs or was never started.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let status = child.try_wait()?;
        if status.is_some() {
            watchdog::forget_child(child.id())?;
            self.child = None;
        }
        Ok(status)
    }

    /// `kill -9`, and waits until the child is gone. Nothing happens when none runs.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
            watchdog::forget_child(child.id())?;
        }
        Ok(())
    }

    /// SIGTERM; SIGKILL when the child has not ended within the grace period. Gives the exit status, `None`
    /// when none ran.
    pub fn stop(&mut self) -> Result<Option<ExitStatus>> {
        let Some(pid) = self.pid() else {
            return Ok(None);
        };
        self.signal(pid, "TERM")?;
        let end = Instant::now() + self.grace;
        while Instant::now() < end {
            if let Some(status) = self.exited()? {
                return Ok(Some(status));
            }
            std::thread::sleep(POLL);
        }
        let Some(mut child) = self.child.take() else {
            return Ok(None);
        };
        child.kill()?;
        let status = child.wait()?;
        watchdog::forget_child(pid)?;
        Ok(Some(status))
    }

    /// SIGSTOP: it stands still until [`Process::thaw`].
    pub fn freeze(&self) -> Result<()> {
        self.pid().map_or(Ok(()), |pid| self.signal(pid, "STOP"))
    }

    /// SIGCONT.
    pub fn thaw(&self) -> Result<()> {
        self.pid().map_or(Ok(()), |pid| self.signal(pid, "CONT"))
    }

    /// The standard library sends only SIGKILL; `kill` is part of every shell.
    fn signal(&self, pid: u32, signal: &str) -> Result<()> {
        let script = r#"kill -s "$1" "$2" 2>/dev/null"#;
        Command::new("/bin/sh")
            .args(["-c", script, "kill", signal, &pid.to_string()])
            .status()
            .with_context(|| format!("cannot send {signal} to {}", self.name))?;
        Ok(())
    }

    /// `kill -9` and a new start with the same arguments.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start()
    }

    /// Waits until `done` gives a value. Fails when the child ends first, or when the time is up; the message
    /// has the end of the log.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut done: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(value) = done() {
                return Ok(value);
            }
            if let Some(status) = self.exited()? {
                bail!(
                    "{} ended ({status}) before {what}\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            if Instant::now() >= end {
                bail!(
                    "{}: no {what} within {timeout:?}\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits for the JSON file that a program writes when it is ready. Remove an old one before the start.
    pub fn wait_for_ready_file(&mut self, path: &Path, timeout: Duration) -> Result<Value> {
        self.wait_until("ready file", timeout, || {
            serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
        })
    }

    /// Waits for a line of the log that holds `text`, and gives the line.
    pub fn wait_for_line(&mut self, text: &str, timeout: Duration) -> Result<String> {
        let log = self.log.clone();
        self.wait_until(&format!("line with {text:?}"), timeout, || {
            let log = fs::read(&log).ok()?;
            String::from_utf8_lossy(&log)
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
    }

    /// Waits for the child to end by itself.
    pub fn wait_for_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + timeout;
        while Instant::now() < end {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
        bail!(
            "{} did not end within {timeout:?}\n{}",
            self.name,
            self.log_tail()
        )
    }

    /// All output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of the output, under a heading.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        format!(
            "--- log of {} (last {} of {} lines)\n{}",
            self.name,
            tail.len(),
            lines.len(),
            tail.join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        // Nothing can be done about a failure here; the watchdog kills what is left.
        let _ = self.stop();
    }
}

/// Finds a program of this workspace: in the variable that is its name in capitals (`ESS_EMULATOR`), else in the target directory that
/// the running test, example or benchmark was built into.
///
/// # Errors
/// When it was not built; the message says how to.
pub fn find_program(name: &str) -> Result<PathBuf> {
    let variable = name.to_uppercase().replace('-', "_");
    if let Some(path) = std::env::var_os(&variable).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("{variable}={} is not a file", path.display());
    }
    let me = std::env::current_exe()?;
    // target/debug/deps/test-0123, target/debug/examples/demo, target/debug/with-control-plane
    let found = me
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.with_context(|| {
        let release = if me.components().any(|part| part.as_os_str() == "release") { " --release" } else { "" };
        format!(
            "{name} is not built beside {}: run `cargo build --workspace --bins{release}` first, or set {variable}",
            me.display()
        )
    })
}
