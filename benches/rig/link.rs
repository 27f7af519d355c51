//! The link of the rig: a veth pair in a network namespace of its own, and what it counts.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use calltap_xdp::Interface;

/// Where frames are put on the link.
pub(crate) const NEAR: &str = "near0";

/// Where they are captured.
pub(crate) const FAR: &str = "far0";

/// Lays the link.
///
/// GRO gives the far end a NAPI of its own, without which live frames need an XDP program there;
/// it merges nothing here, as no two frames in a row are of one flow.
pub(crate) const LAY: &str = "ip link set lo up
    for scope in all default; do echo 1 > /proc/sys/net/ipv6/conf/$scope/disable_ipv6; done
    ip link add near0 numrxqueues 1 numtxqueues 1 type veth peer name far0 numrxqueues 1 numtxqueues 1
    ethtool -K far0 gro on
    ip link set near0 arp off up
    ip link set far0 arp off up";

/// The two ends.
pub(crate) struct Link {
    pub(crate) near: Interface,
}

/// What has become of the frames that were put on the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Frames that the far end has taken.
    pub(crate) taken: u64,
    /// Frames that it had no room for.
    pub(crate) refused: u64,
}

impl Link {
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { near: Interface::open(NEAR)? })
    }

    /// What the link has carried since it was laid, by the kernel's count.
    pub(crate) fn carried() -> Result<Carried> {
        let output = Command::new("ip").args(["-s", "-j", "link", "show", NEAR]).output()?;
        let links: serde_json::Value =
            serde_json::from_slice(&output.stdout).context("ip link gave no counters")?;
        let counters = &links[0]["stats64"]["tx"];
        match (counters["packets"].as_u64(), counters["dropped"].as_u64()) {
            (Some(taken), Some(refused)) => Ok(Carried { taken, refused }),
            _ => bail!("ip link gave no counters"),
        }
    }
}

impl std::ops::Sub for Carried {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { taken: self.taken - before.taken, refused: self.refused - before.refused }
    }
}
