//! What can go wrong at the kernel's boundary, each with the mend.

use std::io;

use calltap_ebpf::abi::{MAX_INTERFACES, MAX_PREFIXES, MAX_SOCKETS};

/// A failure to set up or to keep up a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no interface of this name in this network namespace.
    #[error("there is no interface {name}: `ip link` lists those there are")]
    NoSuchInterface {
        /// The name asked for.
        name: String,
    },

    /// The interface has no such receive queue.
    #[error("{interface} has {queues} receive queues, and no queue {queue}")]
    NoSuchQueue {
        /// The interface.
        interface: String,
        /// The queue asked for.
        queue: u32,
        /// How many it has.
        queues: u32,
    },

    /// The interface is gone, and its sockets with it.
    #[error("{interface} is gone: start again when it is back")]
    InterfaceGone {
        /// The interface.
        interface: String,
    },

    /// The interface is down; frames arrive again when it is up.
    #[error("{interface} is down: `ip link set {interface} up`")]
    InterfaceDown {
        /// The interface.
        interface: String,
    },

    /// The process may not do this.
    #[error(
        "{what} is not permitted: give the process {} (as root, or by setcap)",
        missing.join(", ")
    )]
    NotPermitted {
        /// What was refused.
        what: String,
        /// The capabilities it has not.
        missing: Vec<&'static str>,
    },

    /// Another XDP program is attached; it is left alone.
    #[error(
        "{interface} already runs the XDP program {program} (id {id}), which stays: {}, or choose \
         another interface",
        detaching(program, interface)
    )]
    AlreadyAttached {
        /// The interface.
        interface: String,
        /// The other program's name, as its loader gave it.
        program: String,
        /// The other program's id, as `bpftool prog` shows it.
        id: u32,
    },

    /// Another AF_XDP socket is bound to the queue.
    #[error(
        "queue {queue} of {interface} is already bound by another AF_XDP socket: stop its owner"
    )]
    QueueBusy {
        /// The interface.
        interface: String,
        /// The queue.
        queue: u32,
    },

    /// The kernel refused a step of setting a socket up.
    #[error("queue {queue} of {interface}: {step}: {cause}{}", mend(cause))]
    Socket {
        /// The interface.
        interface: String,
        /// The queue.
        queue: u32,
        /// The step.
        step: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },

    /// The kernel refused to attach the program, in every mode asked for.
    #[error("{interface} does not take the XDP program: {cause}")]
    Attach {
        /// The interface.
        interface: String,
        /// What the kernel said, mode by mode.
        cause: String,
    },

    /// The kernel refused to load the program.
    #[error("the kernel does not load the XDP program: {cause}")]
    Load {
        /// The end of what the kernel said.
        cause: String,
    },

    /// The kernel refused an operation on a map.
    #[error("BPF map {map}: {cause}")]
    Map {
        /// The map.
        map: &'static str,
        /// What the kernel said.
        cause: String,
    },

    /// All endpoints the filter was loaded for are open.
    #[error("all {max} media endpoints are open: start with a larger limit")]
    EndpointsFull {
        /// How many it was loaded for.
        max: u32,
    },

    /// All prefixes there is room for are open.
    #[error("all {MAX_PREFIXES} prefixes are open")]
    PrefixesFull,

    /// A prefix is longer than its address.
    #[error("an address of {bits} bits has no prefix of {prefix_len}")]
    PrefixTooLong {
        /// The length asked for.
        prefix_len: u8,
        /// Bits of the address.
        bits: u8,
    },

    /// More interfaces, or more queues in all, than the program has slots for.
    #[error("one filter serves {MAX_INTERFACES} interfaces and {MAX_SOCKETS} queues, and no more")]
    SlotsFull,

    /// A system call failed.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// What the kernel said.
        cause: io::Error,
    },
}

impl Error {
    /// A refused system call: names the missing capabilities if that may be why.
    pub(crate) fn system(what: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        let (what, cause) = (what.into(), cause.into());
        match not_permitted(&cause) {
            Some(missing) => Self::NotPermitted { what, missing },
            None => Self::System { what, cause },
        }
    }
}

/// The capabilities that are missing, where the kernel said that some are.
pub(crate) fn not_permitted(cause: &io::Error) -> Option<Vec<&'static str>> {
    let missing = crate::missing_capabilities();
    (cause.kind() == io::ErrorKind::PermissionDenied && !missing.is_empty()).then_some(missing)
}

/// How another's program is taken off: libxdp's dispatcher by libxdp's loader, as it stands for
/// several programs.
#[must_use]
pub fn detaching(program: &str, interface: &str) -> String {
    if program == "xdp_dispatcher" {
        format!(
            "it is libxdp's, `xdp-loader status {interface}` lists what it runs and \
             `xdp-loader unload {interface} --all` takes that off"
        )
    } else {
        "detach it with its own tool".to_owned()
    }
}

/// What helps where the kernel's own words do not say.
fn mend(cause: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(cause) {
        Some(Errno::NOBUFS) => {
            " (its memory exceeds the locked memory limit: \
               raise it with `ulimit -l unlimited`, or give the process CAP_IPC_LOCK)"
        }
        Some(Errno::NETDOWN | Errno::NXIO) => " (the interface is down: `ip link set up`)",
        _ => "",
    }
}
