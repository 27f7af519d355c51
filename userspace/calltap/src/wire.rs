//! The interfaces of a run: sockets first, then the filter, so that no frame finds a queue without a
//! socket.

use anyhow::{Context as _, bail};
use calltap_evidence::session::InterfaceFacts;
use calltap_proto::packet::LinkType;
use calltap_xdp::{
    AttachMode, AttachWish, BindMode, Filter, Geometry, Interface, LoadOptions, Socket,
};
use tracing::{info, warn};

use crate::config::{Config, Mode};
use crate::placement::{Machine, Placement, Wish};
use crate::polling::Polling;
use crate::recording;

/// The filter on the interfaces, keeping nothing yet, and the sockets of each receive queue.
pub struct Wire {
    /// The filter, attached; it keeps nothing until a deadline is set.
    pub filter: Filter,
    /// Each receive queue of each interface.
    pub queues: Vec<Bound>,
    /// What the volumes say of each interface.
    pub facts: Vec<InterfaceFacts>,
    /// Where the workers run, in the order of the queues, and all other threads.
    pub placement: Placement,
}

/// A receive queue and its sockets.
pub struct Bound {
    /// The volume's number of its interface.
    pub interface: u32,
    /// Where media arrives.
    pub media: Socket,
    /// Where signalling and fragments arrive.
    pub signalling: Socket,
    /// Where the worker is to run the queue's driver itself.
    pub polling: Option<Polling>,
}

/// Frames that may wait for the thread that follows calls: those of a seventh of a second where a
/// thousand calls a second are set up, each by fourteen messages.
const SIGNALLING_RING: u32 = 2048;

impl Wire {
    /// Binds two sockets to each receive queue of each interface, and attaches the filter.
    ///
    /// # Errors
    /// An interface that does not exist, carries the default route or another XDP program, a
    /// privilege that is missing, or processors that this process may not use.
    pub fn open(names: &[String], config: &Config) -> anyhow::Result<Self> {
        let opened: Vec<_> = names.iter().map(|name| Interface::open(name)).collect();
        let multi_buffer = opened.iter().flatten().any(Interface::has_long_frames);
        let options = LoadOptions { max_endpoints: config.max_endpoints, multi_buffer };
        let mut filter = Filter::load(options)?;
        if let Some(refused) = filter.one_buffer_because() {
            warn!("frames are taken from one buffer only, not from several: {refused}");
        }
        filter.configure(match config.mode {
            Mode::Mirror => calltap_xdp::Mode::Mirror,
            Mode::Host => calltap_xdp::Mode::Host,
        });
        filter.set_signalling_ports(&config.signalling_ports);
        let (mut queues, mut facts) = (Vec::new(), Vec::new());
        for ((number, name), opened) in (0_u32..).zip(names).zip(opened) {
            if facts.iter().any(|known: &InterfaceFacts| known.name == *name) {
                bail!("--interface {name} is there twice: name each interface once");
            }
            if config.mode == Mode::Mirror && carries_default_route(name) {
                bail!(
                    "{name} carries this host's default route, and a mirror port's frames are \
                     dropped: choose the mirror port, or set mode = \"host\""
                );
            }
            let interface = opened?;
            let mut bound = Vec::new();
            for queue in 0..interface.queues() {
                let geometry =
                    Geometry::for_mtu(interface.mtu()).with_frames(config.frames_per_queue);
                let media = Socket::open(&interface, queue, geometry)?;
                let signalling = media.for_signalling(SIGNALLING_RING)?;
                filter.register(&media)?;
                filter.register(&signalling)?;
                if queue == 0 && geometry.exceeds_a_chunk() && !media.takes_long_frames() {
                    warn!(
                        "{name}: this kernel gives no frame above 3,840 bytes to a socket, which \
                         Linux 6.6 and later do: such frames will be lost"
                    );
                }
                bound.push(media.mode());
                let polling = poll(&media, config)?;
                if queue == 0
                    && let Some(mend) = polling.as_ref().and_then(Polling::mend)
                {
                    warn!("{name}: interrupts do not wait while the driver is polled: {mend}");
                }
                queues.push(Bound { interface: number, media, signalling, polling });
            }
            let attached = filter.attach(&interface, AttachWish::Auto)?;
            if let Some(refused) = filter.generic_because(&interface) {
                info!("{name}: generic mode, as the driver refused {refused}");
            }
            let bind = bound.first().context("an interface without a receive queue")?;
            let attached = match attached {
                AttachMode::Native => "native",
                AttachMode::Generic => "generic",
            };
            let bind = match bind {
                BindMode::ZeroCopy => "zero-copy",
                BindMode::Copy => "copy",
            };
            let mode = format!("xdp {attached}, {bind}");
            info!("{name}: {mode}, {} queues, MTU {}", bound.len(), interface.mtu());
            facts.push(InterfaceFacts {
                name: name.clone(),
                link_type: LinkType::Ethernet.number(),
                snaplen: 0,
                filter: recording::filter_text(config),
                mode,
            });
        }
        let placement = place(&queues, config)?;
        info!("placement: {placement}");
        Ok(Self { filter, queues, facts, placement })
    }
}

/// Has the queue's driver left to its worker, where that is asked for.
fn poll(media: &Socket, config: &Config) -> anyhow::Result<Option<Polling>> {
    if !config.prefer_busy_poll {
        return Ok(None);
    }
    media.prefer_busy_poll()?;
    Polling::begin(media.interface().name())
        .map(Some)
        .context("prefer_busy_poll: the kernel's counters cannot be read")
}

/// Where the workers of these queues are to run.
fn place(queues: &[Bound], config: &Config) -> anyhow::Result<Placement> {
    let machine = Machine::this()?;
    let queue = |it: &Bound| machine.queue(it.media.interface().name(), it.media.queue());
    let wish = Wish::of(&config.worker_cpus).context("worker_cpus")?;
    Placement::choose(&wish, queues.iter().map(queue).collect(), &machine)
}

/// Whether the host reaches the world through this interface (`/proc/net/route`, and for IPv6
/// `/proc/net/ipv6_route`): a route to everything, with a gateway or without.
pub fn carries_default_route(name: &str) -> bool {
    let table = |path| std::fs::read_to_string(path).unwrap_or_default();
    let ipv4 = table("/proc/net/route").lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some(name) && fields.next() == Some("00000000")
    });
    let ipv6 = table("/proc/net/ipv6_route").lines().any(|line| {
        let everything = line.starts_with("00000000000000000000000000000000 00 ");
        everything && line.split_whitespace().last() == Some(name)
    });
    ipv4 || ipv6
}
