//! Places the calls of a plan with two `sipp` programs, by the scenarios beside this file.
//!
//! SIPp 3.6, or 3.7.3 and later: those between lack `[auto_media_port]`, which gives each call media
//! ports of its own. Media is played from a file, as `rtp_stream` of 3.6 sends every call's from one
//! port.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::network::{CALLEE, CALLEE_ADDRESS, CALLER, CALLER_ADDRESS};
use super::{CallPlan, Lab, Transport, media};

/// How long sipp may take beyond the talking.
const PATIENCE: Duration = Duration::from_secs(20);
/// The silence between the last RTP packet and the BYE, so that each call sends all its packets.
const BEFORE_BYE: Duration = Duration::from_millis(500);
/// The callee's `ADDRESS:PORT` as `/proc/net/udp` and `/proc/net/tcp` write 192.0.2.20:5060.
const CALLEE_SOCKET: &str = "140200C0:13C4";

/// What was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallReport {
    /// Calls that were set up, talked and were cleared without a fault.
    pub calls: u32,
    /// Those of them that are from or to the target.
    pub target_calls: u32,
    /// RTP packets that each side of each call sent.
    pub rtp_packets_per_side: u32,
    /// Frames that caller and callee sent meanwhile, of whatever kind, by their own count.
    pub frames: u64,
}

/// Calls in progress; dropping them ends both programs.
#[derive(Debug)]
pub struct Calls<'lab> {
    lab: &'lab Lab,
    plan: CallPlan,
    frames_before: u64,
    begun: Instant,
    callee: Phone,
    caller: Phone,
}

impl<'lab> Calls<'lab> {
    /// Writes the scenarios, waits until the callee listens, and starts the caller.
    pub(super) fn begin(lab: &'lab Lab, plan: &CallPlan) -> Result<Self> {
        let write = |name: &str, content: &[u8]| {
            let path = lab.directory.join(name);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
        };
        write("caller.xml", include_bytes!("caller.xml"))?;
        write("callee.xml", include_bytes!("callee.xml"))?;
        write("caller.pcap", &media::tone(0x0ca1_1e40, plan.seconds))?;
        write("callee.pcap", &media::tone(0x0ca1_1ee0, plan.seconds))?;
        write("calls.csv", plan.injection_file().as_bytes())?;

        let frames_before = lab.sent_frames()?;
        let callee = Phone::start(lab, CALLEE, CALLEE_ADDRESS, plan)?;
        callee.wait_until_listening(plan.transport)?;
        let caller = Phone::start(lab, CALLER, CALLER_ADDRESS, plan)?;
        let plan = plan.clone();
        Ok(Self { lab, plan, frames_before, begun: Instant::now(), callee, caller })
    }

    /// Waits until every call has ended.
    ///
    /// # Errors
    ///
    /// When a call failed, or the calls take longer than the plan needs and 20 s more.
    pub fn finish(mut self) -> Result<CallReport> {
        let deadline = self.begun + longest(&self.plan);
        self.caller.wait(deadline)?;
        self.callee.wait(deadline)?;
        Ok(CallReport {
            calls: self.plan.calls(),
            target_calls: self.plan.target_calls,
            rtp_packets_per_side: media::packets(self.plan.seconds),
            frames: self.lab.sent_frames()? - self.frames_before,
        })
    }
}

/// How long the calls of `plan` may take in all.
fn longest(plan: &CallPlan) -> Duration {
    let talking = plan.seconds + plan.calls() / plan.calls_per_second.max(1);
    PATIENCE + BEFORE_BYE + Duration::from_secs(talking.into())
}

/// One running sipp.
#[derive(Debug)]
struct Phone {
    role: &'static str,
    sipp: Child,
    errors: std::path::PathBuf,
}

impl Phone {
    fn start(lab: &Lab, role: &'static str, address: &str, plan: &CallPlan) -> Result<Self> {
        let directory = &lab.directory;
        let errors = directory.join(format!("{role}.errors"));
        let screen = File::create(directory.join(format!("{role}.screen")))?;
        let mut command = lab.network.command(role, "sipp");
        command.current_dir(directory).env("TERM", "dumb");
        command.args(["-sf", &format!("{role}.xml"), "-nostdin", "-skip_rlimit"]);
        command.args(["-i", address, "-mi", address, "-p", "5060"]);
        command.args(["-m", &plan.calls().to_string()]);
        command.args(["-trace_err", "-error_file"]).arg(&errors);
        // sipp ends itself, should this process be killed first.
        command.args(["-timeout", &format!("{}s", longest(plan).as_secs()), "-timeout_error"]);
        if role == CALLER {
            let talking = Duration::from_secs(plan.seconds.into()) + BEFORE_BYE;
            command.args([&format!("{CALLEE_ADDRESS}:5060"), "-inf", "calls.csv"]);
            command.args(["-mp", "20000", "-d", &talking.as_millis().to_string()]);
            command.args(["-r", &plan.calls_per_second.to_string()]);
            command.args(["-l", &plan.calls().to_string()]);
        } else {
            command.args(["-mp", "40000"]);
        }
        command.args(match (plan.transport, role) {
            (Transport::Udp, _) => ["-t", "u1"],
            (Transport::Tcp, CALLER) => ["-t", "tn"],
            (Transport::Tcp | Transport::TcpTrunk, _) => ["-t", "t1"],
        });
        let sipp = command
            .stdout(Stdio::from(screen.try_clone()?))
            .stderr(Stdio::from(screen))
            .spawn()
            .context("cannot run `sipp`: run scripts/setup")?;
        Ok(Self { role, sipp, errors })
    }

    /// Waits for the callee's socket in the process's own view of its namespace.
    fn wait_until_listening(&self, transport: Transport) -> Result<()> {
        let table = if transport == Transport::Udp { "udp" } else { "tcp" };
        let table = Path::new("/proc").join(self.sipp.id().to_string()).join("net").join(table);
        let begun = Instant::now();
        while !fs::read_to_string(&table).is_ok_and(|sockets| sockets.contains(CALLEE_SOCKET)) {
            if begun.elapsed() > PATIENCE {
                bail!("the callee's sipp does not listen{}", self.words());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits for a good end until `deadline`.
    fn wait(&mut self, deadline: Instant) -> Result<()> {
        loop {
            match self.sipp.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    bail!("the {}'s sipp ended with {status}{}", self.role, self.words())
                }
                None if Instant::now() > deadline => {
                    bail!("the {}'s sipp does not end{}", self.role, self.words());
                }
                None => sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What sipp wrote about its failures, if anything.
    fn words(&self) -> String {
        match fs::read_to_string(&self.errors) {
            Ok(words) => format!("; it says:\n{}", words.trim_end()),
            Err(_) => String::new(),
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.sipp.kill();
        let _ = self.sipp.wait();
    }
}
