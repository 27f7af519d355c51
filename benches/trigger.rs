//! How long after a message that names an endpoint has arrived is that endpoint in the kernel's map?
//!
//! Calls of the target are set up over a veth pair to `calltap run`, one message at a time; the
//! program itself measures, from the filter's time stamp until the map is set, and each endpoint
//! counts once.
//! This is no loop that criterion could time, so the percentiles are printed as they are:
//!
//! - `idle`: nothing else is on the link, and the machine's other cores have nothing to do.
//! - `busy`: the same, with `busy_poll` set.
//! - `load`: strangers' media is on the link as well, as much as one thread sends.

use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use calltap::{cli, run};
use calltap_bench::call::Call;
use calltap_bench::desk::Desk;
use calltap_bench::frame::rtp;
use calltap_bench::{in_namespace, measuring};

/// The network of the bench: telephones at one end of a link, `calltap run` at the other.
const LAY: &str = "ip link set lo up
    ip link add phones0 numrxqueues 1 numtxqueues 1 type veth peer name cap0 numrxqueues 1
    ip address add 198.18.0.1/24 dev phones0
    ip link set cap0 arp off up && ip link set phones0 up
    ip neighbour add 198.18.0.2 lladdr 02:00:00:00:00:02 dev phones0 nud permanent";

const PHONES: &str = "198.18.0.1:5060";
const FAR: &str = "198.18.0.2:5060";

/// Between two messages; nothing of one is left when the next comes.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends the messages of calls until `over`.
fn signal(over: &AtomicBool) {
    let socket = UdpSocket::bind(PHONES).expect("a socket");
    for number in 0.. {
        let messages = Call::of_target(number).messages();
        for message in messages {
            socket.send_to(message.as_bytes(), FAR).expect("sent");
            thread::sleep(PAUSE);
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Sends media of strangers until `over`.
fn talk(over: &AtomicBool) {
    let socket = UdpSocket::bind("198.18.0.1:30000").expect("a socket");
    let to: SocketAddr = "198.18.0.2:40000".parse().expect("an endpoint");
    let mut sequence = 0_u16;
    while !over.load(Ordering::Relaxed) {
        socket.send_to(&rtp(1, sequence), to).expect("sent");
        sequence = sequence.wrapping_add(1);
    }
}

fn measure(name: &str, settings: &str, seconds: u64, others: &[fn(&AtomicBool)]) {
    let desk = Desk::lay();
    let config = std::fs::read_to_string(desk.path("config.toml")).expect("settings");
    std::fs::write(desk.path("config.toml"), config + settings).expect("settings");
    desk.post();
    let arguments = cli::Run {
        interfaces: vec!["cap0".to_owned()],
        warrants: desk.path("warrants"),
        seconds: Some(seconds),
        metrics: None,
        console: None,
        console_tokens: None,
        execution: cli::Execution {
            trust: desk.path("trust"),
            evidence: desk.path("evidence"),
            config: Some(desk.path("config.toml")),
            rotate: Vec::new(),
            json: false,
        },
    };
    let over = AtomicBool::new(false);
    let summary = thread::scope(|scope| {
        for other in others {
            scope.spawn(|| other(&over));
        }
        // A run confines its thread for good, and the next one has directories of its own to reach.
        let done = scope.spawn(|| run::execute(&arguments)).join();
        over.store(true, Ordering::Relaxed);
        done.expect("no panic").expect("a run").1
    });
    assert!(summary.frames.lost.is_empty() || others.len() > 1, "{:?}", summary.frames.lost);
    let trigger = summary.trigger_us.expect("calls were set up");
    println!(
        "trigger/{name}: {} endpoints, p50 {:.0} us, p90 {:.0} us, p99 {:.0} us, p99.9 {:.0} us, \
         max {:.0} us; {} frames seen, lost {:?}",
        trigger.count,
        trigger.p50,
        trigger.p90,
        trigger.p99,
        trigger.p999,
        trigger.max,
        summary.frames.seen,
        summary.frames.lost,
    );
}

fn main() -> ExitCode {
    in_namespace("trigger", LAY, || {
        let seconds = if measuring() { 30 } else { 1 };
        measure("idle", "", seconds, &[signal]);
        measure("busy", "busy_poll = true\n", seconds, &[signal]);
        measure("load", "", seconds, &[signal, talk]);
    })
}
