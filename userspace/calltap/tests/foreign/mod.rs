//! The captures of others, which `CALLTAP_CORPUS` names the folder of.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder, if there is one.
pub(crate) fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("CALLTAP_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: CALLTAP_CORPUS names no folder of captures");
    }
    folder
}

/// What tshark saw in each capture of the corpus that was looked into.
pub(crate) fn truths(corpus: &Path) -> Vec<Value> {
    let mut paths: Vec<_> =
        fs::read_dir(corpus.join("truth")).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let truth = |path| serde_json::from_slice(&fs::read(path).unwrap()).expect("JSON");
    paths.iter().map(truth).collect()
}

/// Every file of the corpus that is offered as a capture, whatever it is.
pub(crate) fn captures(corpus: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![corpus.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.to_string_lossy().contains("pcap"));
    files.sort();
    files
}

/// The most frequent addresses of a capture as targets: as many as a warrant may name.
///
/// One that tshark cannot read has an address in its stead that it does not hold.
pub(crate) fn hosts(capture: &Path) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(capture).args(["-T", "fields"]);
    command.args(["-e", "ip.src", "-e", "ip.dst", "-e", "ipv6.src", "-e", "ipv6.dst"]);
    let text = command.output().expect("tshark runs: scripts/setup installs it").stdout;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for text in String::from_utf8_lossy(&text).split(['\t', ',', '\n']) {
        if text.parse::<IpAddr>().is_ok() {
            *seen.entry(format!("ip:{text}")).or_default() += 1;
        }
    }
    let mut hosts: Vec<_> = seen.into_iter().collect();
    hosts.sort_by_key(|(_, count)| Reverse(*count));
    let mut hosts: Vec<_> = hosts.into_iter().map(|(host, _)| host).take(100).collect();
    if hosts.is_empty() {
        hosts.push("ip:192.0.2.1".to_owned());
    }
    hosts
}
