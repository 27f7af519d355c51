//! Network namespaces and the links between them, laid with `ip` and taken away again
//! (ip-netns(8), veth(4)).

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

/// What every namespace name begins with; the process's number and the network's follow.
const PREFIX: &str = "calltap-lab-";

/// Frames handed to an interface for sending, by the kernel's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Frames that the far end of the link took.
    pub sent: u64,
    /// Frames that it had no room for.
    pub dropped: u64,
}

/// The namespaces of one network, one for each role; they are removed when this is dropped.
#[derive(Debug)]
pub struct Namespaces {
    name: String,
    roles: &'static [&'static str],
}

impl Namespaces {
    /// Makes a namespace for each of `roles`, named after `name` (`PID-NUMBER`), and keeps their
    /// kernels' own frames off the network.
    ///
    /// # Errors
    ///
    /// Names the command that failed, and its words.
    pub fn make(name: &str, roles: &'static [&'static str]) -> Result<Self> {
        remove_abandoned();
        let made = Self { name: format!("{PREFIX}{name}"), roles };
        for role in roles {
            ip(&["netns", "add", &made.namespace(role)])?;
            made.silence(role)?;
        }
        Ok(made)
    }

    /// The namespace of `role`.
    #[must_use]
    pub fn namespace(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// A command that will run `program` in the namespace of `role`.
    #[must_use]
    pub fn command(&self, role: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(role)]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `program` in the namespace of `role` to its end.
    ///
    /// # Errors
    ///
    /// When it fails; its own words become the error.
    pub fn run(&self, role: &str, program: &str, arguments: &[&str]) -> Result<()> {
        check(self.command(role, program).args(arguments))
    }

    /// `ip` in the namespace of `role`; no argument has a space in it.
    ///
    /// # Errors
    ///
    /// When it fails; its own words become the error.
    pub fn ip(&self, role: &str, arguments: &str) -> Result<()> {
        let namespace = self.namespace(role);
        let all: Vec<&str> = ["-n", &namespace].into_iter().chain(arguments.split(' ')).collect();
        ip(&all)
    }

    /// A veth pair from `port` of `role` to `far_port` of `far_role`, with so many queues.
    ///
    /// # Errors
    ///
    /// When `ip` fails; its own words become the error.
    pub fn link(
        &self,
        (role, port): (&str, &str),
        (far_role, far_port): (&str, &str),
        queues: u32,
    ) -> Result<()> {
        let queues = format!("numrxqueues {queues} numtxqueues {queues}");
        let far = self.namespace(far_role);
        self.ip(
            role,
            &format!(
                "link add {port} {queues} type veth peer name {far_port} {queues} netns {far}"
            ),
        )
    }

    /// Gives an interface its address and sets it up; its frames are then as on a cable, since the
    /// sender fills in checksums and cuts segments itself.
    ///
    /// # Errors
    ///
    /// When `ip` or `ethtool` fails; their own words become the error.
    pub fn address(&self, role: &str, interface: &str, address: &str) -> Result<()> {
        self.ip(role, &format!("address add {address} dev {interface}"))?;
        self.ip(role, "link set lo up")?;
        self.ip(role, &format!("link set {interface} up"))?;
        // A neighbour once known is not asked about again (arp(7)): nothing but calls comes later.
        let patience = "base_reachable 3600000 delay_probe 3600000";
        self.ip(role, &format!("ntable change name arp_cache dev {interface} {patience}"))?;
        let off = ["-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off"];
        self.run(role, "ethtool", &off)
    }

    /// Joins `ports` of `role` by a hub: a bridge that forgets every address at once, so that each
    /// frame goes to all other ports.
    ///
    /// # Errors
    ///
    /// When `ip` fails; its own words become the error.
    pub fn hub(&self, role: &str, ports: &[&str]) -> Result<()> {
        self.ip(role, "link add hub0 type bridge ageing_time 0 stp_state 0 mcast_snooping 0")?;
        self.ip(role, "link set hub0 up")?;
        ports.iter().try_for_each(|port| self.ip(role, &format!("link set {port} master hub0 up")))
    }

    /// What `interface` of `role` has sent so far.
    ///
    /// # Errors
    ///
    /// When `ip` cannot read the counters.
    pub fn transmitted(&self, role: &str, interface: &str) -> Result<Mirrored> {
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

    /// Keeps the kernel's own frames off the network: IPv6's neighbour and multicast messages, and
    /// the ICMP errors about media ports, which sipp sends from but does not open.
    fn silence(&self, role: &str) -> Result<()> {
        let settings = "for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do \
                            if [ -e $file ]; then echo 1 > $file; fi; done; \
                        echo 2000000000 > /proc/sys/net/ipv4/icmp_ratelimit";
        self.run(role, "sh", &["-e", "-c", settings])
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for role in self.roles {
            // Removing what was never laid fails, as it should.
            let _ = Command::new("ip").args(["netns", "delete", &self.namespace(role)]).output();
        }
    }
}

/// Removes the namespaces of networks whose process was killed before it could.
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
