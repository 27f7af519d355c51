//! A flow as `calls.jsonl` tells of it.

use calltap_evidence::lines::{FlowLine, StunLine};
use calltap_proto::flows::{Flow, StunFacts};

use super::live::rfc3339;

pub(super) fn flow_line(flow: &Flow) -> FlowLine {
    FlowLine {
        protocol: match flow.protocol {
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            132 => "sctp".to_owned(),
            number => number.to_string(),
        },
        src: flow.source.to_string(),
        dst: flow.destination.to_string(),
        first: rfc3339(flow.first.0),
        last: rfc3339(flow.last.0),
        packets: flow.packets,
        bytes: flow.bytes,
        bits_per_second: flow.rate.bits(),
        peak_bits_per_second: flow.rate.peak(),
        seconds_cut: flow.rate.is_cut(),
        looks: flow.looks.iter().map(|look| look.name().to_owned()).collect(),
        stun: flow.stun.as_ref().map(stun_line),
    }
}

fn stun_line(facts: &StunFacts) -> StunLine {
    let texts = |list: &[std::net::SocketAddr]| list.iter().map(ToString::to_string).collect();
    StunLine {
        messages: facts.messages,
        turn: facts.turn,
        mapped: texts(&facts.mapped),
        relayed: texts(&facts.relayed),
        peers: texts(&facts.peers),
        usernames: facts.usernames.clone(),
        software: facts.software.clone(),
    }
}
