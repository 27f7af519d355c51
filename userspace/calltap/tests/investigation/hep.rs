//! `calltap evidence hep`, held against sngrep's decoder of HEP3.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::desk::{tshark, words};
use super::replayed;

/// A port of this host that nobody listens on.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_calls_signalling_reaches_homer_as_an_independent_decoder_reads_it() {
    let desk = replayed("calls.pcapng", &[]);
    let to = format!("127.0.0.1:{}", free_port());
    let mut sngrep = Command::new("sngrep");
    desk.at_desk(&mut sngrep);
    sngrep.args(["-F", "-N", "-q", "-L", &format!("udp:{to}"), "-O", "heard.pcap"]);
    sngrep.env("TERM", "dumb").stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut sngrep) = sngrep.spawn() else {
        println!("SKIPPED: there is no sngrep");
        return;
    };
    // Once the port is taken, it listens.
    for _ in 0..100 {
        if UdpSocket::bind(&to).is_err() {
            break;
        }
        sleep(Duration::from_millis(50));
    }
    let said = desk.fine(&["evidence", "hep", "CASE-1/1", "--to", &to]);
    sleep(Duration::from_millis(500));
    let id = sngrep.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    sngrep.wait().unwrap();

    assert!(said.contains("6 messages of call CASE-1/1"), "{said}");
    desk.fine(&["evidence", "export", "CASE-1/1", "--out", "copy.pcapng"]);
    let fields = ["ip.src", "ip.dst", "udp.srcport", "udp.dstport", "sip.Call-ID", "sip.CSeq"];
    let fields = [&fields[..], &["sip.msg_hdr", "sip.msg_body"]].concat();
    let heard = tshark(&desk.path("heard.pcap"), "sip", &fields);
    assert_eq!(heard.len(), 6);
    assert_eq!(heard, tshark(&desk.path("copy.pcapng"), "sip", &fields));
    // It keeps microseconds.
    let times = |file: &str| -> Vec<String> {
        let times = tshark(&desk.path(file), "sip", &["frame.time_epoch"]).into_iter();
        times.map(|fields| fields[0][..17].to_owned()).collect()
    };
    assert_eq!(times("heard.pcap"), times("copy.pcapng"));
    let audit = desk.audit();
    let (_, details) = audit.iter().find(|(event, _)| event == "evidence-sent").expect("audited");
    assert_eq!((&details["call"], &details["to"]), (&"CASE-1/1".into(), &to.into()));
}

#[test]
fn nothing_is_sent_that_the_audit_cannot_have() {
    let desk = replayed("calls.pcapng", &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    fs::remove_dir_all(desk.path("state")).unwrap();
    let output = desk.run(&["evidence", "hep", "CASE-1/1", "--to", &to]);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
    assert!(words(&output).contains("nothing was sent"), "{}", words(&output));
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(socket.recv(&mut [0; 2048]).is_err());
}
