//! What the kernel says of processors: which this process may use, where a queue's interrupt goes,
//! what is near it, and where most is received.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity};

/// A receive queue, and where its frames come in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Its interface.
    pub interface: String,
    /// Its number there.
    pub number: u32,
    /// The processors that its interrupt goes to; none, where it has none (veth) or the driver does
    /// not name it by its queue.
    pub interrupt: BTreeSet<u32>,
}

/// The processors, as far as placing threads asks about them.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Those that this process may use.
    pub allowed: BTreeSet<u32>,
    /// How often the kernel has received on each.
    received: BTreeMap<u32, u64>,
    /// Where the kernel's files are.
    root: PathBuf,
}

impl Machine {
    /// This machine, for the process as it was started.
    ///
    /// # Errors
    /// The kernel does not say which processors may be used.
    pub fn this() -> anyhow::Result<Self> {
        let set = sched_getaffinity(None).context("which processors may be used")?;
        let cpus = (0_u32..).take(CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu as usize));
        Ok(Self::at(Path::new("/"), cpus.collect()))
    }

    /// A machine whose kernel's files are below `root`, and a process that may use these processors.
    pub fn at(root: &Path, allowed: BTreeSet<u32>) -> Self {
        Self { allowed, received: received(&read(root.join("proc/softirqs"))), root: root.into() }
    }

    /// A queue of an interface, with where its interrupt goes.
    pub fn queue(&self, interface: &str, number: u32) -> Queue {
        let interrupt = self.interrupt(interface, number).unwrap_or_default();
        Queue { interface: interface.to_owned(), number, interrupt }
    }

    /// The processors that the interrupt of a queue goes to.
    fn interrupt(&self, interface: &str, queue: u32) -> Option<BTreeSet<u32>> {
        let (irq, _) = interrupts(&self.root, interface)
            .into_iter()
            .find(|(_, receives)| *receives == Some(queue))?;
        Some(interrupted(&self.root, irq))
    }

    /// The processors that share a cache with the interrupt of a queue: all, where it has none or
    /// the kernel does not say.
    pub(super) fn near(&self, queue: &Queue) -> BTreeSet<u32> {
        let shared = |cpu: &u32| processors(&self.of(*cpu, "cache/index3/shared_cpu_list"));
        let near: BTreeSet<_> = queue.interrupt.iter().filter_map(shared).flatten().collect();
        if near.is_empty() { self.allowed.clone() } else { near }
    }

    /// The processors of one core, this one among them.
    pub(super) fn siblings(&self, cpu: u32) -> BTreeSet<u32> {
        processors(&self.of(cpu, "topology/thread_siblings_list")).unwrap_or_default()
    }

    /// How often the kernel has received on a processor.
    pub(super) fn received_on(&self, cpu: u32) -> u64 {
        self.received.get(&cpu).copied().unwrap_or_default()
    }

    fn of(&self, cpu: u32, path: &str) -> String {
        read(self.root.join(format!("sys/devices/system/cpu/cpu{cpu}")).join(path))
    }
}

/// The interrupts of an interface's card, by the kernel's files below `root`; with each the receive
/// queue that its name is about, if any.
pub fn interrupts(root: &Path, interface: &str) -> BTreeMap<u32, Option<u32>> {
    let device = root.join("sys/class/net").join(interface).join("device");
    // A virtio device is one of its own upon that of the bus.
    let of_device = ["msi_irqs", "../msi_irqs"].map(|path| fs::read_dir(device.join(path)));
    let entries = of_device.into_iter().flatten().flatten().flatten();
    let mut found: BTreeMap<u32, Option<u32>> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, None)))
        .collect();
    for line in read(root.join("proc/interrupts")).lines() {
        let Some((irq, rest)) = line.split_once(':') else { continue };
        let queue = irq.trim().parse().ok().and_then(|irq| found.get_mut(&irq));
        if let (Some(queue), Some(name)) = (queue, rest.split_whitespace().last()) {
            *queue = queue_of(name);
        }
    }
    found
}

/// The processors that an interrupt goes to; none, where the kernel does not say.
pub fn interrupted(root: &Path, irq: u32) -> BTreeSet<u32> {
    let of_irq = root.join(format!("proc/irq/{irq}"));
    let lists = ["effective_affinity_list", "smp_affinity_list"];
    let lists = lists.map(|list| processors(&read(of_irq.join(list))));
    lists.into_iter().flatten().find(|cpus| !cpus.is_empty()).unwrap_or_default()
}

/// The receive queue that an interrupt's name is about: `eth1-TxRx-3`, `mlx5_comp3@pci:...`,
/// `virtio2-input.3`.
fn queue_of(name: &str) -> Option<u32> {
    let name = name.split('@').next()?.to_ascii_lowercase();
    let receives = ["rx", "input", "comp"].iter().any(|word| name.contains(word));
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit());
    if receives { name[stem.len()..].parse().ok() } else { None }
}

/// How often the kernel has received on each processor, of `/proc/softirqs`.
fn received(table: &str) -> BTreeMap<u32, u64> {
    let mut lines = table.lines();
    let cpus = lines.next().unwrap_or_default().split_whitespace();
    let cpus = cpus.filter_map(|cpu| cpu.strip_prefix("CPU")?.parse().ok());
    let counts = lines.find_map(|line| line.trim_start().strip_prefix("NET_RX:"));
    let counts = counts.unwrap_or_default().split_whitespace();
    cpus.zip(counts.map(|count| count.parse().unwrap_or_default())).collect()
}

/// Processors as the kernel lists them, `0-3,8`; nothing, where the text is no such list.
pub fn processors(list: &str) -> Option<BTreeSet<u32>> {
    // Threads can be pinned to no others (`CPU_SETSIZE`).
    let number =
        |text: &str| text.trim().parse().ok().filter(|cpu: &u32| (*cpu as usize) < CpuSet::MAX_CPU);
    let mut cpus = BTreeSet::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(number(first)?..=number(last)?);
    }
    Some(cpus)
}

/// A file of the kernel; empty where it is not.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_the_name_of_its_interrupt() {
        for (name, queue) in [
            ("eth1-TxRx-3", Some(3)),
            ("i40e-eth1-TxRx-12", Some(12)),
            ("eth1-rx-0", Some(0)),
            ("eth1-Tx-Rx-1", Some(1)),
            ("mlx5_comp5@pci:0000:81:00.0", Some(5)),
            ("virtio2-input.0", Some(0)),
            ("virtio2-output.0", None),
            ("virtio2-config", None),
            ("mlx5_async0@pci:0000:81:00.0", None),
            ("eth1", None),
        ] {
            assert_eq!(queue_of(name), queue, "{name}");
        }
    }

    #[test]
    fn a_list_of_processors_is_read_as_the_kernel_writes_it() {
        assert_eq!(processors("0-2,8\n"), Some(BTreeSet::from([0, 1, 2, 8])));
        assert_eq!(processors(""), Some(BTreeSet::new()));
        for wrong in ["x-y", "1-", "-", "0-4000000000", "1;2"] {
            assert_eq!(processors(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_received_where_is_read_of_the_kernels_table() {
        let table = "    CPU0   CPU2\n  HI:  1  2\n NET_RX:  70  9\n";
        assert_eq!(received(table), BTreeMap::from([(0, 70), (2, 9)]));
        assert_eq!(received(""), BTreeMap::new());
    }
}
