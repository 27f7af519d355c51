//! The choice, on machines made of files.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A card with an interrupt for each of two queues, on a machine of eight processors: two to a
/// core, four to a cache.
fn machine(first: u32, second: u32) -> TempDir {
    let root = TempDir::new().unwrap();
    let write = |path: String, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for cpu in 0..8 {
        let of_cpu = format!("sys/devices/system/cpu/cpu{cpu}");
        let cache = if cpu < 4 { "0-3" } else { "4-7" };
        write(format!("{of_cpu}/cache/index3/shared_cpu_list"), cache);
        let core = cpu / 2 * 2;
        let siblings = format!("{core}-{}", core + 1);
        write(format!("{of_cpu}/topology/thread_siblings_list"), &siblings);
    }
    write("sys/class/net/eth1/device/msi_irqs/40".to_owned(), "msix");
    write("sys/class/net/eth1/device/msi_irqs/41".to_owned(), "msix");
    let table = "  CPU0\n 39: 7 eth0-TxRx-0\n 40: 1 eth1-TxRx-0\n 41: 1 eth1-TxRx-1\n";
    write("proc/interrupts".to_owned(), table);
    write("proc/irq/40/effective_affinity_list".to_owned(), &first.to_string());
    write("proc/irq/41/smp_affinity_list".to_owned(), &second.to_string());
    let softirqs = "CPU0 CPU1 CPU2 CPU3 CPU4 CPU5 CPU6 CPU7\nNET_RX: 90 80 70 60 50 40 30 20";
    write("proc/softirqs".to_owned(), softirqs);
    root
}

fn chosen(root: &TempDir, interface: &str, allowed: BTreeSet<u32>) -> Placement {
    let machine = Machine::at(root.path(), allowed);
    let queues = (0..2).map(|number| machine.queue(interface, number)).collect();
    Placement::choose(&Wish::Auto, queues, &machine).unwrap()
}

fn of_workers(placement: &Placement) -> Vec<Option<u32>> {
    (0..2).map(|number| placement.of_worker(number)).collect()
}

#[test]
fn a_worker_is_near_its_queues_interrupt_and_not_upon_it() {
    let placement = chosen(&machine(0, 4), "eth1", (0..8).collect());
    // Near 0 are 1 to 3, and near 4 are 5 to 7; the last of each has received least.
    assert_eq!(of_workers(&placement), [Some(3), Some(7)]);
    assert_eq!(
        placement.to_string(),
        "eth1 queue 0 on processor 3, eth1 queue 1 on processor 7, the other threads on 0, 1, 2, \
         4, 5, 6"
    );
}

#[test]
fn two_workers_share_no_core_while_there_is_another_one() {
    assert_eq!(of_workers(&chosen(&machine(4, 4), "eth1", (0..8).collect())), [Some(7), Some(5)]);
}

#[test]
fn without_interrupts_a_worker_is_where_the_kernel_receives_least() {
    let placement = chosen(&machine(0, 4), "veth0", (0..8).collect());
    assert_eq!(of_workers(&placement), [Some(7), Some(5)]);
    assert_eq!(of_workers(&chosen(&machine(0, 4), "veth0", (0..4).collect())), [Some(3), Some(1)]);
}

#[test]
fn only_the_processors_that_the_process_was_given_are_used() {
    let allowed = BTreeSet::from([1, 2, 5, 6]);
    let Placement::Pinned { workers, others } = chosen(&machine(0, 4), "eth1", allowed.clone())
    else {
        panic!("four processors are enough for two workers")
    };
    let used: BTreeSet<_> = workers.iter().map(|(_, cpu)| *cpu).collect();
    assert_eq!(used.len(), 2);
    assert!(used.is_disjoint(&others));
    assert_eq!(used.union(&others).copied().collect::<BTreeSet<_>>(), allowed);
}

#[test]
fn with_too_few_processors_nothing_is_pinned_and_it_is_said_why() {
    for (allowed, why) in [
        (0..1, "not pinned: 1 processor for 2 workers and the other threads"),
        (0..3, "not pinned: 3 processors for 2 workers and the other threads"),
    ] {
        let placement = chosen(&machine(0, 4), "eth1", allowed.collect());
        assert_eq!((placement.to_string().as_str(), placement.of_worker(0)), (why, None));
    }
}

#[test]
fn the_setting_says_which_processors_or_none() {
    let root = machine(0, 4);
    let choose = |setting: &str, allowed| {
        let machine = Machine::at(root.path(), allowed);
        let queues = (0..2).map(|number| machine.queue("eth1", number)).collect();
        Placement::choose(&Wish::of(setting).unwrap(), queues, &machine)
    };
    let named = choose("2,6-7", (0..8).collect()).unwrap();
    assert_eq!(of_workers(&named), [Some(2), Some(6)]);
    let all = choose("0-1", (0..2).collect()).unwrap();
    assert_eq!(of_workers(&all), [Some(0), Some(1)]);
    assert!(matches!(all, Placement::Pinned { others, .. } if others == BTreeSet::from([0, 1])));
    let off = choose("off", (0..8).collect()).unwrap();
    assert_eq!(off.to_string(), "not pinned: worker_cpus is off");
    let refused = choose("2,9", (0..8).collect()).unwrap_err().to_string();
    assert!(refused.contains("may not run on processor 9"), "{refused}");
    let refused = choose("2", (0..8).collect()).unwrap_err().to_string();
    assert!(refused.contains("1 processor for 2 workers"), "{refused}");
    assert_eq!((Wish::of("some"), Wish::of(""), Wish::of("3-")), (None, None, None));
}
