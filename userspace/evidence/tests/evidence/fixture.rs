//! A court, a node, and a target's calls, in a temporary directory.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use calltap_evidence::age::{Identity, Recipient};
use calltap_evidence::chunk::Chunk;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::lines::{CallLine, Match};
use calltap_evidence::record::{self, Kind, Record};
use calltap_evidence::session::{Clock, InterfaceFacts, Program, Rotation, Session};
use calltap_evidence::store::{Error, Store};
use calltap_evidence::trust::Trust;
use calltap_evidence::verify::{Report, verify};
use calltap_evidence::warrant::{self, Deliver, Draft, Identifier, Warrant};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-23T16:04:00Z.
pub(crate) const START_NS: u64 = 1_795_449_840_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A directory that goes with its owner, or that of another process.
pub(crate) enum Place {
    Own(TempDir),
    Other(PathBuf),
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::Other(dir) => dir,
        }
    }
}

pub(crate) struct Court {
    pub(crate) dir: Place,
    pub(crate) key: KeyPair,
    pub(crate) node: KeyPair,
    pub(crate) trust: Trust,
}

impl Court {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        key.store(&dir.path().join("trust"), "court").unwrap();
        let trust = Trust::open(&dir.path().join("trust")).unwrap();
        let dir = Place::Own(dir);
        Self { dir, key, node: KeyPair::generate().unwrap(), trust }
    }

    /// The court of another process, whose keys lie in `dir`.
    pub(crate) fn at(dir: &Path) -> Self {
        let key = KeyPair::load(&dir.join("trust/court.key")).unwrap();
        let node = KeyPair::load(&dir.join("node.key")).unwrap();
        let trust = Trust::open(&dir.join("trust")).unwrap();
        Self { dir: Place::Other(dir.to_owned()), key, node, trust }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("evidence")
    }

    /// Writes and signs `text` as a warrant.
    pub(crate) fn sign(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        warrant::sign(&path, &self.key).unwrap();
        path
    }

    pub(crate) fn warrant(&self, liid: &str) -> Warrant {
        let path = self.sign(&format!("{liid}.toml"), &draft(liid).to_toml());
        warrant::load(&path, &self.trust, &any_target).unwrap()
    }

    /// A warrant whose evidence is sealed to `recipient`.
    pub(crate) fn warrant_to(&self, liid: &str, recipient: &Recipient) -> Warrant {
        let draft = Draft { recipient: Some(recipient.clone()), ..draft(liid) };
        let path = self.sign(&format!("{liid}.toml"), &draft.to_toml());
        warrant::load(&path, &self.trust, &any_target).unwrap()
    }

    /// A recipient's identity, as `age-keygen` makes it.
    pub(crate) fn identity(&self) -> Identity {
        let path = self.path("identity");
        if !path.exists() {
            let made = Command::new("age-keygen").arg("-o").arg(&path).output().unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        Identity::load(&path).unwrap()
    }

    pub(crate) fn store(&self, rotation: Rotation) -> Store {
        self.try_store(rotation).unwrap()
    }

    pub(crate) fn try_store(&self, rotation: Rotation) -> Result<Store, Error> {
        Store::open(&self.root(), self.node.clone(), session(), rotation)
    }

    /// The store of another directory.
    pub(crate) fn store_at(&self, root: &Path, rotation: Rotation) -> Store {
        Store::open(root, self.node.clone(), session(), rotation).unwrap()
    }

    /// A ledger's line or a checkpoint as the node signs it.
    pub(crate) fn signed(&self, value: &Value, comment: &str) -> String {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove("sig");
        let text = format!("{value}\n");
        let signature = json!(self.node.sign(text.as_bytes(), comment).unwrap());
        format!("{},\"sig\":{signature}}}\n", text.strip_suffix("}\n").unwrap())
    }

    pub(crate) fn verify(&self) -> Report {
        verify(&self.root(), Some(&self.trust)).unwrap()
    }

    pub(crate) fn assert_whole(&self) {
        let report = self.verify();
        assert!(report.whole, "{:?}", report.breaks);
    }
}

pub(crate) fn any_target(_: &str) -> Result<Identifier, String> {
    Ok(Identifier::Sip)
}

pub(crate) fn draft(liid: &str) -> Draft {
    Draft {
        liid: liid.to_owned(),
        authority: "court".to_owned(),
        reference: "2026/555".to_owned(),
        jurisdiction: "BE".to_owned(),
        deliver: Deliver::IriAndContent,
        targets: vec!["sip:alice@example.net".to_owned(), "tel:+3225550100".to_owned()],
        not_before: "2026-11-01T00:00:00Z".to_owned(),
        not_after: "2026-12-01T00:00:00+01:00".to_owned(),
        ..Draft::default()
    }
}

fn session() -> Session {
    let facts = |name: &str| InterfaceFacts {
        name: name.to_owned(),
        link_type: 1,
        snaplen: 0,
        filter: "warranted calls".to_owned(),
        mode: "xdp native, copy".to_owned(),
    };
    Session {
        interfaces: vec![facts("mirror0"), facts("mirror1")],
        tool: "calltap 0.1.0".to_owned(),
        clock: Clock {
            source: "CLOCK_BOOTTIME, offset known to 1 us".to_owned(),
            offset_ns: Some(1_795_000_000_000_000_000),
            uncertainty_ns: Some(1000),
        },
        program: Some(Program::new(0x0123_4567_89ab_cdef, b"object", "mode: mirror\n".to_owned())),
    }
}

/// Appends a call's invitation: SIP with a session description.
pub(crate) fn invite(store: &mut Store, warrant: &Warrant, id: u32, cin: u32, at_ns: u64) {
    let media = 20_000 + u16::try_from(cin).unwrap() * 2;
    let description = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio {media} RTP/AVP 0\r\n"
    );
    let message = format!(
        "INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{cin}\r\n\
         From: <sip:alice@example.net>;tag={cin}\r\nTo: <sip:bob@example.net>\r\n\
         Call-ID: call-{cin}@example.net\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{description}",
        description.len()
    );
    let comment = record::comment(warrant.liid(), cin, None);
    let frame = udp(5060, 5060, message.as_bytes());
    let carry = Some(u64::from(cin));
    append(store, warrant, id, (at_ns, cin, Kind::Iri), &frame, Some(&comment), carry).unwrap();
}

/// Appends one packet of RTP to a call's media.
pub(crate) fn rtp(
    store: &mut Store,
    warrant: &Warrant,
    id: u32,
    cin: u32,
    at_ns: u64,
    sequence: u16,
) {
    try_rtp(store, warrant, id, cin, at_ns, sequence).unwrap();
}

pub(crate) fn try_rtp(
    store: &mut Store,
    warrant: &Warrant,
    id: u32,
    cin: u32,
    at_ns: u64,
    sequence: u16,
) -> Result<(), Error> {
    let media = 20_000 + u16::try_from(cin).unwrap() * 2;
    let mut payload = vec![0x80, 0];
    payload.extend(sequence.to_be_bytes());
    payload.extend((u32::from(sequence) * 160).to_be_bytes());
    payload.extend([0, 0, 0, 7]);
    payload.extend([0xd5; 160]);
    let frame = udp(30_000, media, &payload);
    append(store, warrant, id, (at_ns, cin, Kind::Content), &frame, None, None)
}

pub(crate) fn close_call(store: &mut Store, id: u32, cin: u32) {
    let line = CallLine {
        cin,
        call_id: format!("call-{cin}@example.net"),
        matched: Match {
            header: "From".into(),
            target: "sip:alice@example.net".into(),
            contact: None,
        },
        cause: "bye".into(),
        ..CallLine::default()
    };
    store.call_closed(id, line).unwrap();
}

fn append(
    store: &mut Store,
    warrant: &Warrant,
    id: u32,
    (at_ns, cin, kind): (u64, u32, Kind),
    frame: &[u8],
    comment: Option<&str>,
    carry: Option<u64>,
) -> Result<(), Error> {
    let length = u32::try_from(frame.len()).unwrap();
    let authority = warrant.authority(id);
    let record =
        Record::new(&authority, at_ns, cin, kind, 0, frame, length, comment, carry).unwrap();
    let mut chunk = Chunk::default();
    chunk.try_push(&record).unwrap();
    chunk.records().try_for_each(|record| store.append(&record))
}

/// An Ethernet frame with UDP from 192.0.2.2 to 192.0.2.1.
fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let mut header = vec![0x45, 0];
    header.extend((length + 28).to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    header.extend(Ipv4Addr::new(192, 0, 2, 2).octets());
    header.extend(Ipv4Addr::new(192, 0, 2, 1).octets());
    let sum: u32 = header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    frame.extend(header);
    for field in [source, destination, length + 8, 0] {
        frame.extend(field.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

/// All files below `dir`, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs a program that must succeed and say nothing on standard error; gives its output.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(args).output().unwrap();
    let stderr: String = String::from_utf8_lossy(&stderr)
        .lines()
        .filter(|line| !line.starts_with("Running as user \"root\""))
        .collect();
    assert!(status.success(), "{program} {args:?}: {stderr}");
    assert_eq!(stderr, "", "{program} {args:?}");
    String::from_utf8(stdout).unwrap()
}
