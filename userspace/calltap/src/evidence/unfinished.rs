//! Calls that no line of the ledger tells of: those that go on, and those whose writer died.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use anyhow::Context as _;
use calltap_evidence::read::{self, Origin, VolumeReader};
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::sip::{self, Message};

use super::row::{Row, State};
use crate::progress;

/// Gives the packed rows of a LIID's calls whose numbers are not `known`: found in volumes that are
/// not sealed, or were cut where their writer died.
///
/// # Errors
/// A volume or the manifest cannot be read.
pub fn unfinished(dir: &Path, liid: &str, known: &dyn Fn(u32) -> bool) -> anyhow::Result<Vec<u8>> {
    let written = read::is_being_written(dir);
    let mut calls = BTreeMap::new();
    let home = dir.join(liid);
    let sealed = read::sealed(dir, liid).with_context(|| format!("{liid}: its manifest"))?;
    for volume in sealed.into_iter().filter(|volume| volume.interrupted) {
        scan(&home.join(volume.file), State::Interrupted, known, &mut calls)?;
    }
    let state = if written { State::Open } else { State::Interrupted };
    for name in read::unsealed(dir, liid)? {
        let path = home.join(&name);
        // It may have been sealed since it was seen.
        if path.exists() {
            scan(&path, state, known, &mut calls)?;
        }
    }
    let mut rows = Vec::new();
    for (cin, call) in &calls {
        call.row(*cin).pack(&mut rows);
    }
    Ok(rows)
}

/// What the signalling of a call tells.
struct Found {
    started_ns: u64,
    state: State,
    iri_packets: u64,
    call_id: String,
    from: String,
    to: String,
}

impl Found {
    fn row(&self, cin: u32) -> Row<'_> {
        Row {
            cin,
            started_ns: self.started_ns,
            ended_ns: 0,
            line_at: u64::MAX,
            streams: 0,
            iri_packets: self.iri_packets,
            cc_packets: 0,
            lost: 0,
            mos: 0,
            encryption: 0,
            state: self.state,
            call_id: &self.call_id,
            from: &self.from,
            to: &self.to,
            cause: "",
            target: "",
        }
    }
}

fn scan(
    path: &Path,
    state: State,
    known: &dyn Fn(u32) -> bool,
    calls: &mut BTreeMap<u32, Found>,
) -> anyhow::Result<()> {
    let unreadable = || path.display().to_string();
    let bar = progress::bytes("reading", path.metadata().with_context(unreadable)?.len());
    let mut reader = VolumeReader::open(path).with_context(unreadable)?;
    let links: Vec<_> =
        reader.interfaces().iter().map(|it| LinkType::from_number(it.link_type)).collect();
    loop {
        bar.set_position(reader.bytes());
        let Some(found) = reader.next_packet().with_context(unreadable)? else { break };
        let (cin, is_new) = match found.origin {
            Origin::Iri(cin) => (cin, true),
            Origin::Repeated(cin) => (cin, false),
            Origin::Content => continue,
        };
        if known(cin) {
            continue;
        }
        match calls.entry(cin) {
            Entry::Occupied(mut call) => call.get_mut().iri_packets += u64::from(is_new),
            Entry::Vacant(place) => {
                let link = usize::try_from(found.interface).ok().and_then(|at| *links.get(at)?);
                let text = link.map_or(&[][..], |link| text(link, found.frame));
                place.insert(Found::of(text, found.at_ns, state, is_new));
            }
        }
    }
    Ok(())
}

impl Found {
    fn of(text: &[u8], started_ns: u64, state: State, is_new: bool) -> Self {
        let message = Message::parse(text);
        let uri = |value: Option<&[u8]>| {
            let uri = value.and_then(|value| sip::uris(value).next());
            String::from_utf8_lossy(uri.unwrap_or_default()).into_owned()
        };
        let call_id = message.as_ref().and_then(|it| it.call_id).unwrap_or_default();
        Self {
            started_ns,
            state,
            iri_packets: u64::from(is_new),
            call_id: String::from_utf8_lossy(call_id).into_owned(),
            from: uri(message.as_ref().and_then(|it| it.from)),
            to: uri(message.as_ref().and_then(|it| it.to)),
        }
    }
}

/// What a frame carries, where that is one datagram or segment.
fn text(link: LinkType, frame: &[u8]) -> &[u8] {
    match packet::parse(link, frame).map(|packet| packet.body) {
        Ok(Body::Udp(datagram)) => datagram.payload,
        Ok(Body::Tcp(segment)) => segment.payload,
        _ => &[],
    }
}
