//! What tshark recorded of a capture: `truth/*.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// One capture.
pub(crate) struct Truth {
    /// Path of the capture within the corpus.
    pub file: String,
    pub calls: Vec<Call>,
    /// RTP streams that SDP announced.
    pub streams: Vec<Stream>,
}

/// One Call-ID.
pub(crate) struct Call {
    pub call_id: String,
    pub from_uri: String,
    pub to_uri: String,
    pub sip_messages: u64,
}

pub(crate) struct Stream {
    pub source: String,
    pub destination: String,
    pub ssrc: u32,
    pub packets: u64,
}

/// Which of a call's parties warrants are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// Who calls: the From URI.
    Caller,
    /// Who is called: the To URI.
    Called,
}

impl Call {
    /// The URI of one of its parties.
    pub(crate) fn uri(&self, party: Party) -> &str {
        match party {
            Party::Caller => &self.from_uri,
            Party::Called => &self.to_uri,
        }
    }
}

impl Truth {
    /// The URIs of these parties, each once.
    pub(crate) fn parties(&self, party: Party) -> BTreeSet<&str> {
        self.calls.iter().map(|call| call.uri(party)).collect()
    }
}

/// All captures of the corpus that tshark found SIP or RTP in.
pub(crate) fn all(folder: &Path) -> Vec<Truth> {
    let mut paths: Vec<_> = fs::read_dir(folder.join("truth"))
        .expect("a folder truth")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths.iter().map(|path| truth(&fs::read_to_string(path).expect("a text"))).collect()
}

fn truth(text: &str) -> Truth {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_string();
    Truth {
        file: text(&value, "file"),
        calls: list("calls")
            .iter()
            .map(|call| Call {
                call_id: text(call, "call_id"),
                from_uri: text(call, "from_uri"),
                to_uri: text(call, "to_uri"),
                sip_messages: call["sip_messages"].as_u64().unwrap_or(0),
            })
            .collect(),
        streams: list("rtp_streams_via_sdp")
            .iter()
            .map(|stream| {
                let ssrc = text(stream, "ssrc");
                Stream {
                    source: text(stream, "src"),
                    destination: text(stream, "dst"),
                    ssrc: u32::from_str_radix(ssrc.trim_start_matches("0x"), 16).expect("an SSRC"),
                    packets: stream["packets"].as_u64().unwrap_or(0),
                }
            })
            .collect(),
    }
}
