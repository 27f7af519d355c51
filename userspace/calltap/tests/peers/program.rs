//! A program of the network: a server or phones.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use calltap::lab::Namespaces;

/// No program runs for longer, whatever becomes of the test.
const SECONDS: &str = "100";
/// How long each may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(40);

/// A running program with all that it started; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    said: PathBuf,
}

impl Program {
    /// Runs a command line in the namespace of `role`, from the directory `at`, where its words go
    /// into a file.
    pub(crate) fn start(network: &Namespaces, role: &str, at: &Path, line: &str) -> Self {
        let mut words = line.split_whitespace();
        let name = format!("{} in {role}", words.next().expect("a program"));
        let said = at.join(format!("{}.said", name.replace(' ', "-")));
        let file = File::create(&said).expect("a file");
        let mut command = network.command(role, "unshare");
        // In a namespace of process numbers of its own, a program takes its children with it.
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["timeout", SECONDS]).args(line.split_whitespace());
        command.current_dir(at).env("TERM", "dumb");
        command.stdout(Stdio::from(file.try_clone().expect("a file"))).stderr(Stdio::from(file));
        let child = command.spawn().expect("unshare, of util-linux");
        Self { name, child, said }
    }

    /// Waits until a socket of its namespace is bound to this UDP port.
    pub(crate) fn wait_for_port(mut self, port: u16) -> Self {
        let table = format!("/proc/{}/net/udp", self.child.id());
        let wanted = format!(":{port:04X} ");
        let begun = Instant::now();
        loop {
            let bound = fs::read_to_string(&table).unwrap_or_default();
            let mut local = bound.lines().filter_map(|line| line.get(6..21));
            if local.any(|local| local.contains(&wanted)) {
                return self;
            }
            let ended = self.child.try_wait().expect("a status");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{}", self.words());
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it has ended well.
    pub(crate) fn finish(mut self) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not end: {}", self.name, self.words());
            sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{} ended with {status}: {}", self.name, self.words());
    }

    fn words(&self) -> String {
        format!("{}: {}", self.name, fs::read_to_string(&self.said).unwrap_or_default())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
