//! What an intruder with bpftool does to the maps and programs of a running filter is found, mended
//! and told.

#![allow(unsafe_code, reason = "namespaces and packet sockets are raw system calls")]

#[allow(dead_code, reason = "only the namespace and its wire are used here")]
mod wire;

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use calltap_ebpf::abi::Endpoint;
use calltap_xdp::{AttachWish, Discrepancy, Filter, LoadOptions, clock};
use wire::{Wire, in_namespace, ip};
use zerocopy::IntoBytes as _;

/// The intruder finds maps by their names: there must be one filter at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The intruder's turn; `None` where it has no tool.
fn alone() -> Option<MutexGuard<'static, ()>> {
    if Command::new("bpftool").arg("version").output().is_err() {
        println!("SKIPPED: there is no bpftool");
        return None;
    }
    Some(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The intruder's tool, and the ids of this process's maps by name.
struct Intruder {
    maps: BTreeMap<String, String>,
}

/// The word after this one.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.split_whitespace().skip_while(|it| *it != word).nth(1)
}

impl Intruder {
    fn new() -> Self {
        let mut maps = BTreeMap::new();
        for info in fs::read_dir("/proc/self/fdinfo").expect("procfs").flatten() {
            let info = fs::read_to_string(info.path()).unwrap_or_default();
            let Some(program) = info.lines().find_map(|line| line.strip_prefix("prog_id:")) else {
                continue;
            };
            let shown = bpftool(&["prog", "show", "id", program.trim()]);
            let ids = after(&shown, "map_ids").expect("a program with maps");
            for id in ids.split(',') {
                let shown = bpftool(&["map", "show", "id", id]);
                let name = after(&shown, "name").expect("a map with a name");
                maps.insert(name.to_owned(), id.to_owned());
            }
        }
        Self { maps }
    }

    fn update(&self, map: &str, key: &[u8], value: &[u8]) {
        let (key, value) = (hex(key), hex(value));
        let mut arguments = vec!["map", "update", "id", &self.maps[map], "key", "hex"];
        arguments.extend(key.iter().map(String::as_str));
        arguments.extend(["value", "hex"]);
        arguments.extend(value.iter().map(String::as_str));
        bpftool(&arguments);
    }

    fn delete(&self, map: &str, key: &[u8]) {
        let key = hex(key);
        let mut arguments = vec!["map", "delete", "id", &self.maps[map], "key", "hex"];
        arguments.extend(key.iter().map(String::as_str));
        bpftool(&arguments);
    }

    /// The number of entries of a map.
    fn entries(&self, map: &str) -> usize {
        bpftool(&["map", "dump", "id", &self.maps[map]]).matches("key:").count()
    }
}

fn bpftool(arguments: &[&str]) -> String {
    let out = Command::new("bpftool").args(arguments).output().expect("bpftool");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "bpftool {arguments:?}: {said}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn hex(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A whole pass.
fn inspect(filter: &mut Filter) -> Vec<Discrepancy> {
    let mut found = Vec::new();
    while !filter.inspect(&mut found).expect("inspected") {}
    found
}

fn endpoint(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn key(port: u16) -> Endpoint {
    endpoint(port).into()
}

#[test]
fn an_honest_filter_is_found_honest_however_large_it_is() {
    let Some(_alone) = alone() else { return };
    in_namespace(|| {
        let mut filter =
            Filter::load(LoadOptions { max_endpoints: 20_000, ..LoadOptions::default() })
                .expect("loaded");
        let until = clock::boot_ns() + 60_000_000_000;
        filter.set_signalling_ports(&[5060, 5061]);
        filter.set_signalling_deadline(until);
        filter.open_prefix("192.0.2.0".parse().unwrap(), 24, until).expect("opened");
        filter.open_prefix("192.0.2.0".parse().unwrap(), 28, until - 1).expect("opened");
        assert_eq!(inspect(&mut filter), []);
        for port in 1..=10_000 {
            filter.open_endpoint(endpoint(port), until).expect("opened");
        }
        assert_eq!(inspect(&mut filter), []);
        let mut found = Vec::new();
        let mut port = 1;
        while !filter.inspect(&mut found).expect("inspected") {
            // Calls go on while the maps are looked at.
            filter.close_endpoint(endpoint(port)).expect("closed");
            filter.open_endpoint(endpoint(port + 10_000), until + 1).expect("opened");
            port += 1;
        }
        assert!(port > 10, "a pass has many steps");
        assert_eq!(found, []);
    });
}

#[test]
fn what_an_intruder_opens_closes_or_alters_is_mended_and_told() {
    let Some(_alone) = alone() else { return };
    in_namespace(|| {
        let mut filter = Filter::load(LoadOptions { max_endpoints: 64, ..LoadOptions::default() })
            .expect("loaded");
        let until = clock::boot_ns() + 60_000_000_000;
        filter.set_signalling_ports(&[5060]);
        filter.set_signalling_deadline(until);
        filter.open_prefix("198.51.100.0".parse().unwrap(), 24, until).expect("opened");
        (1..=3).for_each(|port| filter.open_endpoint(endpoint(port), until).expect("opened"));
        let intruder = Intruder::new();
        let forever = u64::MAX.to_ne_bytes();

        intruder.update("ENDPOINTS", key(666).as_bytes(), &forever);
        assert_eq!(inspect(&mut filter), [Discrepancy::ForeignEndpoint(endpoint(666))]);
        assert_eq!(intruder.entries("ENDPOINTS"), 3);

        intruder.update("ENDPOINTS", key(2).as_bytes(), &forever);
        intruder.delete("ENDPOINTS", key(3).as_bytes());
        let mut found = inspect(&mut filter);
        found.sort_by_key(|it| format!("{it:?}"));
        let altered = [2, 3].map(|port| Discrepancy::AlteredEndpoint(endpoint(port)));
        assert_eq!(found, altered);
        assert_eq!(inspect(&mut filter), []);

        let mut everybody = [0; 20];
        intruder.update("PREFIXES", &everybody, &forever);
        everybody[..4].copy_from_slice(&120_u32.to_ne_bytes());
        everybody[14..].copy_from_slice(&[0xff, 0xff, 198, 51, 100, 0]);
        intruder.delete("PREFIXES", &everybody);
        let found = inspect(&mut filter);
        let all = "::".parse().unwrap();
        let ours = "198.51.100.0".parse().unwrap();
        assert!(found.contains(&Discrepancy::ForeignPrefix(all, 0)), "{found:?}");
        assert!(found.contains(&Discrepancy::AlteredPrefix(ours, 24)), "{found:?}");
        assert_eq!(found.len(), 2);

        // A port of everybody's web pages made one of signalling, and a later end to everything.
        intruder.update("SIGNALLING_PORT", &6_u32.to_ne_bytes(), &forever);
        let config = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        intruder.update("CONFIG", &0_u32.to_ne_bytes(), &[&config[..], &forever].concat());
        intruder.update("PREFILTER", &5_u32.to_ne_bytes(), &forever);
        let maps = ["CONFIG", "SIGNALLING_PORTS", "PREFILTER"].map(Discrepancy::AlteredMap);
        assert_eq!(inspect(&mut filter), maps);
        intruder.delete("STEPS", &1_u32.to_ne_bytes());
        assert_eq!(inspect(&mut filter), [Discrepancy::AlteredMap("STEPS")]);
        assert_eq!(inspect(&mut filter), []);
    });
}

#[test]
fn a_program_taken_off_is_attached_again_and_one_in_its_place_is_told_once() {
    let Some(_alone) = alone() else { return };
    in_namespace(|| {
        let wire = Wire::lay();
        let mut filter = Filter::load(LoadOptions { max_endpoints: 64, ..LoadOptions::default() })
            .expect("loaded");
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");
        assert_eq!(inspect(&mut filter), []);

        let interface = String::from("far");
        detach();
        assert_eq!(inspect(&mut filter), [Discrepancy::Detached { interface: interface.clone() }]);
        assert_eq!(inspect(&mut filter), []);

        // A driver takes no program where frames may be longer than a page.
        detach();
        ip("link set near mtu 9000");
        let found = inspect(&mut filter);
        assert!(matches!(&found[..], [Discrepancy::Off { .. }]), "{found:?}");
        assert_eq!(inspect(&mut filter), [], "it is told once");
        ip("link set near mtu 1500");
        let again = Discrepancy::Detached { interface: interface.clone() };
        assert_eq!(inspect(&mut filter), [again]);

        detach();
        let mut another = Filter::load(LoadOptions { max_endpoints: 1, ..LoadOptions::default() })
            .expect("loaded");
        another.attach(&wire.far, AttachWish::Auto).expect("attached");
        let found = inspect(&mut filter);
        assert!(matches!(&found[..], [Discrepancy::Replaced { .. }]), "{found:?}");
        assert_eq!(inspect(&mut filter), [], "it is told once");
        drop(another);
        assert_eq!(inspect(&mut filter), [Discrepancy::Detached { interface }]);
        ip("link set far down");
        assert_eq!(inspect(&mut filter), []);
    });
}

/// Takes the program off the far end, whosever it is, as an administrator can.
fn detach() {
    let shown = Command::new("ip").args(["-d", "link", "show", "far"]).output().expect("ip");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let program = shown.split("prog/xdp id ").nth(1).and_then(|it| it.split(' ').next());
    let program = format!("prog {}", program.expect("a program"));
    let links = bpftool(&["link", "show"]);
    let link = links.lines().find(|link| link.split("  ").any(|word| word == program));
    let (id, _) = link.and_then(|link| link.split_once(':')).expect("its link");
    bpftool(&["link", "detach", "id", id]);
}
