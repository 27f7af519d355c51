//! What a walk came to, on its way from the program that walks to the one that judges.

use super::{Fragment, Packet, Ports, Stop};
use crate::abi::{Address, FragmentKey};

/// A packet, or why there is none, as numbers all of which are set: what an absent port leaves
/// undefined, the verifier would not let the program store.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Walked {
    source: Address,
    destination: Address,
    /// 0 for a packet, 1 where there is no IP, 2 where it is malformed.
    stop: u32,
    protocol: u8,
    /// 0 for a whole datagram, 1 for its first part, 2 for a later one.
    part: u32,
    identification: u32,
    has_ports: u32,
    ports: [u16; 2],
    tunnel: u32,
    has_outer: u32,
    outer: FragmentKey,
}

impl Walked {
    /// Takes a packet down.
    #[inline(always)]
    pub fn set(&mut self, packet: &Packet) {
        self.source = packet.source;
        self.destination = packet.destination;
        self.stop = 0;
        self.protocol = packet.protocol;
        (self.part, self.identification) = match packet.fragment {
            Fragment::Whole => (0, 0),
            Fragment::First { identification } => (1, identification),
            Fragment::Later { identification, .. } => (2, identification),
        };
        (self.has_ports, self.ports) = match packet.ports {
            Some(Ports { source, destination }) => (1, [source, destination]),
            None => (0, [0, 0]),
        };
        self.tunnel = packet.tunnel;
        self.has_outer = 0;
        if let Some(outer) = packet.outer {
            self.has_outer = 1;
            self.outer = outer;
        }
    }

    /// Takes down why there is no packet.
    #[inline(always)]
    pub fn set_stop(&mut self, stop: Stop) {
        self.stop = match stop {
            Stop::NotIp | Stop::Layered => 1,
            Stop::Cut(_) | Stop::Malformed(_) | Stop::TooDeep(_) => 2,
        };
    }

    /// The packet as far as a verdict looks at it: without offsets.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[inline(always)]
    pub fn get(&self) -> Result<Packet, Stop> {
        match self.stop {
            0 => {}
            1 => return Err(Stop::NotIp),
            _ => return Err(Stop::Malformed(0)),
        }
        let identification = self.identification;
        let [source, destination] = self.ports;
        Ok(Packet {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            network_offset: 0,
            transport_offset: 0,
            end: 0,
            fragment: match self.part {
                0 => Fragment::Whole,
                1 => Fragment::First { identification },
                _ => Fragment::Later { identification, offset: 0, more: false },
            },
            ports: (self.has_ports != 0).then_some(Ports { source, destination }),
            tunnel: self.tunnel,
            outer: (self.has_outer != 0).then_some(self.outer),
        })
    }
}
