//! Which calls a frame's endpoints belong to, and the records that follow from it.
//!
//! Each worker has a table of its own, kept up to date by [`Command`]s, so that none is shared.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};

use calltap_evidence::record::{Authority, Kind, Record, Way};
use calltap_proto::media::MediaTable;
use calltap_proto::{CallKey, Side};
use litemap::LiteMap;

/// What ties an endpoint to a call: on whose authority, and which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The warrant's authority, which every record needs.
    pub authority: Authority,
    /// The call.
    pub call: CallKey,
}

/// A change to the table of who is listened to.
#[derive(Debug, Clone)]
pub enum Command {
    /// Packets from or to the endpoint are the call's; told again, whoever else sends there is
    /// looked at again.
    Open(SocketAddr, Binding),
    /// Packets between the endpoint and another one of the call may be the call's, though nobody
    /// announced it.
    Presume(SocketAddr, Binding),
    /// Whose the endpoint of the call is.
    Tell(SocketAddr, CallKey, Side),
    /// They are no longer.
    Close(SocketAddr, CallKey),
    /// Packets between this endpoint of the call and this peer are the call's, though nobody
    /// announced the peer.
    Pin(SocketAddr, SocketAddr, CallKey),
    /// They are no longer known to be.
    Unpin(SocketAddr, SocketAddr, CallKey),
    /// Whoever else sends to this endpoint of the call is a stranger.
    Settle(SocketAddr, CallKey),
    /// Packets from or to the network are the warrant's.
    OpenNetwork(Network, Binding),
    /// They are no longer; also where several targets of the warrant had named it.
    CloseNetwork(Network, u32),
    /// The warrant's authority is another one: it was modified.
    Renew(Authority),
    /// The warrant has ended: nothing is kept for it any more.
    Forget(u32),
}

/// The addresses of an `ip:` target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// First address.
    pub address: IpAddr,
    /// Leading bits that must agree.
    pub length: u8,
}

impl Network {
    /// Whether `address` is one of its addresses.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(self.length)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.leading_zeros() >= u32::from(self.length)
            }
            _ => false,
        }
    }
}

/// The table: exact endpoints of calls, and the networks of address targets.
#[derive(Debug, Default)]
pub struct Content {
    endpoints: MediaTable<Open>,
    /// The learned peers of each announced endpoint, and whose they are.
    pins: HashMap<SocketAddr, Pins>,
    networks: Vec<(Network, Binding)>,
}

type Pins = LiteMap<SocketAddr, Vec<CallKey>>;

/// An endpoint of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    binding: Binding,
    /// Its peers are known, and whoever else sends there is a stranger.
    settled: bool,
    /// Whose it is, where that is to be told.
    side: Side,
    /// Nobody announced it: it is where a NAT may have put one that was.
    presumed: bool,
}

/// What a call has to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It announced both ends; `fresh` where nothing has been heard from there yet.
    Certain {
        /// The receiving end is not settled.
        fresh: bool,
    },
    /// It announced one end, and has learned the other.
    Learned,
    /// It announced this end, and knows nothing of the other.
    Doubtful(SocketAddr),
}

/// What the thread that follows calls must be shown of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing.
    None,
    /// It is recorded, and is the first between two announced ends.
    Witness,
    /// It is not recorded for every call that it may belong to.
    Undecided,
}

/// The frame that a record is made of.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Capture time, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// The volume's interface number.
    pub interface: u32,
    /// Length on the wire.
    pub original_len: u32,
    /// The frame, link header first.
    pub frame: &'a [u8],
}

impl Content {
    /// Carries out a change.
    pub fn apply(&mut self, command: Command) {
        match command {
            Command::Open(endpoint, binding) => self.open(endpoint, binding, false),
            Command::Presume(endpoint, binding) => self.open(endpoint, binding, true),
            Command::Close(endpoint, call) => {
                self.endpoints.close(endpoint, |open| open.binding.call == call);
                self.unpin(endpoint, |_, owner| owner == call);
            }
            Command::Pin(endpoint, peer, call) => {
                let owners = self.pins.entry(endpoint).or_default().entry(peer).or_default();
                if !owners.contains(&call) {
                    owners.push(call);
                }
            }
            Command::Unpin(endpoint, peer, call) => {
                self.unpin(endpoint, |it, owner| it == peer && owner == call);
            }
            Command::Tell(endpoint, call, side) => {
                for open in self.endpoints.bindings_mut(endpoint) {
                    if open.binding.call == call {
                        open.side = side;
                    }
                }
            }
            Command::Settle(endpoint, call) => self.settle(endpoint, |it| it.call == call),
            Command::OpenNetwork(network, binding) => self.networks.push((network, binding)),
            Command::CloseNetwork(network, warrant) => self
                .networks
                .retain(|(open, binding)| *open != network || binding.call.warrant != warrant),
            Command::Renew(authority) => {
                let endpoints = self.endpoints.iter_mut().map(|open| &mut open.binding);
                let networks = self.networks.iter_mut().map(|(_, binding)| binding);
                endpoints
                    .chain(networks)
                    .filter(|binding| binding.call.warrant == authority.warrant())
                    .for_each(|binding| binding.authority = authority);
            }
            Command::Forget(warrant) => {
                self.endpoints.retain(|open| open.binding.call.warrant != warrant);
                self.pins.retain(|_, pins| {
                    take_away(pins, |_, owner| owner.warrant == warrant);
                    !pins.is_empty()
                });
                self.networks.retain(|(_, binding)| binding.call.warrant != warrant);
            }
        }
    }

    fn open(&mut self, endpoint: SocketAddr, binding: Binding, presumed: bool) {
        let side = self.side(endpoint, binding.call);
        self.endpoints.close(endpoint, |open| open.binding.call == binding.call);
        self.endpoints.open(endpoint, Open { binding, settled: false, side, presumed });
    }

    fn unpin(&mut self, endpoint: SocketAddr, which: impl Fn(SocketAddr, CallKey) -> bool) {
        let Entry::Occupied(mut pins) = self.pins.entry(endpoint) else { return };
        take_away(pins.get_mut(), which);
        if pins.get().is_empty() {
            pins.remove();
        }
    }

    fn settle(&mut self, endpoint: SocketAddr, which: impl Fn(&Binding) -> bool) {
        for open in self.endpoints.bindings_mut(endpoint) {
            open.settled |= which(&open.binding);
        }
    }

    fn side(&self, endpoint: SocketAddr, call: CallKey) -> Side {
        let mut bound = self.endpoints.bindings(endpoint).iter();
        bound.find(|open| open.binding.call == call).map(|open| open.side).unwrap_or_default()
    }

    /// Whether a packet of a call goes the way that its warrant orders.
    ///
    /// Where one end alone is announced, the other is that of the other side; an end that both or
    /// neither of the sides have tells nothing.
    fn is_ordered(&self, binding: &Binding, source: SocketAddr, destination: SocketAddr) -> bool {
        if binding.authority.direction().is_none() {
            return true;
        }
        let known = |endpoint| self.endpoints.bindings(endpoint).iter();
        let of_call = |endpoint| known(endpoint).find(|it| it.binding.call == binding.call);
        let side = |endpoint| of_call(endpoint).map(|open| open.side);
        let way = match (side(source), side(destination)) {
            (Some(Side::Target), Some(Side::Target)) => Way { from_target: true, to_target: true },
            (Some(Side::Target), Some(Side::Peer) | None) | (None, Some(Side::Peer)) => {
                Way { from_target: true, to_target: false }
            }
            (Some(Side::Peer) | None, Some(Side::Target)) | (Some(Side::Peer), None) => {
                Way { from_target: false, to_target: true }
            }
            _ => Way::default(),
        };
        binding.authority.covers(way)
    }

    /// Makes a record of a packet whose call is known, if its warrant orders it.
    pub fn keep_for<'a>(
        &self,
        binding: &Binding,
        seen: Seen<'a>,
        (source, destination): (SocketAddr, SocketAddr),
        each: &mut impl FnMut(Record<'a>),
    ) {
        if self.is_ordered(binding, source, destination) {
            seen.record(binding, each);
        }
    }

    /// The last nanosecond at which some call's warrant lets packets of `endpoint` be kept.
    pub fn until_ns(&self, endpoint: SocketAddr) -> Option<u64> {
        let bindings = self.endpoints.bindings(endpoint).iter();
        bindings.map(|open| open.binding.authority.until_ns()).max()
    }

    /// The endpoints that are open for a warrant, and the call of each.
    pub fn endpoints_of(&self, warrant: u32) -> Vec<(SocketAddr, CallKey)> {
        let mut found = Vec::new();
        for (endpoint, bound) in self.endpoints.iter() {
            let calls = bound.iter().map(|open| open.binding.call);
            found.extend(calls.filter(|it| it.warrant == warrant).map(|call| (endpoint, call)));
        }
        found
    }

    /// The networks that are open for a warrant, and the call that each counts as.
    pub fn networks_of(&self, warrant: u32) -> Vec<(Network, CallKey)> {
        let of = self.networks.iter().filter(|(_, binding)| binding.call.warrant == warrant);
        of.map(|(network, binding)| (*network, binding.call)).collect()
    }

    /// The authorities on which packets of exactly this network are kept.
    pub fn authorities_of(&self, network: Network) -> impl Iterator<Item = Authority> {
        let of = self.networks.iter().filter(move |(open, _)| *open == network);
        of.map(|(_, binding)| binding.authority)
    }

    /// The last nanosecond at which some warrant lets packets of `address` be kept.
    pub fn network_until_ns(&self, address: IpAddr) -> Option<u64> {
        let covering = self.networks.iter().filter(|(network, _)| network.contains(address));
        covering.map(|(_, binding)| binding.authority.until_ns()).max()
    }

    /// Whose a packet is by its ends: each call with the strongest claim there is, once a warrant
    /// where the claim is no doubt.
    ///
    /// A packet both of whose ends are endpoints of one call is that call's alone, and so is one
    /// whose other end was learned: some answerers give all their calls one port.
    pub fn claims(
        &self,
        source: SocketAddr,
        destination: SocketAddr,
        mut each: impl FnMut(&Binding, Claim),
    ) {
        let from = self.endpoints.bindings(source);
        let to = self.endpoints.bindings(destination);
        if from.is_empty() && to.is_empty() {
            return;
        }
        let certain = from.iter().filter(|open| !open.presumed).filter_map(|open| {
            let other = other(open, to).filter(|other| !other.presumed)?;
            Some((open, !other.settled))
        });
        if first_of_warrants(certain, |it, fresh| each(it, Claim::Certain { fresh })) {
            return;
        }
        let pinned = |endpoint, peer| -> &[CallKey] {
            let owners = self.pins.get(&endpoint).and_then(|pins| pins.get(&peer));
            owners.map_or(&[], Vec::as_slice)
        };
        let (sends, receives) = (pinned(source, destination), pinned(destination, source));
        let is_learned = |owners: &[CallKey], open: &Open| owners.contains(&open.binding.call);
        let learned = from
            .iter()
            .filter(|open| is_learned(sends, open))
            .chain(to.iter().filter(|open| is_learned(receives, open)))
            .map(|open| (open, false));
        if first_of_warrants(learned, |it, _| each(it, Claim::Learned)) {
            return;
        }
        for (side, end, others, peer) in
            [(from, source, to, destination), (to, destination, from, source)]
        {
            for open in side.iter().filter(|open| !open.settled) {
                // Of two presumed ends one has the flow; one alone has nothing to say.
                let is_pair = || end < peer && other(open, others).is_some_and(|it| it.presumed);
                if open.presumed && !is_pair() {
                    continue;
                }
                each(&open.binding, Claim::Doubtful(end));
            }
        }
    }

    /// Has what is known of a packet's ends brought near, ahead of [`Content::keep`]: media is of
    /// calls at random, and each packet alone would wait for it. What it gives means nothing.
    pub fn bring_near(&self, source: SocketAddr, destination: SocketAddr) -> [u32; 2] {
        let near = |end| self.endpoints.bindings(end).first().map_or(0, |it| it.binding.call.cin);
        [near(source), near(destination)]
    }

    /// Makes a record of the frame for each call and warrant that it belongs to.
    ///
    /// `each` gets records whose warrant is in force at the frame's time; for the others there is
    /// no authority. What cannot be decided by the ends alone is for whoever owns the calls.
    pub fn keep<'a>(
        &self,
        seen: Seen<'a>,
        source: SocketAddr,
        destination: SocketAddr,
        mut each: impl FnMut(Record<'a>),
    ) -> Doubt {
        let mut doubt = Doubt::None;
        self.claims(source, destination, |binding, claim| match claim {
            Claim::Doubtful(_) => doubt = Doubt::Undecided,
            Claim::Certain { fresh } => {
                if fresh {
                    doubt = Doubt::Witness;
                }
                self.keep_for(binding, seen, (source, destination), &mut each);
            }
            Claim::Learned => self.keep_for(binding, seen, (source, destination), &mut each),
        });
        self.keep_of_networks(seen, source, destination, &mut each);
        doubt
    }

    /// A packet between these announced ends has been shown: the next one need not be.
    pub fn witnessed(&mut self, source: SocketAddr, destination: SocketAddr) {
        let calls: Vec<_> =
            self.endpoints.bindings(source).iter().map(|open| open.binding.call).collect();
        self.settle(destination, |it| calls.contains(&it.call));
    }

    /// Whether a network of the warrant has either end, so that every packet is its own anyway.
    pub fn covers(&self, warrant: u32, source: SocketAddr, destination: SocketAddr) -> bool {
        self.networks.iter().any(|(network, binding)| {
            binding.call.warrant == warrant
                && (network.contains(source.ip()) || network.contains(destination.ip()))
        })
    }

    fn keep_of_networks<'a>(
        &self,
        seen: Seen<'a>,
        source: SocketAddr,
        destination: SocketAddr,
        each: &mut impl FnMut(Record<'a>),
    ) {
        for (network, binding) in &self.networks {
            if network.contains(source.ip()) || network.contains(destination.ip()) {
                let mut explained = false;
                self.claims(source, destination, |owner, claim| {
                    let warrant = owner.call.warrant == binding.call.warrant;
                    explained |= warrant && !matches!(claim, Claim::Doubtful(_));
                });
                let way = Way {
                    from_target: network.contains(source.ip()),
                    to_target: network.contains(destination.ip()),
                };
                if !explained && binding.authority.covers(way) {
                    seen.record(binding, each);
                }
            }
        }
    }
}

/// Takes away the owners of peers that `which` chooses, and peers that nobody owns then.
fn take_away(pins: &mut Pins, which: impl Fn(SocketAddr, CallKey) -> bool) {
    for (&peer, owners) in pins.iter_mut() {
        owners.retain(|&owner| !which(peer, owner));
    }
    pins.retain(|_, owners| !owners.is_empty());
}

/// The same call's at the other end.
fn other<'a>(open: &Open, ends: &'a [Open]) -> Option<&'a Open> {
    ends.iter().find(|it| it.binding.call == open.binding.call)
}

/// Gives `each` the first binding of each warrant; says whether there was any.
fn first_of_warrants<'a>(
    found: impl Iterator<Item = (&'a Open, bool)> + Clone,
    mut each: impl FnMut(&Binding, bool),
) -> bool {
    let mut any = false;
    for (place, (open, fresh)) in found.clone().enumerate() {
        let warrant = open.binding.call.warrant;
        if !found.clone().take(place).any(|(it, _)| it.binding.call.warrant == warrant) {
            each(&open.binding, fresh);
            any = true;
        }
    }
    any
}

impl<'a> Seen<'a> {
    /// Gives `each` the record that the binding's warrant permits, if it does.
    fn record(self, binding: &Binding, each: &mut impl FnMut(Record<'a>)) {
        let made = Record::new(
            &binding.authority,
            self.at_ns,
            binding.call.cin,
            Kind::Content,
            self.interface,
            self.frame,
            self.original_len,
            None,
            None,
        );
        if let Ok(record) = made {
            each(record);
        }
    }
}
