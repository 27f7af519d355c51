//! Which calls a frame's endpoints belong to, and the records that follow from it.
//!
//! Each worker has a table of its own, kept up to date by [`Command`]s, so that none is shared.

use std::net::{IpAddr, SocketAddr};

use calltap_evidence::record::{Authority, Kind, Record};
use calltap_proto::CallKey;
use calltap_proto::media::MediaTable;

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
    /// Packets from or to the endpoint are the call's.
    Open(SocketAddr, Binding),
    /// They are no longer.
    Close(SocketAddr, CallKey),
    /// Packets from or to the network are the warrant's.
    OpenNetwork(Network, Binding),
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
    endpoints: MediaTable<Binding>,
    networks: Vec<(Network, Binding)>,
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
            Command::Open(endpoint, binding) => self.endpoints.open(endpoint, binding),
            Command::Close(endpoint, call) => {
                self.endpoints.close(endpoint, |binding| binding.call == call);
            }
            Command::OpenNetwork(network, binding) => self.networks.push((network, binding)),
            Command::Forget(warrant) => {
                self.endpoints.retain(|binding| binding.call.warrant != warrant);
                self.networks.retain(|(_, binding)| binding.call.warrant != warrant);
            }
        }
    }

    /// The last nanosecond at which some call's warrant lets packets of `endpoint` be kept.
    pub fn until_ns(&self, endpoint: SocketAddr) -> Option<u64> {
        let bindings = self.endpoints.bindings(endpoint).iter();
        bindings.map(|binding| binding.authority.until_ns()).max()
    }

    /// The last nanosecond at which some warrant lets packets of `address` be kept.
    pub fn network_until_ns(&self, address: IpAddr) -> Option<u64> {
        let covering = self.networks.iter().filter(|(network, _)| network.contains(address));
        covering.map(|(_, binding)| binding.authority.until_ns()).max()
    }

    /// Makes a record of the frame for each call and warrant that it belongs to.
    ///
    /// A frame both of whose ends are endpoints of one call is that call's alone: some answerers
    /// give all their calls one port, and the other end tells them apart. `each` gets records
    /// whose warrant is in force at the frame's time; for the others there is no authority.
    pub fn keep<'a>(
        &self,
        seen: Seen<'a>,
        source: SocketAddr,
        destination: SocketAddr,
        mut each: impl FnMut(Record<'a>),
    ) {
        let mut record = |binding: &Binding| {
            let made = Record::new(
                &binding.authority,
                seen.at_ns,
                binding.call.cin,
                Kind::Content,
                seen.interface,
                seen.frame,
                seen.original_len,
                None,
                None,
            );
            if let Ok(record) = made {
                each(record);
            }
        };
        let from = self.endpoints.bindings(source);
        let to = self.endpoints.bindings(destination);
        let bound = |side: &[Binding], call| side.iter().any(|binding| binding.call == call);
        let certain = from.iter().any(|binding| bound(to, binding.call));
        let owns =
            |binding: &&Binding| !certain || (bound(from, binding.call) && bound(to, binding.call));
        let has = |side: &[Binding], warrant| side.iter().any(|it| it.call.warrant == warrant);
        // A warrant gets a frame once, though several of its calls may have announced the endpoint.
        for (place, binding) in from.iter().enumerate().filter(|(_, binding)| owns(binding)) {
            let earlier = from[..place].iter().filter(owns);
            if !earlier.into_iter().any(|it| it.call.warrant == binding.call.warrant) {
                record(binding);
            }
        }
        for (place, binding) in to.iter().enumerate().filter(|_| !certain) {
            let warrant = binding.call.warrant;
            if !has(from, warrant) && !has(&to[..place], warrant) {
                record(binding);
            }
        }
        for (network, binding) in &self.networks {
            let warrant = binding.call.warrant;
            let covered = network.contains(source.ip()) || network.contains(destination.ip());
            let mut owners = from.iter().chain(to).filter(owns);
            if covered && !owners.any(|it| it.call.warrant == warrant) {
                record(binding);
            }
        }
    }
}
