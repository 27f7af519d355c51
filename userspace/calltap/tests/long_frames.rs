//! Jumbo frames from the wire into the evidence, by the real program.
//!
//! It needs root; without it, it says so and passes.

mod capture;
mod desk;

use std::fs;

use calltap::lab::{self, Namespaces};
use capture::{Capture, conserved, count, lost};
use desk::{Desk, EVER, tshark};

/// Bytes of each datagram's payload, which goes in one frame.
const PAYLOAD: usize = 8900;

fn message() -> String {
    let head = "INVITE sip:bob@example.org SIP/2.0\r\n\
                Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlong\r\n\
                From: <sip:alice@example.net>;tag=1\r\nTo: <sip:bob@example.org>\r\n\
                Call-ID: long@example.net\r\nCSeq: 1 INVITE\r\nSubject: ";
    let tail = "\r\nContent-Length: 0\r\n\r\n";
    format!("{head}{}{tail}", "x".repeat(PAYLOAD - head.len() - tail.len()))
}

#[test]
fn signalling_and_content_in_frames_of_8942_bytes_are_kept_byte_for_byte_and_once() {
    let missing = lab::missing();
    if !missing.is_empty() {
        return println!("SKIPPED: {}", missing.join("; "));
    }
    let name = format!("{}-0", std::process::id());
    let network = Namespaces::make(&name, &["sender", "tap"]).unwrap();
    network.link(("sender", "out"), ("tap", "cap0"), 2).unwrap();
    for (role, interface) in [("tap", "cap0"), ("sender", "out")] {
        network.ip(role, &format!("link set {interface} mtu 9000 up")).unwrap();
    }
    network.address("sender", "out", "192.0.2.1/24").unwrap();
    network.ip("sender", "neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev out").unwrap();

    let desk = Desk::new();
    desk.warrant("LONG", &["sip:alice@example.net", "ip:192.0.2.1"], EVER);
    let content: Vec<u8> = (0..PAYLOAD).map(|at| u8::try_from((at * 7) % 251).unwrap()).collect();
    fs::write(desk.path("content"), &content).unwrap();
    fs::write(desk.path("message"), message()).unwrap();

    let command = network.command("tap", env!("CARGO_BIN_EXE_calltap"));
    let capture = Capture::start(&desk, command, "cap0", &[]);
    let before = network.transmitted("sender", "out").unwrap().sent;
    let mut seen = 0;
    for line in ["cat message > /dev/udp/192.0.2.2/5060", "cat content > /dev/udp/192.0.2.2/4000"] {
        for _ in 0..20 {
            let mut shell = network.command("sender", "bash");
            desk.at_desk(&mut shell);
            assert!(shell.args(["-c", line]).status().unwrap().success());
            seen += 1;
        }
    }
    let sent = network.transmitted("sender", "out").unwrap().sent - before;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{found} {log}");
    assert!(log.contains("xdp native"), "{log}");
    conserved(&found, count(&found, "seen"));
    assert!(count(&found, "seen") >= sent && sent >= seen, "{found}");
    assert_eq!(lost(&found), 0, "{found}");

    let [volume] = &desk.volumes("evidence")[..] else { panic!("one volume: {found}") };
    let kept = tshark(volume, "udp", &["frame.len", "udp.dstport", "udp.payload"]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (message, content) = (hex(message().as_bytes()), hex(&content));
    for (port, payload) in [("5060", &message), ("4000", &content)] {
        let of_port: Vec<_> = kept.iter().filter(|it| it[1] == port).collect();
        assert_eq!(of_port.len(), 20, "each once");
        assert!(of_port.iter().all(|it| it[0] == "8942" && it[2] == *payload), "port {port}");
    }
    assert_eq!(kept.len(), 40);
    desk.fine(&["verify", "evidence", "--trust", "trust"]);
}
