//! What a command may still do that reads evidence, seen from the outside.

use std::fs;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::desk::{Desk, tshark, words};
use super::{pcap, replayed};

/// A pipe that takes nothing more: who writes to it waits until somebody reads.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let full = loop {
        if let Err(full) = writer.write(&[b'\n'; 4096]) {
            break full;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// The lines of a process's status that tell what it may do.
fn status(process: u32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let told = ["CapPrm:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:"];
    let lines = status.lines().filter(|line| told.iter().any(|name| line.starts_with(name)));
    lines.map(|line| line.replace('\t', " ")).collect()
}

#[test]
fn who_reads_evidence_has_no_capability_and_makes_few_system_calls() {
    let desk = replayed("calls.pcapng", &[]);
    let homer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = homer.local_addr().unwrap().to_string();
    let commands: [&[&str]; 6] = [
        &["list"],
        &["show", "CASE-1/1"],
        &["export", "CASE-1/1", "--out", "call.pcapng"],
        &["audio", "CASE-1/1", "--out", "call.wav"],
        &["report", "CASE-1/1", "--html", "call.html"],
        &["hep", "CASE-1/1", "--to", &to],
    ];
    for arguments in commands {
        is_confined(&desk, arguments);
    }
    let acts: Vec<_> = desk.audit().into_iter().map(|(event, _)| event).collect();
    let told = ["evidence-exported", "evidence-heard", "evidence-reported", "evidence-sent"];
    assert!(acts.ends_with(&told.map(str::to_owned)), "{acts:?}");
    desk.fine(&["verify", "evidence"]);
}

#[test]
fn who_opens_sealed_evidence_has_no_capability_and_makes_few_system_calls() {
    let desk = Desk::new();
    let warrant = desk.sealed_warrant("CASE-1", &["sip:alice@example.net"]);
    desk.replay(&pcap("calls.pcapng"), &warrant, &[]);
    is_confined(&desk, &["open", "--identity", "identity", "--out", "opened", "evidence"]);
    let [volume] = desk.volumes("opened").try_into().unwrap();
    assert!(!tshark(&volume, "sip", &["sip.Call-ID"]).is_empty());
    assert!(desk.path("opened/CASE-1_calls.jsonl").exists());
    let (event, _) = desk.audit().pop().unwrap();
    assert_eq!(event, "evidence-opened");
    desk.fine(&["verify", "evidence"]);
}

/// Runs `calltap evidence`, and looks what it may do when it has read and is about to say so.
fn is_confined(desk: &Desk, arguments: &[&str]) {
    let none = "0000000000000000";
    let confined = [
        format!("CapPrm: {none}"),
        format!("CapEff: {none}"),
        format!("CapBnd: {none}"),
        "NoNewPrivs: 1".to_owned(),
        "Seccomp: 2".to_owned(),
    ];
    let (mut reader, writer) = full_pipe();
    let mut command = desk.command();
    command.arg("evidence").args(arguments).stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // It holds the other end of the pipe.
    drop(command);
    let begun = Instant::now();
    while status(child.id()) != confined && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(5));
    }
    assert_eq!(status(child.id()), confined, "{arguments:?}");
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}{}", words(&output));
}

#[test]
fn a_link_out_of_the_evidence_leads_its_reader_nowhere() {
    let desk = replayed("calls.pcapng", &[]);
    let [volume] = desk.volumes("evidence").try_into().unwrap();
    let outside = desk.path("outside.pcapng");
    fs::rename(&volume, &outside).unwrap();
    symlink(&outside, &volume).unwrap();
    for arguments in [
        &["show", "CASE-1/1", "--json", "--sip"][..],
        &["export", "CASE-1/1", "--out", "copy"],
        &["audio", "CASE-1/1", "--out", "copy"],
        &["report", "CASE-1/1", "--html", "copy"],
        &["hep", "CASE-1/1", "--to", "127.0.0.1:9060"],
    ] {
        let output = desk.run(&[&["evidence"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", words(&output));
        assert!(words(&output).contains("Permission denied"), "{}", words(&output));
        assert!(!desk.path("copy").exists());
    }
}
