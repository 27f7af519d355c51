//! Attaching beside others, detaching, and what becomes of a capture whose interface goes away.

#![allow(unsafe_code, reason = "namespaces and packet sockets are raw system calls")]

#[allow(dead_code, reason = "only whole frames are sent here")]
mod frames;
#[allow(dead_code, reason = "little is received here")]
mod wire;

use std::{
    net::UdpSocket,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use calltap_xdp::{
    AttachMode, AttachWish, Error, Filter, Geometry, Interface, LoadOptions, Mode, Socket, clock,
};
use wire::{Wire, in_namespace, ip};

fn load() -> Filter {
    Filter::load(LoadOptions { max_endpoints: 64, ..LoadOptions::default() })
        .expect("the program loads")
}

/// Whether any XDP program is attached, as `ip` tells.
fn runs_xdp(interface: &str) -> bool {
    let shown = Command::new("ip").args(["-d", "link", "show", interface]).output().expect("ip");
    String::from_utf8_lossy(&shown.stdout).contains("prog/xdp")
}

#[test]
fn another_program_is_named_and_left_alone() {
    for wish in [AttachWish::Native, AttachWish::Generic] {
        in_namespace(move || {
            let wire = Wire::lay();
            let mut first = load();
            first.attach(&wire.far, wish).expect("attached");
            assert_eq!(wire.far.program().map(|(_, name)| name).as_deref(), Some("calltap"));
            for second_wish in [AttachWish::Auto, AttachWish::Native, AttachWish::Generic] {
                let refused = load().attach(&wire.far, second_wish).expect_err("refused");
                let Error::AlreadyAttached { interface, program, .. } = &refused else {
                    panic!("{refused}");
                };
                assert_eq!((interface.as_str(), program.as_str()), ("far", "calltap"));
            }
            assert!(runs_xdp("far"), "the first is still there");
            first.detach();
            load().attach(&wire.far, wish).expect("now there is room");
        });
    }
}

#[test]
fn a_driver_that_refuses_native_mode_is_quoted() {
    in_namespace(|| {
        let loopback = Interface::open("lo").expect("lo");
        let mut filter = load();
        assert_eq!(filter.generic_because(&loopback), None);
        let mode = filter.attach(&loopback, AttachWish::Auto).expect("attached");
        assert_eq!(mode, AttachMode::Generic);
        let refused = filter.generic_because(&loopback).expect("loopback has no native mode");
        assert!(refused.starts_with("native mode: ") && refused.contains("not supported"));
        let wire = Wire::lay();
        let mode = filter.attach(&wire.far, AttachWish::Auto).expect("attached");
        assert_eq!((mode, filter.generic_because(&wire.far)), (AttachMode::Native, None));
        assert!(filter.one_buffer_because().is_none(), "several were not asked for");
    });
}

#[test]
fn detaching_and_dropping_leave_nothing_attached() {
    in_namespace(|| {
        let wire = Wire::lay();
        let mut filter = load();
        for _ in 0..5 {
            filter.attach(&wire.far, AttachWish::Auto).expect("attached");
            assert!(runs_xdp("far"));
            filter.detach();
            assert!(!runs_xdp("far"));
        }
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");
        drop(filter);
        assert!(!runs_xdp("far"));
    });
}

#[test]
fn a_mirror_port_is_promiscuous_as_long_as_it_is_captured() {
    fn promiscuous() -> bool {
        let shown = Command::new("ip").args(["-d", "link", "show", "far"]).output().expect("ip");
        String::from_utf8_lossy(&shown.stdout).contains("promiscuity 1")
    }
    in_namespace(|| {
        let wire = Wire::lay();
        let mut filter = load();
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");
        assert!(promiscuous());
        filter.detach();
        assert!(!promiscuous());
        filter.configure(Mode::Host);
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");
        assert!(!promiscuous(), "the host's own port hears what it always hears");
    });
}

#[test]
fn host_mode_takes_nothing_from_the_hosts_own_stack() {
    in_namespace(|| {
        let wire = Wire::lay();
        ip("addr add 192.0.2.1/24 dev far");
        let host = UdpSocket::bind("192.0.2.1:16384").expect("the host's own socket");
        host.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");

        let mut filter = load();
        filter.configure(Mode::Host);
        let mut sockets = wire.sockets(Geometry::default());
        sockets.iter().for_each(|socket| filter.register(socket).expect("registered"));
        filter.set_signalling_deadline(u64::MAX);
        let target = "192.0.2.1:16384";
        filter.open_endpoint(target.parse().unwrap(), u64::MAX).expect("opened");
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");

        wire.send(&frames::udp_to(wire.far.mac(), "192.0.2.2:9", target));
        let mut payload = [0; 256];
        assert_eq!(host.recv(&mut payload).expect("the host's own packet"), 160);
        assert!(wire::receive(&mut sockets, 1).is_empty());

        wire.send(&frames::udp("192.0.2.2:9", target));
        assert_eq!(wire::receive(&mut sockets, 1).len(), 1, "a target's, to another machine");
        let counters = filter.counters().unwrap();
        assert_eq!((counters.kept(), counters.passed()), (1, counters.seen() - 1));
    });
}

#[test]
fn a_queue_is_bound_once_and_only_if_it_is_there() {
    in_namespace(|| {
        let wire = Wire::lay();
        assert_eq!((wire.far.queues(), wire.far.driver()), (2, "veth"));
        let open = |queue| Socket::open(&wire.far, queue, Geometry::default());
        let _held = open(1).expect("queue 1");
        assert!(matches!(open(1), Err(Error::QueueBusy { queue: 1, .. })));
        assert!(matches!(open(2), Err(Error::NoSuchQueue { queue: 2, queues: 2, .. })));
    });
}

#[test]
fn a_queue_that_is_let_go_of_meanwhile_is_waited_for() {
    in_namespace(|| {
        let wire = Wire::lay();
        let open = || Socket::open(&wire.far, 1, Geometry::default());
        let held = open().expect("queue 1");
        let letting_go = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            drop(held);
        });
        open().expect("the queue, a moment later");
        letting_go.join().expect("no panic");
    });
}

#[test]
fn a_socket_waits_for_a_frame_and_no_longer_than_it_is_told() {
    in_namespace(|| {
        let wire = Wire::lay();
        let mut filter = load();
        let mut sockets = wire.sockets(Geometry::default());
        sockets.iter().for_each(|socket| filter.register(socket).expect("registered"));
        filter.set_signalling_ports(&[5060]);
        filter.set_signalling_deadline(clock::boot_ns() + 60_000_000_000);
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");

        let start = Instant::now();
        assert!(!sockets[0].wait(Duration::from_millis(20)).expect("nothing"));
        assert!(start.elapsed() >= Duration::from_millis(20));
        (0..64).for_each(|_| wire.send(&frames::udp("192.0.2.2:9", "192.0.2.3:5060")));
        let woken = sockets.iter().any(|socket| socket.wait(Duration::from_secs(1)).unwrap());
        assert!(woken);
        assert_eq!(wire::receive(&mut sockets, 64).len(), 64);
    });
}

#[test]
fn an_interface_that_goes_down_or_away_is_named() {
    in_namespace(|| {
        let wire = Wire::lay();
        let mut filter = load();
        let sockets = wire.sockets(Geometry::default());
        sockets.iter().for_each(|socket| filter.register(socket).expect("registered"));
        filter.attach(&wire.far, AttachWish::Auto).expect("attached");
        let wait = || sockets[0].wait(Duration::from_millis(1)).map_err(|e| e.to_string());
        ip("link set far down");
        assert_eq!(wait(), Err("far is down: `ip link set far up`".into()));
        ip("link set far up");
        assert_eq!(wait(), Ok(false));
        ip("link del far");
        assert_eq!(wait(), Err("far is gone: start again when it is back".into()));
        filter.detach();
        assert!(matches!(Interface::open("far"), Err(Error::NoSuchInterface { .. })));
    });
}
