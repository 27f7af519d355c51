//! The lab's namespaces and links, laid with `ip` and taken away again (ip-netns(8), veth(4)).

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

/// The role of the namespace that places the calls.
pub(super) const CALLER: &str = "caller";
/// The role of the namespace that answers them.
pub(super) const CALLEE: &str = "callee";
/// The role of the namespace with the hub.
pub(super) const SWITCH: &str = "switch";
/// The role of the namespace with the capture interface.
pub(super) const TAP: &str = "tap";
const ROLES: [&str; 4] = [CALLER, CALLEE, SWITCH, TAP];

/// The interface of caller and callee.
pub(super) const PHONE: &str = "sip0";
/// The hub's port to the capture interface.
pub(super) const MIRROR: &str = "mirror0";
/// The capture interface.
pub(super) const CAPTURE: &str = "cap0";

/// The caller's address.
pub(super) const CALLER_ADDRESS: &str = "192.0.2.10";
/// The callee's address.
pub(super) const CALLEE_ADDRESS: &str = "192.0.2.20";

/// What every namespace name begins with; the process's number and the lab's follow.
const PREFIX: &str = "calltap-lab-";

/// Frames handed to an interface for sending, by the kernel's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Frames that the far end of the link took.
    pub sent: u64,
    /// Frames that it had no room for.
    pub dropped: u64,
}

/// The namespaces of one lab.
#[derive(Debug)]
pub(super) struct Network {
    name: String,
}

impl Network {
    /// Names the namespaces after `name` (`PID-NUMBER`); nothing is laid yet.
    pub(super) fn named(name: &str) -> Self {
        Self { name: format!("{PREFIX}{name}") }
    }

    /// The namespace of `role`.
    pub(super) fn namespace(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// A command that will run `program` in the namespace of `role`.
    pub(super) fn command(&self, role: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(role)]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Lays everything; the caller removes what a failure leaves.
    pub(super) fn lay(&self) -> Result<()> {
        remove_abandoned();
        for role in ROLES {
            ip(&["netns", "add", &self.namespace(role)])?;
            self.silence(role)?;
        }
        self.link("port-caller", PHONE, CALLER, "1")?;
        self.link("port-callee", PHONE, CALLEE, "1")?;
        self.link(MIRROR, CAPTURE, TAP, "2")?;
        // A bridge that forgets every address at once is a hub: each frame goes to all other ports.
        let hub = "link add hub0 type bridge ageing_time 0 stp_state 0 mcast_snooping 0";
        self.ip(SWITCH, hub)?;
        self.ip(SWITCH, "link set hub0 up")?;
        for port in ["port-caller", "port-callee", MIRROR] {
            self.ip(SWITCH, &format!("link set {port} master hub0 up"))?;
        }
        self.ip(TAP, &format!("link set {CAPTURE} arp off up"))?;
        for (role, address) in [(CALLER, CALLER_ADDRESS), (CALLEE, CALLEE_ADDRESS)] {
            self.ip(role, &format!("address add {address}/24 dev {PHONE}"))?;
            self.ip(role, "link set lo up")?;
            self.ip(role, &format!("link set {PHONE} up"))?;
            self.make_frames_final(role)?;
        }
        Ok(())
    }

    /// Keeps the kernel's own frames off the network: IPv6's neighbour and multicast messages, and
    /// the ICMP errors about media ports, which sipp sends from but does not open.
    fn silence(&self, role: &str) -> Result<()> {
        let settings = "for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do \
                            if [ -e $file ]; then echo 1 > $file; fi; done; \
                        echo 2000000000 > /proc/sys/net/ipv4/icmp_ratelimit";
        check(self.command(role, "sh").args(["-e", "-c", settings]))
    }

    /// Makes the sender fill in checksums and cut segments itself, so that frames on the mirror
    /// look as they would on a cable.
    fn make_frames_final(&self, role: &str) -> Result<()> {
        let off = ["-K", PHONE, "tx", "off", "tso", "off", "gso", "off", "gro", "off"];
        check(self.command(role, "ethtool").args(off))
    }

    /// A veth pair from the switch's `port` to `interface` in the namespace of `role`.
    fn link(&self, port: &str, interface: &str, role: &str, queues: &str) -> Result<()> {
        let queues = format!("numrxqueues {queues} numtxqueues {queues}");
        let far = self.namespace(role);
        self.ip(
            SWITCH,
            &format!(
                "link add {port} {queues} type veth peer name {interface} {queues} netns {far}"
            ),
        )
    }

    /// `ip` in the namespace of `role`; no argument has a space in it.
    fn ip(&self, role: &str, arguments: &str) -> Result<()> {
        let namespace = self.namespace(role);
        let all: Vec<&str> = ["-n", &namespace].into_iter().chain(arguments.split(' ')).collect();
        ip(&all)
    }

    /// What `interface` in the namespace of `role` has sent so far.
    pub(super) fn transmitted(&self, role: &str, interface: &str) -> Result<Mirrored> {
        let namespace = self.namespace(role);
        let arguments = ["-n", &namespace, "-s", "-j", "link", "show", interface];
        let output = Command::new("ip").args(arguments).output().context("cannot run `ip`")?;
        let links: serde_json::Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`ip {}` gave no counters", arguments.join(" ")))?;
        let counters = &links[0]["stats64"]["tx"];
        match (counters["packets"].as_u64(), counters["dropped"].as_u64()) {
            (Some(sent), Some(dropped)) => Ok(Mirrored { sent, dropped }),
            _ => bail!("`ip {}` gave no counters", arguments.join(" ")),
        }
    }

    /// Removes every namespace, and with them their links.
    pub(super) fn remove(&self) {
        for role in ROLES {
            // Removing what was never laid fails, as it should.
            let _ = Command::new("ip").args(["netns", "delete", &self.namespace(role)]).output();
        }
    }
}

/// Removes the namespaces of labs whose process was killed before it could.
fn remove_abandoned() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    check(Command::new("ip").args(arguments))
}

/// Runs `command` to its end; its own words become the error.
fn check(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, words.trim());
    }
    Ok(())
}
