//! The XDP program: the header walk and the verdict over BPF maps, then redirect, pass or drop.
//!
//! It decides nothing itself: what is kept, and why, stands in `verdict.rs`.
//! Of a frame in several buffers (`xdp.frags`, jumbo frames) only the first is looked at: it holds
//! every header, and the kernel redirects the whole frame.

#![allow(unsafe_code, reason = "packet and map memory is reached by address alone in BPF")]

use core::{arch::asm, mem::size_of, panic::PanicInfo};

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_MMAPABLE, xdp_action},
    helpers::{bpf_ktime_get_boot_ns, bpf_xdp_adjust_meta},
    macros::{map, xdp},
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, XskMap, lpm_trie::Key},
    programs::XdpContext,
};
use calltap_ebpf::{
    abi::{
        Address, Config, Counter, Deadline, Endpoint, FragmentKey, InterfaceSlots, MAX_INTERFACES,
        MAX_PREFIXES, MAX_SOCKETS, MAX_STRANGERS, Mark, Mode, PORT_WORDS, PrefilterBits, Reason,
        SLOTS_PER_QUEUE, port_bit,
    },
    headers::{Bytes, Cursor, Level, Packet, Stop, Walked, walk_ethernet, walk_level},
    verdict::{Maps, Verdict, verdict},
};

#[map]
static CONFIG: Array<Config> = Array::with_max_entries(1, BPF_F_MMAPABLE);

#[map]
static SIGNALLING_PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, BPF_F_MMAPABLE);

/// Sized by the loader; its word count less one stands in [`CONFIG`].
#[map]
static PREFILTER: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Sized by the loader.
/// Not an LRU map: a flood must never evict a target.
#[map]
static ENDPOINTS: HashMap<Endpoint, Deadline> = HashMap::with_max_entries(1, 0);

#[map]
static PREFIXES: LpmTrie<Address, Deadline> = LpmTrie::with_max_entries(MAX_PREFIXES, 0);

/// An LRU map, as it holds strangers only.
#[map]
static STRANGER_FRAGMENTS: LruHashMap<FragmentKey, u64> =
    LruHashMap::with_max_entries(MAX_STRANGERS, 0);

#[map]
static INTERFACES: HashMap<u32, InterfaceSlots> = HashMap::with_max_entries(MAX_INTERFACES, 0);

#[map]
static XSKS: XskMap = XskMap::with_max_entries(MAX_SOCKETS, 0);

#[map]
static COUNTERS: PerCpuArray<[u64; Counter::COUNT]> = PerCpuArray::with_max_entries(1, 0);

/// Where a layered frame goes on: [`calltap_level`], and at last [`calltap_layered`].
///
/// Each is a program of its own, so that neither the verifier nor the stack has to hold both.
#[map]
static STEPS: ProgramArray = ProgramArray::with_max_entries(2, 0);

/// Where the walk of a layered frame goes on.
#[map]
static CURSOR: PerCpuArray<Cursor> = PerCpuArray::with_max_entries(1, 0);

/// What the walk of a layered frame came to.
///
#[map]
static WALKED: PerCpuArray<Walked> = PerCpuArray::with_max_entries(1, 0);

/// Judges each frame an interface receives.
#[xdp(frags)]
fn calltap(context: XdpContext) -> u32 {
    let (Some(config), Some(counters)) = (CONFIG.get(0), COUNTERS.get_ptr_mut(0)) else {
        // Never: both maps have an entry 0.
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: the pointer is to this CPU's counters, which no other run of the program interrupts.
    let counters = unsafe { &mut *counters };
    counters[Counter::Seen as usize] += 1;
    let (action, counter) = judge(&context, config);
    counters[counter as usize] += 1;
    action
}

/// The action for a frame, and what it is counted as; a layered frame is judged elsewhere.
#[inline(always)]
fn judge(context: &XdpContext, config: &'static Config) -> (u32, Counter) {
    let frame = Frame::<false>::of(context);
    let host = config.mode == Mode::Host as u32;
    if host && is_for_the_host(context, &frame) {
        return PASS;
    }
    if config.signalling_not_after_ns == 0 {
        return filter(config, Counter::FilteredNoWarrant);
    }
    let walked = walk_ethernet(&frame);
    if walked == Err(Stop::Layered) {
        go_deeper(context, Cursor::ETHERNET);
    }
    decide(context, config, &walked)
}

/// Walks a frame's headers and judges nothing: what the verdict's own cost is held against.
///
/// It is loaded by benches alone, and attached by nobody.
#[xdp(frags)]
fn calltap_walk(context: XdpContext) -> u32 {
    let Ok(packet) = walk_ethernet(&Frame::<false>::of(&context)) else {
        return xdp_action::XDP_ABORTED;
    };
    // The compiler would leave out what nobody looks at.
    let [a, b]: [u64; 2] = zerocopy::transmute!(packet.source);
    let [c, d]: [u64; 2] = zerocopy::transmute!(packet.destination);
    let ports = packet.ports.map_or(0, |ports| u64::from(ports.source ^ ports.destination));
    if a ^ b ^ c ^ d ^ ports == 1 { xdp_action::XDP_PASS } else { xdp_action::XDP_DROP }
}

/// Walks one level of a layered frame, and goes on with the next or with the verdict.
#[xdp(frags)]
fn calltap_level(context: XdpContext) -> u32 {
    let (Some(cursor), Some(place)) = (CURSOR.get(0), WALKED.get_ptr_mut(0)) else {
        // Never: both maps have an entry 0.
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: the pointer is to this CPU's entry, which no other run of the program interrupts.
    let walked = unsafe { &mut *place };
    match walk_level(&Frame::<true>::of(&context), cursor) {
        Ok(Level::Packet(packet)) => walked.set(&packet),
        Ok(Level::Deeper { cursor, .. }) => {
            go_deeper(&context, cursor);
            walked.set_stop(Stop::Layered);
        }
        Err(stop) => walked.set_stop(stop),
    }
    // SAFETY: entry 1 is a program of this object, which the loader has put there.
    unsafe { STEPS.tail_call(&context, 1) };
    xdp_action::XDP_ABORTED
}

/// Judges a layered frame by what its walk came to.
#[xdp(frags)]
fn calltap_layered(context: XdpContext) -> u32 {
    let (Some(config), Some(walked), Some(counters)) =
        (CONFIG.get(0), WALKED.get(0), COUNTERS.get_ptr_mut(0))
    else {
        // Never: all three maps have an entry 0.
        return xdp_action::XDP_ABORTED;
    };
    let (action, counter) = decide(&context, config, &walked.get());
    // SAFETY: the pointer is to this CPU's counters, which no other run of the program interrupts.
    let counters = unsafe { &mut *counters };
    counters[counter as usize] += 1;
    action
}

/// Goes on with [`calltap_level`] at `cursor`; comes back only where that is not loaded.
#[inline(always)]
fn go_deeper(context: &XdpContext, cursor: Cursor) {
    if let Some(place) = CURSOR.get_ptr_mut(0) {
        // SAFETY: the pointer is to this CPU's cursor, which no other run of the program
        // interrupts.
        unsafe { place.write(cursor) };
        // SAFETY: entry 0 is a program of this object, which the loader has put there.
        unsafe { STEPS.tail_call(context, 0) };
    }
}

/// The action that the verdict asks for.
#[inline(always)]
fn decide(
    context: &XdpContext,
    config: &'static Config,
    walked: &Result<Packet, Stop>,
) -> (u32, Counter) {
    match verdict(&Kernel { config }, walked) {
        Verdict::Keep { reason, at_ns } => keep(context, reason, at_ns),
        Verdict::Filter(counter) => filter(config, counter),
    }
}

/// What becomes of a frame that no warrant asks for.
#[inline(always)]
fn filter(config: &Config, counter: Counter) -> (u32, Counter) {
    if config.mode == Mode::Host as u32 { PASS } else { (xdp_action::XDP_DROP, counter) }
}

const PASS: (u32, Counter) = (xdp_action::XDP_PASS, Counter::Passed);

/// Marks the frame and gives it to the socket of its queue.
#[inline(always)]
fn keep(context: &XdpContext, reason: Reason, at_ns: u64) -> (u32, Counter) {
    const NO_SOCKET: (u32, Counter) = (xdp_action::XDP_DROP, Counter::LostNoSocket);

    let queue = context.rx_queue_index();
    let Some(slot) = slot(context, queue, reason) else {
        return NO_SOCKET;
    };
    let mark = Mark { arrival_ns: at_ns, reason: reason as u32, queue };
    if !write_mark(context, mark) {
        return (xdp_action::XDP_DROP, Counter::LostNoMetadata);
    }
    let Ok(redirect) = XSKS.redirect(slot, 0) else {
        // The slot is empty: nobody has bound this queue.
        return NO_SOCKET;
    };
    let kept = match reason {
        Reason::Signalling => Counter::KeptSignalling,
        Reason::Fragment => Counter::KeptFragment,
        Reason::Endpoint => Counter::KeptEndpoint,
        Reason::Prefix => Counter::KeptPrefix,
    };
    (redirect, kept)
}

/// The XSKMAP slot for a frame, among those of the queue it came by.
#[inline(always)]
fn slot(context: &XdpContext, queue: u32, reason: Reason) -> Option<u32> {
    let interface = interface(context)?;
    let slot = interface.first_slot + queue * SLOTS_PER_QUEUE + reason.slot();
    (queue < interface.queues).then_some(slot)
}

#[inline(always)]
fn interface(context: &XdpContext) -> Option<&'static InterfaceSlots> {
    #[expect(clippy::cast_possible_truncation, reason = "the kernel's field has 32 bits")]
    let index = context.ingress_ifindex() as u32;
    // SAFETY: user space writes an interface's entry before it attaches the program there, and
    // never again.
    unsafe { INTERFACES.get(index) }
}

/// Whether the host's own stack is to have this frame: it is addressed to the interface itself, or
/// to a group (IEEE 802 §8.2), or nobody has said what the interface's address is.
#[inline(always)]
fn is_for_the_host(context: &XdpContext, frame: &Frame<false>) -> bool {
    // One step at a time: tested together, the optimiser computes with what was never loaded, and
    // the verifier refuses that.
    let Some(interface) = interface(context) else {
        return true;
    };
    let Some(tail) = frame.u16(4) else {
        return true;
    };
    let Some(head) = frame.u32(0) else {
        return true;
    };
    let [a, b, c, d, e, f] = interface.mac;
    let group = head & 0x0100_0000 != 0;
    group || (head == u32::from_be_bytes([a, b, c, d]) && tail == u16::from_be_bytes([e, f]))
}

/// Writes `mark` into the 16 bytes ahead of the frame, where AF_XDP delivers it.
#[inline(always)]
fn write_mark(context: &XdpContext, mark: Mark) -> bool {
    const LENGTH: usize = size_of::<Mark>();
    // The area may already be there: drivers put hints in it, and a repeated test run finds the
    // last run's.
    let present = context.data().wrapping_sub(context.metadata());
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most 255")]
    let change = present as i32 - LENGTH as i32;
    // SAFETY: the context is the one the kernel gave this run.
    if unsafe { bpf_xdp_adjust_meta(context.as_ptr().cast(), change) } != 0 {
        return false;
    }
    // Adjusting invalidated all packet addresses: read them again.
    let at = context.metadata();
    if at + LENGTH > context.data() {
        return false;
    }
    // SAFETY: `at` and the 16 bytes after it lie within the metadata area, as just checked, and
    // the kernel aligns that area to four bytes.
    unsafe { (at as *mut [u32; 4]).write(zerocopy::transmute!(mark)) };
    true
}

/// The maps of this program, and the configuration as this run found it.
struct Kernel {
    config: &'static Config,
}

impl Maps for Kernel {
    #[inline(always)]
    fn config(&self) -> Config {
        *self.config
    }

    #[inline(always)]
    fn signalling_port(&self, port: u16) -> bool {
        let (word, bit) = port_bit(port);
        SIGNALLING_PORTS.get(word).is_some_and(|word| word & bit != 0)
    }

    #[inline(always)]
    fn prefilter(&self, endpoint: &Endpoint) -> bool {
        let PrefilterBits { word, bits } = PrefilterBits::of(endpoint, self.config.prefilter_mask);
        PREFILTER.get(word).is_some_and(|word| word & bits == bits)
    }

    #[inline(always)]
    fn endpoint(&self, endpoint: &Endpoint) -> Option<Deadline> {
        // SAFETY: the value is one aligned word, so that a concurrent update cannot tear it.
        unsafe { ENDPOINTS.get(endpoint) }.copied()
    }

    #[inline(always)]
    fn prefix(&self, address: &Address) -> Option<Deadline> {
        PREFIXES.get(Key::new(128, *address)).copied()
    }

    #[inline(always)]
    fn stranger(&self, key: &FragmentKey) -> Option<u64> {
        // SAFETY: the value is one aligned word, so that a concurrent update cannot tear it.
        unsafe { STRANGER_FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn remember_stranger(&self, key: &FragmentKey, now_ns: u64) {
        // A stranger that is not remembered costs needless deliveries, and nothing else.
        let _ = STRANGER_FRAGMENTS.insert(key, now_ns, 0);
    }

    #[inline(always)]
    fn forget_stranger(&self, key: &FragmentKey) {
        // Most datagrams were never remembered.
        let _ = STRANGER_FRAGMENTS.remove(key);
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: the helper reads a clock and takes nothing.
        unsafe { bpf_ktime_get_boot_ns() }
    }
}

/// The frame a run was started for.
///
/// `OPAQUE` hides how an offset was computed: where all of them vary, the compiler would compute the
/// address anew for the load, and the verifier would not know it for the one that was checked.
struct Frame<const OPAQUE: bool> {
    start: usize,
    end: usize,
}

/// No header starts further into a frame; the verifier asks for a bound.
const FURTHEST: usize = 512;

impl<const OPAQUE: bool> Frame<OPAQUE> {
    #[inline(always)]
    fn of(context: &XdpContext) -> Self {
        Self { start: context.data(), end: context.data_end() }
    }

    /// The address of `LENGTH` bytes at `offset`, if they lie within the frame.
    #[inline(always)]
    fn address_of<const LENGTH: usize>(&self, offset: usize) -> Option<usize> {
        let offset = if OPAQUE { hidden(offset) } else { offset };
        if offset > FURTHEST {
            return None;
        }
        let at = self.start + offset;
        (at + LENGTH <= self.end).then_some(at)
    }
}

/// The same number, which the compiler knows nothing of.
#[inline(always)]
fn hidden(mut number: usize) -> usize {
    // An empty template would have a line and no instruction, which the kernel refuses.
    // SAFETY: nothing is added.
    unsafe { asm!("{} += 0", inout(reg) number, options(pure, nomem, nostack, preserves_flags)) };
    number
}

impl<const OPAQUE: bool> Bytes for Frame<OPAQUE> {
    #[inline(always)]
    fn length(&self) -> usize {
        self.end - self.start
    }

    #[inline(always)]
    fn u16(&self, offset: usize) -> Option<u16> {
        let at = self.address_of::<2>(offset)?;
        // SAFETY: two bytes at `at` lie within the frame.
        Some(unsafe { load_u16(at) })
    }

    #[inline(always)]
    fn u32(&self, offset: usize) -> Option<u32> {
        let at = self.address_of::<4>(offset)?;
        // SAFETY: four bytes at `at` lie within the frame.
        Some(u32::from_be(unsafe { load_u32(at) }))
    }

    #[inline(always)]
    fn ipv4(&self, offset: usize) -> Option<Address> {
        let at = self.address_of::<4>(offset)?;
        // SAFETY: four bytes at `at` lie within the frame.
        Some(words([0, 0, 0xffff_0000, unsafe { load_u32(at) }]))
    }

    #[inline(always)]
    fn ipv6(&self, offset: usize) -> Option<Address> {
        let at = self.address_of::<16>(offset)?;
        // SAFETY: sixteen bytes at `at` lie within the frame.
        let a = unsafe { load_u32(at) };
        // SAFETY: as above.
        let b = unsafe { load_u32(at + 4) };
        // SAFETY: as above.
        let c = unsafe { load_u32(at + 8) };
        // SAFETY: as above.
        let d = unsafe { load_u32(at + 12) };
        Some(words([a, b, c, d]))
    }
}

/// An address from its words, as they lie in memory.
#[inline(always)]
fn words(words: [u32; 4]) -> Address {
    zerocopy::transmute!(words)
}

/// Loads 16 bits in network order by one instruction.
///
/// The compiler would load an unaligned number byte by byte, which doubles the work of the walk
/// and of the verifier; the machine has no such need.
///
/// # Safety
///
/// Two bytes at `at` must lie within the frame.
#[inline(always)]
unsafe fn load_u16(at: usize) -> u16 {
    let value: u64;
    // SAFETY: the caller has checked the bytes; a BPF load needs no alignment of packet memory.
    unsafe {
        asm!(
            "{value} = *(u16 *)({at} + 0)",
            at = in(reg) at,
            value = out(reg) value,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    u16::from_be(value as u16)
}

/// Loads 32 bits, as they lie in memory, by one instruction.
///
/// # Safety
///
/// Four bytes at `at` must lie within the frame.
#[inline(always)]
unsafe fn load_u32(at: usize) -> u32 {
    let value: u64;
    // SAFETY: as in `load_u16`.
    unsafe {
        asm!(
            "{value} = *(u32 *)({at} + 0)",
            at = in(reg) at,
            value = out(reg) value,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    value as u32
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // The program has no panic left once it is optimised; the verifier would refuse this loop.
    loop {}
}

/// The helpers used need no GPL licence; this names the project's own.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
