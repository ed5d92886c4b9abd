//! The process itself, under the names that every exporter of Prometheus has.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::catalogue::{Catalogue, Lasts};
#[cfg(target_os = "linux")]
use super::scraped::whole;

/// What `/proc` tells of this process. Where there is none, all are zero.
pub struct Process {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    open_files: Gauge,
    most_files: Gauge,
    threads: Gauge,
    start: Gauge<f64, AtomicU64>,
}

impl Process {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        Self {
            cpu: all.counter((
                "process_cpu_seconds_total",
                Lasts::Process,
                "Processor time, in user and system mode",
            )),
            resident: all.gauge((
                "process_resident_memory_bytes",
                Lasts::AsItIs,
                "Memory in use",
            )),
            virtual_memory: all.gauge((
                "process_virtual_memory_bytes",
                Lasts::AsItIs,
                "Addresses in use",
            )),
            open_files: all.gauge(("process_open_fds", Lasts::AsItIs, "Open files")),
            most_files: all.gauge((
                "process_max_fds",
                Lasts::AsItIs,
                "How many files may be open",
            )),
            threads: all.gauge(("process_threads", Lasts::AsItIs, "Threads")),
            start: all.gauge((
                "process_start_time_seconds",
                Lasts::AsItIs,
                "When it began, in Unix seconds",
            )),
        }
    }

    /// Reads them anew. What cannot be read stays as it was.
    #[cfg(target_os = "linux")]
    pub(super) fn read(&self) {
        let _ = self.try_read();
    }

    /// There is nothing to read.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read(&self) {}

    #[cfg(target_os = "linux")]
    #[allow(clippy::cast_precision_loss, reason = "exact for thousands of years")]
    fn try_read(&self) -> procfs::ProcResult<()> {
        use procfs::{CurrentSI, KernelStats, process::LimitValue, process::Process};

        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second() as f64;
        let used = (stat.utime + stat.stime) as f64 / ticks;
        self.cpu.inc_by((used - self.cpu.get()).max(0.0));
        let pages = procfs::page_size();
        self.resident.set(whole(stat.rss * pages));
        self.virtual_memory.set(whole(stat.vsize));
        self.threads.set(stat.num_threads);
        if self.start.get() == 0.0 {
            let booted = KernelStats::current()?.btime as f64;
            self.start.set(booted + stat.starttime as f64 / ticks);
        }
        if let LimitValue::Value(most) = process.limits()?.max_open_files.soft_limit {
            self.most_files.set(whole(most));
        }
        self.open_files.set(whole(process.fd_count()?));
        Ok(())
    }
}
