//! `calltap evidence hep`: a call's signalling sent to HOMER (HEP3, "The Homer Encapsulation Protocol",
//! rev. 36): one UDP datagram a message.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use calltap_proto::sip::Message;

use super::confined;
use super::signalling::Said;
use crate::{Outcome, cli};

/// Bytes that a UDP datagram over IPv4 has room for.
const MAX_DATAGRAM: usize = 65_507;

/// Between two datagrams: receivers have small buffers, and nobody counts what they lose.
const PACE: Duration = Duration::from_millis(1);

/// Types of chunks, all of vendor 0, in network byte order.
mod chunk {
    pub(super) const FAMILY: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const IPV4_SOURCE: u16 = 3;
    pub(super) const IPV4_DESTINATION: u16 = 4;
    pub(super) const IPV6_SOURCE: u16 = 5;
    pub(super) const IPV6_DESTINATION: u16 = 6;
    pub(super) const SOURCE_PORT: u16 = 7;
    pub(super) const DESTINATION_PORT: u16 = 8;
    pub(super) const SECONDS: u16 = 9;
    pub(super) const MICROSECONDS: u16 = 10;
    pub(super) const KIND: u16 = 11;
    pub(super) const AGENT: u16 = 12;
    pub(super) const PASSWORD: u16 = 14;
    pub(super) const PAYLOAD: u16 = 15;
    pub(super) const CORRELATION: u16 = 17;
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const SIP: u8 = 1;

/// Sends a call's messages, once the audit has that they are sent.
///
/// # Errors
/// The call is not found, a volume is altered or cannot be read, the audit cannot be written, a
/// datagram is not taken, or a message is longer than one holds.
pub fn send(arguments: &cli::Hep) -> anyhow::Result<Outcome> {
    let to = arguments.to;
    let unsent = || format!("sending to {to}");
    let mut homer = connected(to).with_context(unsent)?;
    let (dossier, custody) = confined::telling(&arguments.call)?;
    let messages = dossier.signalling()?.messages;
    let name = dossier.name();
    let packets = messages.iter().map(|said| packet(said, &name, arguments));
    let packets = packets.collect::<anyhow::Result<Vec<_>>>()?;
    let details =
        [("call", name.clone()), ("to", to.to_string()), ("messages", packets.len().to_string())];
    custody.record_first("evidence-sent", &details)?;
    for packet in &packets {
        homer.write_all(packet).with_context(unsent)?;
        sleep(PACE);
    }
    println!("sent       {} messages of call {name} to {to}", packets.len());
    Ok(Outcome::Fine)
}

/// A socket to this address, of which each write is a datagram.
///
/// As a file, for whoever is confined may write to it, and can send to nobody else.
fn connected(to: SocketAddr) -> std::io::Result<File> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(OwnedFd::from(socket).into())
}

/// A message as one datagram.
fn packet(said: &Said, call: &str, arguments: &cli::Hep) -> anyhow::Result<Vec<u8>> {
    let mut packet = b"HEP3\0\0".to_vec();
    let mut chunk = |kind: u16, value: &[u8]| {
        packet.extend([0, 0]);
        packet.extend(kind.to_be_bytes());
        packet.extend(u16::try_from(6 + value.len()).unwrap_or(u16::MAX).to_be_bytes());
        packet.extend(value);
    };
    match (said.source.ip(), said.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            chunk(chunk::FAMILY, &[AF_INET]);
            chunk(chunk::IPV4_SOURCE, &source.octets());
            chunk(chunk::IPV4_DESTINATION, &destination.octets());
        }
        (source, destination) => {
            let mapped = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            };
            chunk(chunk::FAMILY, &[AF_INET6]);
            chunk(chunk::IPV6_SOURCE, &mapped(source).octets());
            chunk(chunk::IPV6_DESTINATION, &mapped(destination).octets());
        }
    }
    let seconds = u32::try_from(said.at_ns / 1_000_000_000).unwrap_or(u32::MAX);
    let microseconds = u32::try_from(said.at_ns / 1_000 % 1_000_000).unwrap_or(0);
    chunk(chunk::PROTOCOL, &[protocol(&said.bytes)]);
    chunk(chunk::SOURCE_PORT, &said.source.port().to_be_bytes());
    chunk(chunk::DESTINATION_PORT, &said.destination.port().to_be_bytes());
    chunk(chunk::SECONDS, &seconds.to_be_bytes());
    chunk(chunk::MICROSECONDS, &microseconds.to_be_bytes());
    chunk(chunk::KIND, &[SIP]);
    chunk(chunk::AGENT, &arguments.agent.to_be_bytes());
    if let Some(password) = &arguments.password {
        chunk(chunk::PASSWORD, password.as_bytes());
    }
    chunk(chunk::CORRELATION, call.as_bytes());
    chunk(chunk::PAYLOAD, &said.bytes);
    let length = packet.len();
    if length > MAX_DATAGRAM {
        bail!("a message of {} bytes is longer than a HEP3 datagram holds", said.bytes.len());
    }
    let length = u16::try_from(length)?.to_be_bytes();
    packet.splice(4..6, length);
    Ok(packet)
}

/// The number of the protocol that brought a message, as its topmost Via says; UDP's without one.
fn protocol(message: &[u8]) -> u8 {
    let message = Message::parse(message);
    let via = message.and_then(|message| message.via).unwrap_or_default();
    let transport = via.split(|byte| *byte == b'/').nth(2).unwrap_or_default().trim_ascii_start();
    let transport = transport.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    match transport.to_ascii_uppercase().as_slice() {
        b"TCP" | b"TLS" | b"WS" | b"WSS" => 6,
        b"SCTP" | b"TLS-SCTP" => 132,
        _ => 17,
    }
}

#[cfg(test)]
mod tests {
    use super::protocol;

    #[test]
    fn the_via_says_over_which_protocol_a_message_came() {
        let of = |via: &str| {
            protocol(format!("OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\n\r\n").as_bytes())
        };
        assert_eq!(of("SIP/2.0/UDP 192.0.2.1"), 17);
        assert_eq!(of("SIP / 2.0 / tcp 192.0.2.1"), 6);
        assert_eq!(of("SIP/2.0/WSS 192.0.2.1"), 6);
        assert_eq!(of("SIP/2.0/SCTP 192.0.2.1"), 132);
        assert_eq!(protocol(b"rubbish"), 17);
    }
}
