//! A scenario as a text.
//!
//! ```text
//! # What it shows, and where that was asked for.
//! warrant sip:alice@example.net        one or several; `iri-only` behind it for signalling alone
//! host alice 192.0.2.1                 a name for an address; alice is sip:alice@example.net
//! call a1 alice bob                    a Call-ID, who calls, who is called
//! 0.0 alice bob INVITE a1 1 sdp=4000   seconds, hop, method or status, call, CSeq, options
//! 0.2 bob alice 200 a1 1 sdp=5000      of a response, `method=` says what it answers: INVITE
//! 1.0 alice:4000 bob:5000 rtp 50       media: how many packets, options
//! 1.0 alice:4000 bob:5000 msrp 1 text=  a chunk of an MSRP message, or with `answer=1` a response
//! - 1.0 eve:4000 bob:5000 rtp 50       a hyphen: nobody's business, must not be kept
//! expect a1 header=From iri=4 cc=50    fields of the call's line; comment= is in one of its packets
//! counted fragments_cut=1              what the program says it counted of signalling
//! order dtmf = 'mask'                  a field more of each warrant; then frames may be kept masked
//! canary secret                        a text, or hex=00ff, that must be nowhere in the evidence
//! audited party-excluded calls=1       a line of the audit, and details of it
//! ```
//!
//! Whatever stands without a hyphen must be in the evidence, byte for byte and once a warrant, and
//! nothing else may be.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// A scenario.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) warrants: Vec<(String, bool)>,
    pub(crate) config: String,
    pub(crate) hosts: BTreeMap<String, IpAddr>,
    pub(crate) calls: BTreeMap<String, (String, String)>,
    pub(crate) lines: Vec<Line>,
    pub(crate) expected: Vec<(String, Options)>,
    pub(crate) counted: Options,
    pub(crate) order: String,
    pub(crate) canaries: Vec<Vec<u8>>,
    pub(crate) audited: Vec<(String, Options)>,
    /// Whether it also runs on a wire.
    pub(crate) wire: bool,
}

/// Something that is sent.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) seconds: f64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) what: Vec<String>,
    pub(crate) options: Options,
    /// Whether it must be kept.
    pub(crate) kept: bool,
}

/// `name=value`, and bare words with an empty value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options(pub(crate) BTreeMap<String, String>);

impl Options {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str, otherwise: T) -> T {
        self.get(name).map_or(otherwise, |text| {
            text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
        })
    }
}

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        for line in text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'))
        {
            let mut words = split(line);
            let first = words.remove(0);
            match first.as_str() {
                "warrant" => script.warrants.push((words[0].clone(), words.len() < 2)),
                "config" => script.config += &format!("{}\n", words.join(" ")),
                "host" => {
                    script.hosts.insert(words[0].clone(), words[1].parse().expect("an address"));
                }
                "call" => {
                    script.calls.insert(words[0].clone(), (words[1].clone(), words[2].clone()));
                }
                "wire" => script.wire = true,
                "order" => script.order += &format!("{}\n", words.join(" ")),
                "canary" => script.canaries.push(match words[0].strip_prefix("hex=") {
                    Some(hex) => bytes(hex),
                    None => words[0].clone().into_bytes(),
                }),
                "audited" => script.audited.push((words[0].clone(), options(&words[1..]))),
                "counted" => script.counted = options(&words),
                "expect" => script.expected.push((words[0].clone(), options(&words[1..]))),
                "-" => script.lines.push(Line::parse(&words, false)),
                _ => {
                    words.insert(0, first);
                    script.lines.push(Line::parse(&words, true));
                }
            }
        }
        script.lines.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        script
    }

    /// `name`, `name:port` or an endpoint as it is.
    pub(crate) fn endpoint(&self, text: &str, port: u16) -> SocketAddr {
        if let Ok(endpoint) = text.parse() {
            return endpoint;
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().expect("a port")),
            None => (text, port),
        };
        let host = self.hosts.get(name).unwrap_or_else(|| panic!("no host {name}"));
        SocketAddr::new(*host, port)
    }
}

impl Line {
    fn parse(words: &[String], kept: bool) -> Self {
        let [seconds, from, to, rest @ ..] = words else { panic!("{words:?}") };
        let seconds = seconds.parse().unwrap_or_else(|_| panic!("{words:?}: no time"));
        let bare = rest.iter().take_while(|word| !word.contains('=')).count();
        let most = if matches!(rest[0].as_str(), "rtp" | "udp") { 2 } else { 3 };
        let what = rest[..bare.min(most)].to_vec();
        let options = options(&rest[what.len()..]);
        Self { seconds, from: from.clone(), to: to.clone(), what, options, kept }
    }
}

fn options(words: &[String]) -> Options {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    };
    Options(words.iter().map(pair).collect())
}

/// Bytes of hexadecimal digits, whatever stands between.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte")
    };
    digits.chunks(2).map(byte).collect()
}

/// Words parted by spaces; double quotes hold some together.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
