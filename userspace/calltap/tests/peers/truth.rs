//! What a second recorder saw at the mirror, as tshark reads it: which packets are whose.
//!
//! Media is a call's if it goes from or to a port that the relay took for the call, by the proxy's
//! own descriptions; RTCP has the port after (RFC 3550 §11).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::desk::tshark;
use crate::network::PROXY;

/// Addresses, ports and payload of a datagram, and its IP identification.
pub(crate) type Datagram = Vec<String>;

/// The datagrams of a capture, in an order of their own.
pub(crate) fn datagrams(capture: &Path, filter: &str) -> Vec<Datagram> {
    let fields = ["ip.src", "udp.srcport", "ip.dst", "udp.dstport", "ip.id", "udp.payload"];
    let mut found = tshark(capture, &format!("udp and ({filter})"), &fields);
    found.sort();
    found
}

/// One dialog or registration at the mirror.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whether `alice` is in its From or To.
    pub(crate) target: bool,
    /// Ports that the relay took for it.
    pub(crate) relayed: BTreeSet<String>,
}

/// All of them by Call-ID.
pub(crate) fn calls(capture: &Path) -> BTreeMap<String, Seen> {
    let fields =
        ["sip.Call-ID", "sip.From", "sip.To", "sdp.connection_info.address", "sdp.media.port"];
    let mut calls = BTreeMap::<String, Seen>::new();
    for line in tshark(capture, "sip", &fields) {
        let [call_id, from, to, address, port] = &line[..] else { panic!("{line:?}") };
        let seen = calls.entry(call_id.clone()).or_default();
        seen.target |= [from, to].iter().any(|party| party.contains("<sip:alice@example.net>"));
        if address == PROXY {
            let rtcp = port.parse::<u16>().expect("a port") + 1;
            seen.relayed.extend([port.clone(), rtcp.to_string()]);
        }
    }
    let mut taken = BTreeSet::new();
    for port in calls.values().flat_map(|seen| &seen.relayed) {
        assert!(taken.insert(port), "two calls had port {port}: the test cannot tell them apart");
    }
    calls
}

/// Whether a datagram goes from or to one of these ports of the relay.
pub(crate) fn is_relayed(datagram: &Datagram, ports: &BTreeSet<String>) -> bool {
    let [source, from, destination, to, ..] = &datagram[..] else { panic!("{datagram:?}") };
    source == PROXY && ports.contains(from) || destination == PROXY && ports.contains(to)
}

/// Holds what was kept against what there was.
pub(crate) fn same(kept: &[Datagram], there: &[Datagram], what: &str) {
    let beyond = |these: &[Datagram], those: &[Datagram]| -> Vec<String> {
        let mut rest = those.to_vec();
        let mut beyond = Vec::new();
        for datagram in these {
            match rest.binary_search(datagram) {
                Ok(place) => drop(rest.remove(place)),
                Err(_) => beyond.push(datagram.join(" ").chars().take(80).collect()),
            }
        }
        beyond
    };
    let (missing, more) = (beyond(there, kept), beyond(kept, there));
    assert!(
        missing.is_empty() && more.is_empty(),
        "{what}: of {} datagrams {} are missing: {missing:#?}, and {} are there beyond: {more:#?}",
        there.len(),
        missing.len(),
        more.len(),
    );
}
