//! Which processors a card interrupts, and whether they are near it.
//!
//! A card that is no device of a bus (veth, bridges) has neither interrupts nor a place.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Finding, read};
use crate::placement::{interrupted, interrupts, processors};

/// What of the kernel's files below `root` says where the interrupts of a card go.
pub(super) fn findings(root: &Path, name: &str) -> Vec<Finding> {
    let device = root.join("sys/class/net").join(name).join("device");
    let all = interrupts(root, name);
    // Where the driver names those that receive, the others (of configuration, of sending) matter
    // to no capture.
    let receiving = all.values().any(Option::is_some);
    let numbers = all.into_iter().filter(|(_, queue)| queue.is_some() || !receiving);
    let numbers: Vec<u32> = numbers.map(|(irq, _)| irq).collect();
    if numbers.is_empty() {
        return Vec::new();
    }
    let cpus_of = |path: &Path| processors(&read(path)).unwrap_or_default();
    let node = ["numa_node", "../numa_node"].map(|path| read(device.join(path)).parse::<u32>());
    let node = node.into_iter().find_map(Result::ok);
    let near =
        node.map(|node| cpus_of(&root.join(format!("sys/devices/system/node/node{node}/cpulist"))));
    let online = cpus_of(&root.join("sys/devices/system/cpu/online"));
    let near = near.filter(|near| !near.is_empty()).unwrap_or_else(|| online.clone());
    let used: BTreeSet<u32> = numbers.iter().flat_map(|irq| interrupted(root, *irq)).collect();
    let what = format!("{name}: interrupts");
    let found = format!("{} on processor {}", numbers.len(), listed(&used));
    let mend = spreading(&numbers, &near);
    let mut findings = Vec::new();
    if used.iter().any(|cpu| !near.contains(cpu)) {
        let node = node.unwrap_or_default();
        let found = format!("{found}, some far from the card, which is at NUMA node {node}");
        findings.push(Finding::better(what, found, mend));
    } else if numbers.len() > 1 && used.len() == 1 && near.len() > 1 {
        findings.push(Finding::better(what, format!("{found} alone"), mend));
    } else {
        findings.push(Finding::fine(what, found));
    }
    if root.join("run/irqbalance").exists() || root.join("run/irqbalance.pid").exists() {
        findings.push(Finding::better(
            format!("{name}: irqbalance"),
            "runs, and moves interrupts while workers stay where they are",
            "systemctl disable --now irqbalance",
        ));
    }
    findings
}

/// The command that gives each interrupt a processor near the card, one after the other.
fn spreading(numbers: &[u32], near: &BTreeSet<u32>) -> String {
    let placed = numbers.iter().zip(near.iter().cycle());
    let commands: Vec<_> = placed
        .map(|(irq, cpu)| format!("echo {cpu} > /proc/irq/{irq}/smp_affinity_list"))
        .collect();
    commands.join("; ")
}

fn listed(cpus: &BTreeSet<u32>) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// The files of a card with two interrupts at node 1 (processors 2 and 3).
    fn card(first: &str, second: &str) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, text) in [
            ("sys/class/net/eth1/device/msi_irqs/40", "msix"),
            ("sys/class/net/eth1/device/msi_irqs/41", "msix"),
            ("sys/class/net/eth1/device/numa_node", "1\n"),
            ("sys/devices/system/node/node1/cpulist", "2-3\n"),
            ("sys/devices/system/cpu/online", "0-3\n"),
            ("proc/irq/40/effective_affinity_list", first),
            ("proc/irq/41/effective_affinity_list", second),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn interrupts_spread_near_the_card_are_fine() {
        let found = findings(card("2\n", "3\n").path(), "eth1");
        assert!(found.iter().all(|it| it.mark() == "ok  "), "{found:?}");
    }

    #[test]
    fn interrupts_far_away_or_all_on_one_processor_have_the_command_that_spreads_them() {
        for (first, second, said) in [("0\n", "2\n", "far from the card"), ("2\n", "2\n", "alone")]
        {
            let found = findings(card(first, second).path(), "eth1");
            assert!(found[0].found.contains(said), "{found:?}");
            assert_eq!(
                found[0].mend,
                "echo 2 > /proc/irq/40/smp_affinity_list; echo 3 > /proc/irq/41/smp_affinity_list"
            );
        }
    }

    #[test]
    fn a_card_behind_another_device_is_found_and_of_its_interrupts_those_that_receive() {
        let root = card("2\n", "2\n");
        let class = root.path().join("sys/class/net/eth1");
        let bus = root.path().join("sys/devices/pci");
        fs::rename(class.join("device"), &bus).unwrap();
        fs::create_dir(bus.join("virtio1")).unwrap();
        std::os::unix::fs::symlink(bus.join("virtio1"), class.join("device")).unwrap();
        let found = findings(root.path(), "eth1");
        assert!(found[0].found.starts_with("2 on processor 2 alone"), "{found:?}");
        let table = "40: 1 PCI-MSIX 0-edge virtio1-config\n41: 1 PCI-MSIX 1-edge virtio1-input.0\n";
        fs::write(root.path().join("proc/interrupts"), table).unwrap();
        assert_eq!(findings(root.path(), "eth1")[0].found, "1 on processor 2");
    }

    #[test]
    fn a_daemon_that_moves_interrupts_is_told() {
        let root = card("2\n", "3\n");
        fs::create_dir_all(root.path().join("run/irqbalance")).unwrap();
        assert_eq!(findings(root.path(), "eth1")[1].mend, "systemctl disable --now irqbalance");
    }

    #[test]
    fn an_interface_that_is_no_device_has_no_interrupts() {
        assert!(findings(TempDir::new().unwrap().path(), "veth0").is_empty());
    }
}
