//! Copies of recorded packets in files of their own, for other programs: pcapng or classic pcap.
//!
//! A copy is no evidence: it is in no manifest, and says at its head where it comes from.

use std::io::{self, Write};
use std::net::IpAddr;

use crate::pcapng::{self, Packet};
use crate::read::VolumePacket;
use crate::session::InterfaceFacts;

/// A copy being written.
#[derive(Debug)]
pub struct Copy<W: Write> {
    out: W,
    format: Format,
    block: Vec<u8>,
}

/// How a copy is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pcapng, with interfaces and comments.
    Pcapng,
    /// Classic pcap with nanoseconds (magic 0xa1b23c4d): one link type, no comments.
    Pcap,
}

/// Magic of a little-endian pcap file whose times have nanoseconds.
const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;

impl<W: Write> Copy<W> {
    /// Begins a copy of packets of these interfaces; `comment` says of what.
    ///
    /// # Errors
    /// `out` cannot be written; or the interfaces have several link types, which classic pcap
    /// cannot hold.
    pub fn begin(
        mut out: W,
        format: Format,
        tool: &str,
        comment: &str,
        interfaces: &[InterfaceFacts],
    ) -> io::Result<Self> {
        match format {
            Format::Pcapng => out.write_all(&pcapng::head(tool, comment, interfaces)?)?,
            Format::Pcap => {
                let link = interfaces.first().map_or(1, |facts| facts.link_type);
                if interfaces.iter().any(|facts| facts.link_type != link) {
                    let what = "classic pcap holds one link type, and these packets have several";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
                }
                let snaplen = u32::try_from(crate::record::MAX_FRAME).unwrap_or(u32::MAX);
                let words = [PCAP_NANOSECONDS, 0x0004_0002, 0, 0, snaplen, u32::from(link)];
                for word in words {
                    out.write_all(&word.to_le_bytes())?;
                }
            }
        }
        Ok(Self { out, format, block: Vec::new() })
    }

    /// Gives addresses names, ahead of the packets; classic pcap has no place for them.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn names(&mut self, names: &[(IpAddr, String)]) -> io::Result<()> {
        match self.format {
            Format::Pcapng => self.out.write_all(&pcapng::names(names)?),
            Format::Pcap => Ok(()),
        }
    }

    /// Appends a packet, which came by the copy's interface of this number.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn packet(&mut self, packet: &VolumePacket<'_>, interface: u32) -> io::Result<()> {
        let VolumePacket { at_ns, original_len, frame, comment, .. } = *packet;
        self.block.clear();
        match self.format {
            Format::Pcapng => {
                let packet = Packet { interface, at_ns, original_len, frame, comment };
                pcapng::encode_packet(&mut self.block, &packet);
            }
            Format::Pcap => {
                let word = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
                let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
                for word in [
                    word(at_ns.div_euclid(1_000_000_000)),
                    word(at_ns.rem_euclid(1_000_000_000)),
                    word(length),
                    original_len.to_le_bytes(),
                ] {
                    self.block.extend_from_slice(&word);
                }
                self.block.extend_from_slice(frame);
            }
        }
        self.out.write_all(&self.block)
    }

    /// Ends it, and gives back what it was written to.
    pub fn finish(self) -> W {
        self.out
    }
}
