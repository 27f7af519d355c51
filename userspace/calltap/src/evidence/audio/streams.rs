//! The streams of a call: whose each is, and whether it can be heard.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use calltap_proto::packet::{self, Body};
use calltap_proto::rtp::Header;
use calltap_proto::sip::Message;
use calltap_proto::{media::Keying, sdp};

use super::sides::{Side, Sides};
use super::srtp::{Keys, Opener};
use super::track::Track;
use crate::evidence::dossier::{Dossier, Placed};
use crate::evidence::inert::inert;
use crate::evidence::signalling::{Said, Signalling};

/// Who sends to whom, and its SSRC.
type Flow = (SocketAddr, SocketAddr, u32);

/// All streams of a call.
pub(super) struct Streams<'a> {
    dossier: &'a Dossier,
    messages: &'a [Said],
    sides: Sides,
    /// What opens those that are encrypted; none where nobody asked for that.
    keys: Option<Keys>,
    streams: BTreeMap<Flow, Stream>,
}

#[derive(Default)]
struct Stream {
    track: Track,
    encrypted: Option<Encrypted>,
}

struct Encrypted {
    how: String,
    opener: Opener,
}

/// What is heard, and what is said of it.
#[derive(Default)]
pub(super) struct Chosen {
    /// Streams that are heard, each with who speaks.
    pub(super) tracks: Vec<(Side, Track)>,
    /// Streams that were decrypted, and how.
    pub(super) decrypted: Vec<String>,
    /// What cannot be heard, and why.
    pub(super) left_out: Vec<String>,
}

impl<'a> Streams<'a> {
    /// Of a call with these messages; what is encrypted is opened `by_keys` of theirs, if asked for.
    pub(super) fn new(dossier: &'a Dossier, signalling: &'a Signalling, by_keys: bool) -> Self {
        let messages = &*signalling.messages;
        let keys = by_keys.then(|| Keys::of(messages));
        Self { dossier, messages, sides: Sides::of(messages), keys, streams: BTreeMap::new() }
    }

    /// Takes a packet of the call.
    pub(super) fn take(&mut self, placed: &Placed<'_>) {
        let Some(link) = placed.link else { return };
        let Ok(packet) = packet::parse(link, placed.packet.frame) else { return };
        let Body::Udp(datagram) = packet.body else { return };
        let Ok(Header { ssrc, .. }) = Header::parse(datagram.payload) else { return };
        let (source, destination) = (datagram.source, datagram.destination);
        let flow = (source, destination, ssrc);
        let stream = self.streams.entry(flow).or_insert_with(|| {
            let encrypted = encryption(self.dossier, self.messages, flow)
                .map(|how| Encrypted { how, opener: Opener::default() });
            Stream { encrypted, ..Stream::default() }
        });
        let opened = stream.encrypted.as_mut().map(|encrypted| {
            let keys = self.keys.as_ref();
            keys.and_then(|keys| encrypted.opener.open(keys, datagram.payload))
        });
        let plain = match &opened {
            None => datagram.payload,
            Some(Some(plain)) => plain,
            Some(None) => return,
        };
        let Ok((header, payload)) = Header::with_payload(plain) else { return };
        let name = self.sides.encoding(source, destination, header.payload_type);
        // Keys and silence are no sound.
        if !matches!(name, Some("TELEPHONE-EVENT" | "CN")) {
            stream.track.take(placed.packet.at_ns, &header, name, payload);
        }
    }

    /// The streams that are heard; says why the others are not.
    pub(super) fn choose(self) -> Chosen {
        let Self { sides, keys, streams, .. } = self;
        let mut streams: Vec<_> = streams.into_iter().collect();
        streams.sort_by_key(|(_, stream)| stream.track.ends().map(|(first, _)| first));
        let mut said = Chosen::default();
        let mut chosen: Vec<(Side, Flow, (u64, u64), Track)> = Vec::new();
        for (flow, Stream { mut track, encrypted }) in streams {
            let (source, destination, ssrc) = flow;
            let name = format!("{source} -> {destination}, SSRC {ssrc:#010x}");
            if let Some(encrypted) = encrypted {
                said.encrypted(&name, &encrypted, keys.as_ref());
            }
            for (encoding, packets) in &track.undecoded {
                let encoding = inert(encoding);
                said.left_out.push(format!("{name}: {packets} packets of {encoding}"));
            }
            let Some((first, last)) = track.ends() else { continue };
            // Where nothing says who speaks: whoever is first, and then whoever is not he.
            let side = sides.speaker(source, destination).unwrap_or_else(|| match chosen.first() {
                Some((side, (first, ..), ..)) if *first != source => side.other(),
                Some((side, ..)) => *side,
                None => Side::Caller,
            });
            let same = chosen.iter().find(|(other, of, (from, until), _)| {
                *other == side
                    && (of.0, of.1) != (source, destination)
                    && first < *until
                    && *from < last
            });
            if let Some((_, (source, destination, _), ..)) = same {
                let of = format!("{source} -> {destination}");
                said.left_out.push(format!("{name}: heard on another hop, {of}"));
                continue;
            }
            track.name = name;
            chosen.push((side, flow, (first, last), track));
        }
        said.tracks = chosen.into_iter().map(|(side, _, _, track)| (side, track)).collect();
        said
    }
}

impl Chosen {
    /// Says what became of a stream that is encrypted.
    fn encrypted(
        &mut self,
        name: &str,
        Encrypted { how, opener }: &Encrypted,
        keys: Option<&Keys>,
    ) {
        let Some(keys) = keys.filter(|_| opener.opened > 0) else {
            let why = why(how, keys);
            self.left_out.push(format!("{name}: encrypted ({how}), and kept as it came: {why}"));
            return;
        };
        let (suite, opened, failed) = (opener.suite(keys), opener.opened, opener.failed);
        self.decrypted.push(format!("{name}: {opened} packets of {suite}"));
        if failed > 0 {
            let why = "authentic by no key of the signalling";
            self.left_out.push(format!("{name}: {failed} packets that are {why}"));
        }
    }
}

/// Why a stream that is encrypted stays so.
fn why(how: &str, keys: Option<&Keys>) -> String {
    match (how, keys) {
        ("dtls-srtp" | "zrtp", _) => "its ends agreed upon keys that are in no evidence".to_owned(),
        ("mikey", _) => "keys in MIKEY are not read".to_owned(),
        (_, None) => "calltap evidence audio may decrypt it".to_owned(),
        (_, Some(keys)) => keys.missing(),
    }
}

/// How a stream is encrypted, if it is; of a call without a line, what its descriptions announce.
fn encryption(
    dossier: &Dossier,
    messages: &[Said],
    (source, destination, ssrc): Flow,
) -> Option<String> {
    let (source, destination) = (source.to_string(), destination.to_string());
    let ssrc = format!("{ssrc:#010x}");
    let known = dossier.line.streams.iter().find(|stream| {
        (&stream.src, &stream.dst, stream.ssrc.as_ref()) == (&source, &destination, Some(&ssrc))
    });
    if let Some(known) = known {
        return (known.encryption != "none").then(|| known.encryption.clone());
    }
    let is_keyed = messages.iter().any(|said| {
        let message = Message::parse(&said.bytes);
        let description = message.as_ref().and_then(Message::description);
        let media = description.map(|it| sdp::scan(it).media).unwrap_or_default();
        media.iter().any(|media| media.keying != Keying::None)
    });
    is_keyed.then(|| "announced".to_owned())
}
