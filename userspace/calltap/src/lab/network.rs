//! The lab's two phones and its capture interface, joined by a hub.

use anyhow::Result;

use super::namespaces::Namespaces;

/// The role of the namespace that places the calls.
pub(super) const CALLER: &str = "caller";
/// The role of the namespace that answers them.
pub(super) const CALLEE: &str = "callee";
/// The role of the namespace with the hub.
pub(super) const SWITCH: &str = "switch";
/// The role of the namespace with the capture interface.
pub(super) const TAP: &str = "tap";

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

/// Lays the network named `name`.
pub(super) fn lay(name: &str) -> Result<Namespaces> {
    let network = Namespaces::make(name, &[CALLER, CALLEE, SWITCH, TAP])?;
    network.link((SWITCH, "port-caller"), (CALLER, PHONE), 1)?;
    network.link((SWITCH, "port-callee"), (CALLEE, PHONE), 1)?;
    network.link((SWITCH, MIRROR), (TAP, CAPTURE), 2)?;
    network.hub(SWITCH, &["port-caller", "port-callee", MIRROR])?;
    network.ip(TAP, &format!("link set {CAPTURE} arp off up"))?;
    network.address(CALLER, PHONE, &format!("{CALLER_ADDRESS}/24"))?;
    network.address(CALLEE, PHONE, &format!("{CALLEE_ADDRESS}/24"))?;
    Ok(network)
}
