//! The exchange: kamailio as registrar and proxy, rtpengine as media relay, and sipp as phones.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use calltap::lab::{self, Namespaces, Witness};
use tempfile::TempDir;

use crate::network::{self, HOME, OFFICE, PRIVATE, PROXY, PUBLIC, SERVER, STREET};
use crate::program::Program;

/// The programs it needs, each with the Debian package that brings it.
const PROGRAMS: [(&str, &str); 8] = [
    ("ip", "iproute2"),
    ("ethtool", "ethtool"),
    ("unshare", "util-linux"),
    ("nft", "nftables"),
    ("kamailio", "kamailio"),
    ("rtpengine", "rtpengine-daemon"),
    ("sipp", "sip-tester"),
    ("dumpcap", "tshark"),
];

/// How long each side talks.
const TALK_SECONDS: u32 = 2;

/// Who calls whom: users of example.net.
pub(crate) type Call = (&'static str, &'static str);

/// A running exchange.
pub(crate) struct Exchange {
    _servers: [Program; 2],
    directory: TempDir,
    pub(crate) network: Namespaces,
}

impl Exchange {
    /// An exchange, or plain words that there is none.
    pub(crate) fn open() -> Option<Self> {
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let missing = lab::missing_for(&PROGRAMS);
        if !missing.is_empty() {
            println!("SKIPPED: {}", missing.join("; "));
            return None;
        }
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-x{number}", std::process::id());
        let network = network::lay(&name).expect("a network");
        let directory = TempDir::new().expect("a directory");
        let at = directory.path();
        for (name, content) in [
            ("kamailio.cfg", include_bytes!("kamailio.cfg").as_slice()),
            ("register.xml", include_bytes!("register.xml")),
            ("caller.xml", include_bytes!("caller.xml")),
            ("callee.xml", include_bytes!("callee.xml")),
            ("caller.pcap", &lab::tone(0x0ca1_1e40, TALK_SECONDS)),
            ("callee.pcap", &lab::tone(0x0ca1_1ee0, TALK_SECONDS)),
        ] {
            fs::write(at.join(name), content).expect("a file");
        }
        // No table: the kernel's module is not asked for.
        let relay = format!(
            "rtpengine --config-file=none --foreground --log-stderr --log-level=4 --table=-1 \
             --num-threads=2 --interface={PROXY} --listen-ng=127.0.0.1:2223 \
             --port-min=30000 --port-max=30999 --delete-delay=0"
        );
        // The proxy asks for the relay once, at its start.
        let relay = Program::start(&network, SERVER, at, &relay).wait_for_port(2223);
        let here = at.display();
        let proxy = format!("kamailio -DD -E -m 16 -M 4 -f {here}/kamailio.cfg -Y {here}");
        let proxy = Program::start(&network, SERVER, at, &proxy).wait_for_port(5060);
        Some(Self { _servers: [relay, proxy], directory, network })
    }

    /// Records at the mirror's other end.
    pub(crate) fn witness(&self, path: &Path) -> Witness {
        Witness::start(&self.network, (network::SWITCH, network::MIRROR), path).expect("a witness")
    }

    /// Registers users in the office and in the street, and has them called from home, all at once;
    /// who is not registered must not be called.
    pub(crate) fn place(&self, office: &[&str], street: &[&str], calls: &[Call]) {
        for (role, users) in [(OFFICE, office), (STREET, street)] {
            self.list(&format!("{role}.csv"), users.iter().map(|user| format!("{user};")));
            self.phones(role, &format!("-sf register.xml -inf {role}.csv -m {}", users.len()))
                .finish();
        }
        let phones = [(OFFICE, office), (STREET, street)].map(|(role, users)| {
            let called = calls.iter().filter(|(_, callee)| users.contains(callee)).count();
            self.phones(role, &format!("-sf callee.xml -mp 40000 -m {called}")).wait_for_port(5060)
        });
        let line = |(caller, callee): &Call| {
            let [caller, callee] = [caller, callee].map(|user| format!("sip:{user}@example.net"));
            format!("<{caller}>;<{callee}>;{callee};")
        };
        self.list("calls.csv", calls.iter().map(line));
        let (count, talk_ms) = (calls.len(), TALK_SECONDS * 1000 + 500);
        let rest = format!("-sf caller.xml -inf calls.csv -mp 20000 -d {talk_ms} -m {count}");
        self.phones(HOME, &format!("{rest} -l {count} -r 10")).finish();
        phones.into_iter().for_each(Program::finish);
    }

    fn phones(&self, role: &str, rest: &str) -> Program {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        // sipp would make Call-IDs of its process number, which in its namespace is always the same.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let address = if role == STREET { PUBLIC } else { PRIVATE };
        let line = format!(
            "sipp {PROXY}:5060 {rest} -i {address} -mi {address} -p 5060 -nostdin -skip_rlimit \
             -cid_str %u-{number}@%s \
             -timeout 30s -timeout_error -trace_err -error_file {role}.errors"
        );
        Program::start(&self.network, role, self.directory.path(), &line)
    }

    fn list(&self, name: &str, lines: impl Iterator<Item = String>) {
        let lines: Vec<_> = ["SEQUENTIAL".to_owned()].into_iter().chain(lines).collect();
        fs::write(self.directory.path().join(name), lines.join("\n") + "\n").expect("a file");
    }
}
