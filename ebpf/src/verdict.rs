//! Which packet is kept, and why: a pure function of the headers and the maps.
//!
//! The cheapest test comes first, and a stranger's packet leaves at the prefilter.
//! The clock is read once, and only when something is about to be kept or remembered: a reading
//! costs several times the whole header walk.

use crate::{
    abi::{Address, Config, Counter, Deadline, Endpoint, FragmentKey, Reason},
    headers::{Fragment, Packet, SCTP, Stop, TCP, UDP},
};

/// What the verdict looks up: BPF maps in the kernel, ordinary collections on the host.
pub trait Maps {
    /// The configuration in force.
    fn config(&self) -> Config;

    /// Whether signalling uses this port, as source or destination.
    fn signalling_port(&self, port: u16) -> bool;

    /// Whether this may be an open endpoint; it is never wrong about one that is.
    fn prefilter(&self, endpoint: &Endpoint) -> bool;

    /// The deadline of an open endpoint.
    fn endpoint(&self, endpoint: &Endpoint) -> Option<Deadline>;

    /// The deadline of the longest open prefix this address lies in.
    fn prefix(&self, address: &Address) -> Option<Deadline>;

    /// When the first fragment of this datagram was filtered, boot clock nanoseconds.
    fn stranger(&self, key: &FragmentKey) -> Option<u64>;

    /// Remembers that the first fragment of this datagram was filtered.
    fn remember_stranger(&self, key: &FragmentKey, now_ns: u64);

    /// Forgets it: a kept datagram has taken the same identification.
    fn forget_stranger(&self, key: &FragmentKey);

    /// The boot clock now, in nanoseconds.
    fn now(&self) -> u64;
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to user space.
    Keep {
        /// Why.
        reason: Reason,
        /// When, on the boot clock, in nanoseconds.
        at_ns: u64,
    },
    /// No warrant asks for it; the counter says how that was found.
    Filter(Counter),
}

/// How long a filtered first fragment speaks for the later ones.
///
/// It is short, as the identification of IPv4 comes round after 65,536 datagrams: a later fragment
/// that overtakes the first of its own datagram must not be taken for an old stranger's.
pub const STRANGER_LIFETIME_NS: u64 = 500_000_000;

/// Judges one packet.
///
/// With no warrant in force nothing is kept, whatever the maps hold.
///
/// A first fragment is judged by its ports, like a whole datagram.
/// A later fragment has none: it is filtered if the first of its datagram was, and otherwise kept,
/// so that it follows its first fragment in any order and across queues.
/// Every fragment kept says [`Reason::Fragment`], for user space must first put the datagram
/// together, and forgets what no warrant asks for.
#[inline(always)]
pub fn verdict<M: Maps>(maps: &M, walked: &Result<Packet, Stop>) -> Verdict {
    let config = maps.config();
    if config.signalling_not_after_ns == 0 {
        return Verdict::Filter(Counter::FilteredNoWarrant);
    }
    let packet = match walked {
        Ok(packet) => packet,
        // Who walks a layered frame does so before it asks.
        Err(Stop::NotIp | Stop::Layered) => return Verdict::Filter(Counter::FilteredNotIp),
        Err(Stop::Cut(_) | Stop::Malformed(_) | Stop::TooDeep(_)) => {
            return Verdict::Filter(Counter::FilteredMalformed);
        }
    };
    if packet.outer.is_some() {
        return first_fragment(maps, &config, packet);
    }
    match packet.fragment {
        Fragment::Whole => by_headers(maps, &config, packet),
        Fragment::First { .. } => first_fragment(maps, &config, packet),
        Fragment::Later { .. } => later_fragment(maps, &config, packet),
    }
}

/// Judges by ports and addresses.
#[inline(always)]
fn by_headers<M: Maps>(maps: &M, config: &Config, packet: &Packet) -> Verdict {
    if let Some(ports) = packet.ports {
        if maps.signalling_port(ports.source) || maps.signalling_port(ports.destination) {
            let deadline = Deadline { not_after_ns: config.signalling_not_after_ns };
            if let Some(verdict) = held(maps, config, Reason::Signalling, deadline) {
                return verdict;
            }
        }
        let source = Endpoint::new(packet.source, ports.source);
        if let Some(verdict) = by_endpoint(maps, config, &source) {
            return verdict;
        }
        let destination = Endpoint::new(packet.destination, ports.destination);
        if let Some(verdict) = by_endpoint(maps, config, &destination) {
            return verdict;
        }
    }
    if config.prefixes != 0 {
        for address in [&packet.source, &packet.destination] {
            if let Some(deadline) = maps.prefix(address)
                && let Some(verdict) = held(maps, config, Reason::Prefix, deadline)
            {
                return verdict;
            }
        }
    }
    Verdict::Filter(Counter::FilteredNotTarget)
}

/// Judges by one end of the packet's stream, or leaves it to the tests that follow.
#[inline(always)]
fn by_endpoint<M: Maps>(maps: &M, config: &Config, endpoint: &Endpoint) -> Option<Verdict> {
    if !maps.prefilter(endpoint) {
        return None;
    }
    held(maps, config, Reason::Endpoint, maps.endpoint(endpoint)?)
}

/// Holds what was found against the clock; `None` when its own deadline has passed, since another
/// entry may still ask for the packet.
#[inline(always)]
fn held<M: Maps>(maps: &M, config: &Config, reason: Reason, deadline: Deadline) -> Option<Verdict> {
    let at_ns = maps.now();
    if at_ns > config.signalling_not_after_ns {
        Some(Verdict::Filter(Counter::FilteredNoWarrant))
    } else if deadline.holds_at(at_ns) {
        Some(Verdict::Keep { reason, at_ns })
    } else {
        None
    }
}

/// Judges the beginning of a datagram, and remembers it for its later fragments.
#[inline(always)]
fn first_fragment<M: Maps>(maps: &M, config: &Config, packet: &Packet) -> Verdict {
    let Some(key) = packet.fragment_key() else {
        return Verdict::Filter(Counter::FilteredNotTarget);
    };
    let verdict = if packet.ports.is_none() && matches!(packet.protocol, UDP | TCP | SCTP) {
        // Too short to hold its ports (RFC 1858 §3), or a later fragment in the first one of a
        // tunnel's packet: only the whole datagram can tell.
        kept_fragment(maps, config)
    } else {
        by_headers(maps, config, packet)
    };
    match verdict {
        Verdict::Keep { at_ns, .. } => {
            maps.forget_stranger(&key);
            Verdict::Keep { reason: Reason::Fragment, at_ns }
        }
        filtered => {
            maps.remember_stranger(&key, maps.now());
            filtered
        }
    }
}

/// Judges a later part of a datagram by what became of its first.
#[inline(always)]
fn later_fragment<M: Maps>(maps: &M, config: &Config, packet: &Packet) -> Verdict {
    let first = packet.fragment_key().and_then(|key| maps.stranger(&key));
    match (kept_fragment(maps, config), first) {
        (Verdict::Keep { at_ns, .. }, Some(since_ns))
            if at_ns.saturating_sub(since_ns) <= STRANGER_LIFETIME_NS =>
        {
            Verdict::Filter(Counter::FilteredFragment)
        }
        (verdict, _) => verdict,
    }
}

/// Keeps a fragment that cannot be judged alone, while a warrant is in force.
#[inline(always)]
fn kept_fragment<M: Maps>(maps: &M, config: &Config) -> Verdict {
    let at_ns = maps.now();
    if at_ns > config.signalling_not_after_ns {
        Verdict::Filter(Counter::FilteredNoWarrant)
    } else {
        Verdict::Keep { reason: Reason::Fragment, at_ns }
    }
}

#[cfg(test)]
mod tests;
