//! The XDP program, loaded, with its maps as typed operations.
//!
//! What the program keeps is decided by `calltap_ebpf::verdict`; what is written here is what it
//! looks up.
//! Every entry carries its own deadline on the boot clock, which the program enforces whether or
//! not this process still lives.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap as BpfHashMap, LpmTrie, MapData, MapError, PerCpuArray, XskMap},
};
use calltap_ebpf::abi::{
    Address, Config, Counter, Deadline, Endpoint, InterfaceSlots, MAX_PREFIXES, MAX_SOCKETS, Mode,
    PORT_WORDS, SLOTS_PER_QUEUE, port_bit,
};

use crate::{Error, Socket};

mod attach;
mod counters;
mod discrepancy;
mod entries;
mod fallback;
mod identity;
mod inspect;
mod ledger;
mod plain;
mod prefilter;
mod prefix;
mod promiscuous;
mod test_run;
mod words;

pub(crate) use attach::program_name;
pub use attach::{AttachMode, AttachWish};
pub use counters::Counters;
pub use discrepancy::Discrepancy;
pub use identity::Identity;
pub use test_run::TestRun;

use inspect::Inspection;
use ledger::Ledger;
use plain::{Plain, map, map_error};
use prefilter::Prefilter;
use prefix::Prefix;
use words::Words;

/// The program as it was built, for frames in one buffer.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("CALLTAP_BPF_OBJECT"));

/// The same for frames in several buffers as well (`xdp.frags`).
static OBJECT_FRAGS: &[u8] = aya::include_bytes_aligned!(env!("CALLTAP_BPF_OBJECT_FRAGS"));

/// What the program is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Media endpoints that can be open at once; two or four make a call.
    pub max_endpoints: u32,
    /// Whether frames may come in several buffers: without, a driver refuses native mode where
    /// the interface's MTU exceeds what one buffer holds.
    ///
    /// Where the kernel cannot do it (before 5.18), it is as if it were not asked for, and
    /// [`Filter::one_buffer_because`] says why.
    pub multi_buffer: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { max_endpoints: 65_536, multi_buffer: false }
    }
}

/// The loaded program and its maps.
///
/// One filter may be attached to several interfaces.
/// Dropping it detaches it everywhere.
pub struct Filter {
    program: Ebpf,
    attached: Vec<attach::Attached>,
    config: Config,
    config_words: Words,
    ports: Box<[u64; PORT_WORDS as usize]>,
    port_words: Words,
    prefilter: Prefilter,
    ledger: Ledger,
    inspection: Inspection,
    endpoints: BpfHashMap<MapData, Plain<Endpoint>, Plain<Deadline>>,
    prefixes: LpmTrie<MapData, Plain<Address>, Plain<Deadline>>,
    interfaces: BpfHashMap<MapData, u32, Plain<InterfaceSlots>>,
    sockets: XskMap<MapData>,
    counters: PerCpuArray<MapData, Plain<[u64; Counter::COUNT]>>,
    max_endpoints: u32,
    open_prefixes: HashMap<Prefix, u64>,
    slots: HashMap<u32, InterfaceSlots>,
    next_slot: u32,
    steps: attach::Steps,
    /// What the program was loaded from.
    object: &'static [u8],
    one_buffer_because: Option<Error>,
}

impl Filter {
    /// Loads the program, attached to nothing and keeping nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], or [`Error::Load`] with what the verifier said last.
    pub fn load(options: LoadOptions) -> Result<Self, Error> {
        let max_endpoints = options.max_endpoints.max(1);
        let prefilter_words = prefilter::words_for(max_endpoints);
        let load = |object| {
            let program = EbpfLoader::new()
                .map_max_entries("ENDPOINTS", max_endpoints)
                .map_max_entries("PREFILTER", prefilter_words)
                .load(object);
            let mut program = program.map_err(|cause| attach::load_error(&cause))?;
            let steps = attach::load_program(&mut program)?;
            Ok::<_, Error>((program, steps, object))
        };
        let ((mut program, steps, object), one_buffer_because) =
            match options.multi_buffer.then(|| load(OBJECT_FRAGS)) {
                Some(Ok(loaded)) => (loaded, None),
                Some(Err(refused)) => (load(OBJECT)?, Some(refused)),
                None => (load(OBJECT)?, None),
            };

        let config = Config { prefilter_mask: prefilter_words - 1, ..Config::default() };
        let config_words = Words::of(&mut program, "CONFIG", words(config).len())?;
        config_words.store_all(&words(config));
        Ok(Self {
            attached: Vec::new(),
            config,
            config_words,
            ports: Box::new([0; PORT_WORDS as usize]),
            port_words: Words::of(&mut program, "SIGNALLING_PORTS", PORT_WORDS as usize)?,
            prefilter: Prefilter::new(Words::of(
                &mut program,
                "PREFILTER",
                prefilter_words as usize,
            )?),
            ledger: Ledger::default(),
            inspection: Inspection::of(&program)?,
            endpoints: map(&mut program, "ENDPOINTS")?,
            prefixes: map(&mut program, "PREFIXES")?,
            interfaces: map(&mut program, "INTERFACES")?,
            sockets: map(&mut program, "XSKS")?,
            counters: map(&mut program, "COUNTERS")?,
            max_endpoints,
            open_prefixes: HashMap::new(),
            slots: HashMap::new(),
            next_slot: 0,
            steps,
            object,
            one_buffer_because,
            program,
        })
    }

    /// Says what becomes of packets no warrant asks for; at first, they are dropped.
    pub fn configure(&mut self, mode: Mode) {
        self.config.mode = mode as u32;
        self.publish_config();
    }

    /// Names the ports that carry signalling, by UDP or TCP, in place of those named before.
    pub fn set_signalling_ports(&mut self, ports: &[u16]) {
        self.ports.fill(0);
        for &port in ports {
            let (word, bit) = port_bit(port);
            self.ports[word as usize] |= bit;
        }
        self.port_words.store_all(&self.ports);
    }

    /// Sets the latest end of any warrant in force, boot clock nanoseconds.
    ///
    /// Past it nothing is kept, whatever is open; 0 says that no warrant is in force.
    pub fn set_signalling_deadline(&mut self, not_after_boot_ns: u64) {
        self.config.signalling_not_after_ns = not_after_boot_ns;
        self.publish_config();
    }

    fn publish_config(&self) {
        self.config_words.store_all(&words(self.config));
    }

    /// Has the packets from and to `endpoint` kept until `not_after_boot_ns` of the boot clock.
    ///
    /// The next packet the kernel receives is already kept.
    /// An endpoint that is open takes the new deadline.
    ///
    /// # Errors
    ///
    /// [`Error::EndpointsFull`], or [`Error::Map`].
    pub fn open_endpoint(
        &mut self,
        endpoint: SocketAddr,
        not_after_boot_ns: u64,
    ) -> Result<(), Error> {
        let endpoint = Endpoint::from(endpoint);
        let is_new = !self.ledger.contains(&endpoint);
        if is_new && self.ledger.len() >= self.max_endpoints as usize {
            return Err(Error::EndpointsFull { max: self.max_endpoints });
        }
        // The bits first: the exact entry is not looked at without them.
        if is_new {
            self.prefilter.insert(&endpoint);
        }
        let written = self.write_endpoint(endpoint, not_after_boot_ns);
        if written.is_err() && is_new {
            self.prefilter.remove(&endpoint);
        }
        written
    }

    fn write_endpoint(&mut self, endpoint: Endpoint, not_after_ns: u64) -> Result<(), Error> {
        let deadline = Plain(Deadline { not_after_ns });
        let written = self.endpoints.insert(Plain(endpoint), deadline, 0);
        written.map_err(map_error("ENDPOINTS"))?;
        self.ledger.write(endpoint, not_after_ns);
        Ok(())
    }

    /// Has the packets of `endpoint` no longer kept; one that is not open stays so.
    ///
    /// # Errors
    ///
    /// [`Error::Map`].
    pub fn close_endpoint(&mut self, endpoint: SocketAddr) -> Result<(), Error> {
        let endpoint = Endpoint::from(endpoint);
        if !self.ledger.contains(&endpoint) {
            return Ok(());
        }
        match self.endpoints.remove(&Plain(endpoint)) {
            // Somebody else was quicker.
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(cause) => return Err(map_error("ENDPOINTS")(cause)),
        }
        self.ledger.erase(&endpoint);
        self.prefilter.remove(&endpoint);
        Ok(())
    }

    /// Has the packets from and to every address of a prefix kept until `not_after_boot_ns` of the
    /// boot clock; one that is open takes the new deadline.
    ///
    /// # Errors
    ///
    /// [`Error::PrefixTooLong`], [`Error::PrefixesFull`], or [`Error::Map`].
    pub fn open_prefix(
        &mut self,
        address: IpAddr,
        prefix_len: u8,
        not_after_boot_ns: u64,
    ) -> Result<(), Error> {
        let prefix = Prefix::new(address, prefix_len)?;
        let full = self.open_prefixes.len() >= MAX_PREFIXES as usize;
        if full && !self.open_prefixes.contains_key(&prefix) {
            return Err(Error::PrefixesFull);
        }
        self.open_prefixes.insert(prefix, not_after_boot_ns);
        self.publish_prefixes(prefix)
    }

    /// Has the packets of a prefix no longer kept; one that is not open stays so.
    ///
    /// # Errors
    ///
    /// [`Error::PrefixTooLong`], or [`Error::Map`].
    pub fn close_prefix(&mut self, address: IpAddr, prefix_len: u8) -> Result<(), Error> {
        let prefix = Prefix::new(address, prefix_len)?;
        if self.open_prefixes.remove(&prefix).is_none() {
            return Ok(());
        }
        match self.prefixes.remove(&prefix.key()) {
            Ok(()) | Err(MapError::KeyNotFound) => {}
            Err(cause) => return Err(map_error("PREFIXES")(cause)),
        }
        self.publish_prefixes(prefix)
    }

    /// Writes the deadlines of all open prefixes within `changed`.
    fn publish_prefixes(&mut self, changed: Prefix) -> Result<(), Error> {
        for &prefix in self.open_prefixes.keys().filter(|prefix| changed.holds(prefix)) {
            let deadline = self.prefix_deadline(prefix);
            self.prefixes
                .insert(&prefix.key(), Plain(deadline), 0)
                .map_err(map_error("PREFIXES"))?;
        }
        self.config.prefixes = u32::try_from(self.open_prefixes.len()).unwrap_or(u32::MAX);
        self.publish_config();
        Ok(())
    }

    /// Until when an open prefix is open.
    ///
    /// The program finds the longest prefix of an address, and that alone: so each says until when
    /// it or any wider one is open.
    fn prefix_deadline(&self, prefix: Prefix) -> Deadline {
        let wider = self.open_prefixes.iter().filter(|(wider, _)| wider.holds(&prefix));
        let not_after_ns = wider.map(|(_, &not_after_ns)| not_after_ns).max().unwrap_or(0);
        Deadline { not_after_ns }
    }

    /// Gives a socket the frames kept from its queue, in place of the queue's sockets before it; or
    /// those that have to be followed, if it is [for signalling](Socket::for_signalling).
    ///
    /// # Errors
    ///
    /// [`Error::SlotsFull`], or [`Error::Map`].
    pub fn register(&mut self, socket: &Socket) -> Result<(), Error> {
        let interface = socket.interface();
        let slots = match self.slots.get(&interface.index()) {
            Some(&slots) => slots,
            None => {
                let end = self.next_slot.saturating_add(interface.queues() * SLOTS_PER_QUEUE);
                if end > MAX_SOCKETS {
                    return Err(Error::SlotsFull);
                }
                let slots = InterfaceSlots {
                    first_slot: self.next_slot,
                    queues: interface.queues(),
                    mac: interface.mac(),
                    reserved: [0; 2],
                };
                self.interfaces
                    .insert(interface.index(), Plain(slots), 0)
                    .map_err(map_error("INTERFACES"))?;
                self.next_slot = end;
                self.slots.insert(interface.index(), slots);
                slots
            }
        };
        let first = slots.first_slot + socket.queue() * SLOTS_PER_QUEUE;
        let count = if socket.is_for_signalling() { 1 } else { SLOTS_PER_QUEUE };
        (first..first + count).try_for_each(|slot| {
            self.sockets.set(slot, socket.as_fd().as_raw_fd(), 0).map_err(map_error("XSKS"))
        })
    }

    /// What has become of every packet so far, by all CPUs together; also after detaching.
    ///
    /// # Errors
    ///
    /// [`Error::Map`].
    pub fn counters(&self) -> Result<Counters, Error> {
        let per_cpu = self.counters.get(&0, 0).map_err(map_error("COUNTERS"))?;
        Ok(Counters::sum(per_cpu.iter().map(|Plain(cpu)| cpu)))
    }
}

/// The configuration as the words the program reads.
fn words(config: Config) -> [u64; 3] {
    zerocopy::transmute!(config)
}
