//! A provider's network with two homes behind NAT, and a mirror of all its links.
//!
//! ```text
//!   home   10.0.0.10 ---- NAT 192.0.2.7 ----+       +---- server 192.0.2.100 (kamailio, rtpengine)
//!   office 10.0.0.10 ---- NAT 192.0.2.8 ----+- hub -+---- street 192.0.2.20
//!                                           |
//!                                        mirror0 ---- cap0 (namespace `tap`)
//! ```
//!
//! Home and office have the same private address, so that phones of both announce the same one.

use anyhow::Result;
use calltap::lab::Namespaces;

/// Phones behind the first NAT.
pub(crate) const HOME: &str = "home";
/// Phones behind the second.
pub(crate) const OFFICE: &str = "office";
/// Phones behind none.
pub(crate) const STREET: &str = "street";
/// The proxy and the relay.
pub(crate) const SERVER: &str = "server";
/// The hub.
pub(crate) const SWITCH: &str = "switch";
/// The capture interface's.
pub(crate) const TAP: &str = "tap";
const HOME_NAT: &str = "homenat";
const OFFICE_NAT: &str = "officenat";
const ROLES: [&str; 8] = [HOME, HOME_NAT, OFFICE, OFFICE_NAT, STREET, SERVER, SWITCH, TAP];

/// The hub's port to the capture interface.
pub(crate) const MIRROR: &str = "mirror0";
/// The capture interface.
pub(crate) const CAPTURE: &str = "cap0";
/// The address that home and office have in common.
pub(crate) const PRIVATE: &str = "10.0.0.10";
/// The address of the phones behind no NAT.
pub(crate) const PUBLIC: &str = "192.0.2.20";
/// The address of proxy and relay.
pub(crate) const PROXY: &str = "192.0.2.100";

const HARDWARE: &str = "02:00:00:00:00:01";

const MASQUERADE: &str = "table ip nat { chain out { \
        type nat hook postrouting priority 100; oifname wan0 masquerade fully-random; }; }";

/// Lays it.
pub(crate) fn lay(name: &str) -> Result<Namespaces> {
    let network = Namespaces::make(name, &ROLES)?;
    for role in [HOME_NAT, OFFICE_NAT, STREET, SERVER] {
        network.link((SWITCH, role), (role, "wan0"), 1)?;
    }
    network.link((SWITCH, MIRROR), (TAP, CAPTURE), 2)?;
    network.hub(SWITCH, &[HOME_NAT, OFFICE_NAT, STREET, SERVER, MIRROR])?;
    network.ip(TAP, &format!("link set {CAPTURE} arp off up"))?;
    network.address(STREET, "wan0", &format!("{PUBLIC}/24"))?;
    network.address(SERVER, "wan0", &format!("{PROXY}/24"))?;
    // What the relay sends to a phone's private address before it has heard from the phone goes
    // out to nobody, as it would to a provider's default router.
    network
        .ip(SERVER, &format!("neigh add 192.0.2.254 lladdr {HARDWARE} nud permanent dev wan0"))?;
    network.ip(SERVER, "route add default via 192.0.2.254")?;
    for (phones, nat, outside) in
        [(HOME, HOME_NAT, "192.0.2.7/24"), (OFFICE, OFFICE_NAT, "192.0.2.8/24")]
    {
        network.link((nat, "lan0"), (phones, "lan0"), 1)?;
        network.address(nat, "wan0", outside)?;
        network.address(nat, "lan0", "10.0.0.1/24")?;
        network.address(phones, "lan0", &format!("{PRIVATE}/24"))?;
        network.ip(phones, "route add default via 10.0.0.1")?;
        network.run(nat, "sh", &["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
        // Another port outside than inside, each time (RFC 4787 §4.2.1).
        network.run(nat, "nft", &[MASQUERADE])?;
    }
    Ok(network)
}
