//! An interface: its driver, its queues, and what is done with frames before the filter sees them.

use std::thread;

use calltap_xdp::{Abilities, Interface, Offloads};

use super::{Finding, read};
use crate::placement::{Machine, Placement, Wish};

/// An interface that was not asked for may be down: nothing says that it is to be used.
pub(super) fn findings(interface: &Interface, asked_for: bool) -> Vec<Finding> {
    let name = interface.name();
    let cores =
        thread::available_parallelism().map_or(1, |it| u32::try_from(it.get()).unwrap_or(1));
    let mut findings = vec![
        facts(interface, cores),
        workers(interface),
        program(name, interface.abilities()),
        stamps(name, interface.stamps(), interface.abilities()),
        symmetry(name, interface.queues(), interface.is_symmetric()),
        offloads(name, interface.offloads()),
    ];
    let state = read(format!("/sys/class/net/{name}/operstate"));
    if state == "down" && asked_for {
        let mend = format!("ip link set {name} up");
        findings.push(Finding::lacking(format!("{name}: link"), "down", mend));
    }
    if interface.mtu() < 1500 {
        findings.push(Finding::better(
            format!("{name}: MTU"),
            "below what networks carry: longer frames are lost",
            format!("ip link set {name} mtu 1500"),
        ));
    }
    if let Some((id, program)) = interface.program() {
        let mend = calltap_xdp::detaching(&program, name);
        let found = format!("{program} (id {id}) is attached: a capture is refused beside it");
        findings.push(Finding::lacking(format!("{name}: other program"), found, mend));
    }
    if crate::wire::carries_default_route(name) {
        findings.push(Finding::fine(
            format!("{name}: route"),
            "carries the default route: no mirror port; only mode = \"host\" works here",
        ));
    } else if read(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6")) == "0" {
        findings.push(Finding::better(
            format!("{name}: IPv6"),
            "this host speaks on it by itself",
            format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=1"),
        ));
    }
    findings
}

fn facts(interface: &Interface, cores: u32) -> Finding {
    let (name, queues) = (interface.name(), interface.queues());
    let found = format!(
        "driver {}, {queues} receive queue{}, MTU {}",
        interface.driver(),
        if queues == 1 { "" } else { "s" },
        interface.mtu()
    );
    // Each queue has a worker of its own.
    if queues > cores {
        let found = format!("{found}: more queues than this machine's {cores} cores");
        Finding::better(name, found, format!("ethtool -L {name} combined {cores}"))
    } else {
        Finding::fine(name, found)
    }
}

/// Where a capture of this interface alone would have its workers, by default.
fn workers(interface: &Interface) -> Finding {
    let (name, queues) = (interface.name(), 0..interface.queues());
    let placement = Machine::this().and_then(|machine| {
        let queues = queues.map(|number| machine.queue(name, number)).collect();
        Placement::choose(&Wish::Auto, queues, &machine)
    });
    let found = placement.map_or_else(|cause| format!("{cause:#}"), |it| it.to_string());
    Finding::fine(format!("{name}: workers"), found)
}

fn program(name: &str, abilities: Option<Abilities>) -> Finding {
    let what = format!("{name}: XDP");
    let Some(abilities) = abilities else {
        return Finding::fine(
            what,
            "the kernel tells since 6.3; the log of a run says what it took",
        );
    };
    let copy = if abilities.zero_copy { "zero-copy" } else { "copies" };
    if abilities.native {
        Finding::fine(what, format!("native, {copy}"))
    } else {
        Finding::better(
            what,
            "generic alone, at several times the cost of a frame",
            "a card whose driver has native XDP: i40e, ice, ixgbe, mlx5 among others",
        )
    }
}

/// Nothing depends on the card's: the filter stamps each frame that it keeps.
fn stamps(name: &str, card: Option<bool>, abilities: Option<Abilities>) -> Finding {
    let of_card = match card {
        Some(true) if abilities.is_some_and(|it| it.stamps) => {
            "the card has its own, for programs too"
        }
        Some(true) => "the card has its own, not for programs",
        Some(false) => "the card has none",
        None => "the driver does not say what the card has",
    };
    Finding::fine(format!("{name}: time stamps"), format!("by the filter; {of_card}"))
}

fn symmetry(name: &str, queues: u32, symmetric: Option<bool>) -> Finding {
    let found = match symmetric {
        _ if queues == 1 => "one queue: nothing to spread",
        Some(true) => "symmetric: both directions by one queue",
        Some(false) => "not symmetric, on which nothing depends",
        None => "the driver does not say, and nothing depends on it",
    };
    Finding::fine(format!("{name}: RSS"), found)
}

/// Merged frames are no frames of the wire, and a tag that was taken out is not in the evidence.
fn offloads(name: &str, offloads: Offloads) -> Finding {
    let Offloads { gro, lro, rx_vlan } = offloads;
    let all = [("gro", gro), ("lro", lro), ("rxvlan", rx_vlan)];
    let on: Vec<_> =
        all.iter().filter(|(_, on)| *on == Some(true)).map(|(word, _)| *word).collect();
    let what = format!("{name}: offloads");
    if on.is_empty() {
        return Finding::fine(what, "no frame is merged, and no VLAN tag taken out");
    }
    let effect = match (on.contains(&"gro") || on.contains(&"lro"), on.contains(&"rxvlan")) {
        (true, true) => "frames may be merged and VLAN tags taken out",
        (true, false) => "frames may be merged",
        _ => "VLAN tags may be taken out",
    };
    let found = format!("{} on: {effect} ahead of the filter", on.join(", "));
    Finding::better(what, found, format!("ethtool -K {name} {} off", on.join(" off ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_offload_that_is_on_is_named_in_the_command_that_turns_it_off() {
        let of = |gro, lro, rx_vlan| offloads("eth1", Offloads { gro, lro, rx_vlan });
        assert_eq!(
            of(Some(true), Some(true), Some(true)).mend,
            "ethtool -K eth1 gro off lro off rxvlan off"
        );
        assert_eq!(of(Some(false), None, Some(true)).mend, "ethtool -K eth1 rxvlan off");
        assert_eq!(of(Some(false), None, Some(false)).mark(), "ok  ");
        assert_eq!(of(None, None, None).mark(), "ok  ");
    }

    #[test]
    fn a_driver_without_native_mode_is_a_note() {
        assert_eq!(program("eth1", Some(Abilities::default())).mark(), "note");
        let native = Abilities { native: true, zero_copy: true, ..Abilities::default() };
        assert_eq!(program("eth1", Some(native)).found, "native, zero-copy");
    }
}
