//! Where threads run: each worker on a processor of its own, and all other threads off those.
//!
//! The kernel's half of a queue runs where its interrupt goes, and takes that processor whole under
//! load: a worker has another one, near it, so that both run and what one wrote the other finds in
//! a cache.
//! Where there are too few processors nothing is pinned, as threads that wait for each other's
//! processor are worse than a scheduler that moves them.

mod machine;

use std::collections::BTreeSet;
use std::fmt;

use anyhow::bail;
use rustix::thread::{CpuSet, sched_setaffinity};
use tracing::warn;

pub use machine::{Machine, Queue, interrupted, interrupts, processors};

/// Processors that are left to the threads which are no workers: one for that which follows calls,
/// and one for those that write.
const OTHERS: usize = 2;

/// Which processors workers are to have: the setting `worker_cpus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Those that calltap finds best.
    Auto,
    /// Whichever the scheduler gives them.
    Off,
    /// These, one after the other.
    These(Vec<u32>),
}

impl Wish {
    /// Reads the setting: `auto`, `off`, or processors as the kernel lists them; nothing, where it
    /// is none of these.
    pub fn of(setting: &str) -> Option<Self> {
        match setting {
            "auto" => Some(Self::Auto),
            "off" => Some(Self::Off),
            list => {
                let listed: Vec<_> = processors(list)?.into_iter().collect();
                (!listed.is_empty()).then_some(Self::These(listed))
            }
        }
    }
}

/// Where each worker runs, in the order of the queues, and where the others do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Nothing is pinned, and why.
    Free(String),
    /// Each worker has a processor.
    Pinned {
        /// Each queue, and the processor of its worker.
        workers: Vec<(Queue, u32)>,
        /// The processors of all other threads.
        others: BTreeSet<u32>,
    },
}

impl Placement {
    /// Chooses a processor for the worker of each queue, among those that this process may use.
    ///
    /// # Errors
    /// Processors were named that this process may not use, or fewer than there are queues.
    pub fn choose(wish: &Wish, queues: Vec<Queue>, machine: &Machine) -> anyhow::Result<Self> {
        let (allowed, count) = (&machine.allowed, queues.len());
        let chosen = match wish {
            Wish::Off => return Ok(Self::Free("worker_cpus is off".to_owned())),
            Wish::Auto if allowed.len() < count + OTHERS => {
                return Ok(Self::Free(format!(
                    "{} for {} and the other threads",
                    counted(allowed.len(), "processor"),
                    counted(count, "worker")
                )));
            }
            Wish::Auto => best(&queues, machine),
            Wish::These(named) => {
                if let Some(cpu) = named.iter().find(|cpu| !allowed.contains(cpu)) {
                    bail!(
                        "worker_cpus: this process may not run on processor {cpu}: those it may \
                         are {}",
                        listed(allowed)
                    );
                }
                if named.len() < count {
                    bail!(
                        "worker_cpus: {} for {}, each of which has a queue: name more, or have \
                         fewer queues with `ethtool -L`",
                        counted(named.len(), "processor"),
                        counted(count, "worker")
                    );
                }
                named.iter().copied().take(count).collect()
            }
        };
        let mut others = allowed.clone();
        others.retain(|cpu| !chosen.contains(cpu));
        if others.is_empty() {
            others.clone_from(allowed);
        }
        Ok(Self::Pinned { workers: queues.into_iter().zip(chosen).collect(), others })
    }

    /// Keeps this thread, and those it starts from now on, off the workers' processors.
    pub fn keep_off(&self) {
        if let Self::Pinned { others, .. } = self {
            run_on(others.iter().copied());
        }
    }

    /// The processor of the worker of this number.
    pub fn of_worker(&self, number: usize) -> Option<u32> {
        match self {
            Self::Free(_) => None,
            Self::Pinned { workers, .. } => workers.get(number).map(|(_, cpu)| *cpu),
        }
    }
}

/// Has this thread run on these processors alone.
///
/// Where the kernel will not, because a processor was taken off meanwhile, it runs where it did.
pub fn run_on(cpus: impl IntoIterator<Item = u32>) {
    let mut set = CpuSet::new();
    cpus.into_iter().for_each(|cpu| set.set(cpu as usize));
    if let Err(cause) = sched_setaffinity(None, &set) {
        warn!("a thread is not pinned to its processors: {cause}");
    }
}

/// For the worker of each queue the best processor that no other has.
///
/// First one that is no interrupt's, then one that shares a cache with its own queue's interrupt,
/// then one whose core no other worker has, and then that on which the kernel has received least.
fn best(queues: &[Queue], machine: &Machine) -> Vec<u32> {
    let interrupted: BTreeSet<u32> = queues.iter().flat_map(|it| &it.interrupt).copied().collect();
    let mut chosen: Vec<u32> = Vec::new();
    for queue in queues {
        let near = machine.near(queue);
        let free = machine.allowed.iter().filter(|cpu| !chosen.contains(cpu));
        let rank = |cpu: &&u32| {
            let shares_core = machine.siblings(**cpu).iter().any(|it| chosen.contains(it));
            let far = !near.contains(*cpu);
            (interrupted.contains(*cpu), far, shares_core, machine.received_on(**cpu), **cpu)
        };
        // There are more than queues.
        chosen.extend(free.min_by_key(rank).copied());
    }
    chosen
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free(why) => write!(f, "not pinned: {why}"),
            Self::Pinned { workers, others } => {
                for (Queue { interface, number, .. }, cpu) in workers {
                    write!(f, "{interface} queue {number} on processor {cpu}, ")?;
                }
                write!(f, "the other threads on {}", listed(others))
            }
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn listed(cpus: &BTreeSet<u32>) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
