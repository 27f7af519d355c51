//! Whoever captures: calltap, or what a user would pick instead, each on a CPU of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use calltap_bench::desk::Desk;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::link::FAR;

/// Who captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Calltap,
    Tcpdump,
    Netsniff,
    Dumpcap,
}

/// Bytes that a tool may buffer between the kernel and the disk, MiB.
///
/// calltap's are frames, chunks and batches: 8,192 x 2 KiB, 32 x 1 MiB and 64 x 256 KiB, which is
/// 64 MiB.
const BUFFER_MIB: u32 = 64;
const FRAMES_PER_QUEUE: u32 = 8192;

/// What the opponents keep: the addresses of the target's callers, which stand in every packet of
/// its calls and in none of another.
const FILTER: &str = "net 10.1.0.0/16";

impl Tool {
    pub(crate) const ALL: [Self; 4] = [Self::Calltap, Self::Tcpdump, Self::Netsniff, Self::Dumpcap];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Calltap => "calltap",
            Self::Tcpdump => "tcpdump",
            Self::Netsniff => "netsniff-ng",
            Self::Dumpcap => "dumpcap",
        }
    }

    pub(crate) fn is_installed(self) -> bool {
        self == Self::Calltap || Command::new(self.name()).arg("--version").output().is_ok()
    }

    /// What it says on standard error once it captures; netsniff-ng says nothing there.
    fn ready(self) -> Option<&'static str> {
        match self {
            Self::Calltap => Some(calltap::run::CAPTURING),
            Self::Tcpdump => Some("listening on"),
            Self::Netsniff => None,
            Self::Dumpcap => Some("File:"),
        }
    }

    fn command(self, cpu: usize, dir: &Path, desk: &Desk) -> Result<Command> {
        let mut command = Command::new("taskset");
        command.args(["-c", &cpu.to_string()]);
        let file = dir.join("capture");
        let kib = (BUFFER_MIB * 1024).to_string();
        let mib = BUFFER_MIB.to_string();
        match self {
            Self::Calltap => {
                // As the service file has it: tables in huge pages.
                command.env("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
                command.arg(calltap()?).args(["run", "--interface", FAR, "--json"]);
                command.arg("--warrants").arg(desk.path("warrants"));
                command.arg("--trust").arg(desk.path("trust"));
                command.arg("--config").arg(desk.path("config.toml"));
                command.arg("--evidence").arg(dir.join("evidence"));
                // One file, as the others write one.
                command.args(["-b", "filesize:0", "-b", "duration:0"]);
            }
            Self::Tcpdump => {
                command.args(["tcpdump", "-n", "-i", FAR, "-B", &kib, "-Z", "root", "-w"]);
                command.arg(file).arg(FILTER);
            }
            Self::Netsniff => {
                command.args(["netsniff-ng", "--in", FAR, "--ring-size", &format!("{mib}MiB")]);
                command.args(["--notouch-irq", "--silent", "--filter", FILTER, "--out"]);
                command.arg(dir.join("capture.pcap"));
            }
            Self::Dumpcap => {
                command.args(["dumpcap", "-q", "-i", FAR, "-B", &mib, "-f", FILTER, "-w"]);
                command.arg(file);
            }
        }
        Ok(command)
    }

    /// Starts it on `cpu`, and waits until it captures; what it leaves is in `dir`.
    pub(crate) fn start(self, cpu: usize, dir: &Path, desk: &Desk) -> Result<Running> {
        fs::create_dir_all(dir)?;
        if self == Self::Calltap {
            let key = desk.path("node.key");
            let config = format!("node_key = {key:?}\nframes_per_queue = {FRAMES_PER_QUEUE}\n");
            fs::write(desk.path("config.toml"), config)?;
        }
        let mut command = self.command(cpu, dir, desk)?;
        command.stdin(Stdio::null()).stdout(File::create(dir.join("stdout"))?);
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", self.name()))?;
        let said = child.stderr.take().context("its standard error")?;
        let (tell, told) = mpsc::channel();
        let words = thread::spawn(move || {
            let mut words = String::new();
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if self.ready().is_some_and(|ready| line.contains(ready)) {
                    let _ = tell.send(());
                }
                words += &line;
                words.push('\n');
            }
            words
        });
        let running = Running { tool: self, child, words: Some(words), dir: dir.to_owned() };
        if self.ready().is_some() && told.recv_timeout(PATIENCE).is_err() {
            bail!("{} does not begin to capture: {}", self.name(), running.stop()?.words);
        }
        // It says so just before it does.
        thread::sleep(if self.ready().is_some() { SOON } else { Duration::from_secs(2) });
        Ok(running)
    }
}

/// The CPU of whoever works on a file; the generator has the other.
pub(crate) const CPU: &str = "1";

/// The program that was built beside this one.
pub(crate) fn calltap() -> Result<PathBuf> {
    let calltap = std::env::current_exe()?.with_file_name("calltap");
    if !calltap.exists() {
        bail!("{} is missing: cargo build --release -p calltap", calltap.display());
    }
    Ok(calltap)
}

/// How long a tool may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between a tool's word that it captures and its doing so.
const SOON: Duration = Duration::from_millis(300);

/// A tool that captures; ended when dropped.
pub(crate) struct Running {
    tool: Tool,
    child: Child,
    words: Option<thread::JoinHandle<String>>,
    dir: PathBuf,
}

/// A tool that has ended.
pub(crate) struct Stopped {
    /// What it said on standard error.
    pub(crate) words: String,
    /// What it said on standard output.
    pub(crate) stdout: PathBuf,
    /// The files that it wrote.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) status: ExitStatus,
}

impl Stopped {
    /// The object that calltap printed.
    pub(crate) fn said(&self) -> Result<Value> {
        serde_json::from_reader(BufReader::new(File::open(&self.stdout)?))
            .with_context(|| format!("calltap ({}) said: {}", self.status, self.words))
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time that its threads have used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id()));
        let ran = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        let tasks = tasks.into_iter().flatten().flatten();
        Duration::from_nanos(tasks.filter_map(ran).sum())
    }

    /// Memory that it has in use, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split_once(' '));
        Ok(kib.context("it has ended")?.0.parse::<u64>()? * 1024)
    }

    /// Frames that calltap says it has lost so far, which it does once a second.
    pub(crate) fn lost(&self) -> Result<u64> {
        thread::sleep(Duration::from_millis(2_200));
        let output = Command::new(calltap()?)
            .args(["status", "--json"])
            .arg(self.dir.join("evidence"))
            .output()?;
        let said: Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("calltap status: {}", String::from_utf8_lossy(&output.stderr))
        })?;
        let lost = said["frames"]["lost"].as_object().context("calltap status has no frames")?;
        Ok(lost.values().filter_map(Value::as_u64).sum())
    }

    /// Waits until it has nothing more to do.
    pub(crate) fn settle(&self) {
        const LOOK: Duration = Duration::from_millis(250);
        let begun = Instant::now();
        let mut before = self.cpu();
        loop {
            thread::sleep(LOOK);
            let now = self.cpu();
            if now.saturating_sub(before) < LOOK / 10 || begun.elapsed() > PATIENCE {
                return;
            }
            before = now;
        }
    }

    /// Interrupts it, as a user at a terminal does, and waits for its end.
    pub(crate) fn stop(mut self) -> Result<Stopped> {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::INT)?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                bail!("{} does not end", self.tool.name());
            }
            thread::sleep(Duration::from_millis(20));
        };
        let words = self.words.take().map(|words| words.join().unwrap_or_default());
        let written = if self.tool == Tool::Calltap {
            self.dir.join("evidence/L-1")
        } else {
            self.dir.clone()
        };
        let mut files: Vec<_> = fs::read_dir(written)?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with("capture") || name.ends_with(".pcapng")
            })
            .collect();
        files.sort();
        let words = words.unwrap_or_default();
        Ok(Stopped { words, stdout: self.dir.join("stdout"), files, status })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
