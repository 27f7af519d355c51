//! `calltap evidence report`: one page that opens alone, whatever the network has sent.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::desk::{Desk, EVER, words};
use super::replayed;

/// What a hostile peer puts wherever text may stand: markup, scripts, terminal controls, text that
/// reorders or hides its surroundings, and honest text of all scripts.
const STRINGS: [&str; 58] = [
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg onload=\"document.title='owned'\">",
    "<svg><script>document.title='owned'</script></svg>",
    "</text><script>document.title='owned'</script>",
    "</title><script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
    "</pre></details><script>document.title='owned'</script>",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\">",
    "<body onload=document.title='owned'>",
    "<a href=\"javascript:document.title='owned'\">x</a>",
    "<meta http-equiv=refresh content=\"0;url=http://192.0.2.99/\">",
    "<link rel=stylesheet href=http://192.0.2.99/x.css>",
    "<base href=http://192.0.2.99/>",
    "<form action=http://192.0.2.99/><input autofocus onfocus=document.title='owned'>",
    "<object data=http://192.0.2.99/x>",
    "<embed src=http://192.0.2.99/x>",
    "<video src=x onerror=document.title='owned'>",
    "<audio src=x onerror=document.title='owned'>",
    "<details open ontoggle=document.title='owned'>",
    "<marquee onstart=document.title='owned'>",
    "<math><mtext></mtext><script>document.title='owned'</script></math>",
    "<style>*{display:none}</style>",
    "<plaintext>",
    "<!-- ",
    "--><script>document.title='owned'</script>",
    "<![CDATA[<script>document.title='owned'</script>]]>",
    "<?xml version=\"1.0\"?>",
    "\" onmouseover=\"document.title='owned'",
    "' onmouseover='document.title=1",
    "` onmouseover=`document.title=1",
    "\"><script>document.title='owned'</script>",
    "'><script>document.title='owned'</script>",
    "&lt;script&gt;document.title='owned'&lt;/script&gt;",
    "&#60;script&#62;document.title=1&#60;/script&#62;",
    "&amp;&quot;&notanentity;",
    "{{constructor.constructor('document.title=1')()}}",
    "${document.title='owned'}",
    "javascript:document.title='owned'",
    "data:text/html,<script>document.title=1</script>",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;owned\u{7}",
    "\u{9b}31m",
    "\u{202e}gpj.exe",
    "\u{2066}x\u{2069}\u{200f}y",
    "a\u{200b}b\u{feff}c",
    "\u{e0041}\u{e0042}",
    "\\u{202e} literal \\ backslash",
    "שלום עולם",
    "مرحبا بالعالم",
    "漢字かな交じり文",
    "Ærøskøbing Łódź Ğ",
    "👩\u{200d}👩\u{200d}👧 🇧🇪 👍🏽",
    "e\u{301}\u{323}\u{302}",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "%3Cscript%3Edocument.title=1%3C/script%3E",
    "=cmd|' /C calc'!A0",
];

/// A call between addresses of documentation, each of whose messages brings one of the strings in
/// several places, as a classic pcap.
fn hostile_capture(path: &Path) {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for (number, text) in (1_u32..).zip(STRINGS) {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns={text}\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm={} 4000 RTP/AVP 0\r\n",
            text.split(' ').next().unwrap()
        );
        let message = format!(
            "INVITE sip:{text}@example.org SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}\r\n\
             Call-ID: hostile@192.0.2.1\r\nFrom: \"{text}\" <sip:alice@example.net>;tag=a\r\n\
             To: <sip:{text}@example.org>\r\nCSeq: {number} INVITE\r\nSubject: {text}\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        let answer = format!(
            "SIP/2.0 603 {text}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}\r\n\
             Call-ID: hostile@192.0.2.1\r\nFrom: <sip:alice@example.net>;tag=a\r\n\
             To: <sip:bob@example.org>;tag=b\r\nCSeq: {number} INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        for (text, forth) in [(message, true), (answer, false)] {
            let frame = frame(text.as_bytes(), forth);
            let length = u32::try_from(frame.len()).unwrap();
            for word in [1_795_449_840, number * 1_000_000, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
    }
    fs::write(path, file).unwrap();
}

/// Ethernet, IPv4 and UDP.
fn frame(payload: &[u8], forth: bool) -> Vec<u8> {
    let udp = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let ip = u16::try_from(28 + payload.len()).unwrap().to_be_bytes();
    let (source, destination) = if forth { (1, 2) } else { (2, 1) };
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, ip[0], ip[1], 0, 1, 0, 0, 64, 17, 0, 0]);
    frame.extend([192, 0, 2, source, 192, 0, 2, destination]);
    frame.extend([0x13, 0xc4, 0x13, 0xc4, udp[0], udp[1], 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

/// A desk with the report of the hostile call, and its text.
fn hostile_report() -> (Desk, String) {
    let desk = Desk::new();
    let warrant = desk.warrant("CASE-1", &["ip:192.0.2.1"], EVER);
    hostile_capture(&desk.path("hostile.pcap"));
    desk.replay(&desk.path("hostile.pcap"), &warrant, &[]);
    desk.fine(&["evidence", "report", "hostile@192.0.2.1", "--html", "call.html"]);
    let page = fs::read_to_string(desk.path("call.html")).unwrap();
    (desk, page)
}

/// A string as it is shown, before a page escapes it.
fn shown(text: &str) -> String {
    calltap::evidence::inert::inert(text).into_owned()
}

fn escaped(text: &str) -> String {
    let text = shown(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[test]
fn nothing_from_the_network_is_markup_in_a_page_and_all_of_it_can_be_read() {
    let (_desk, page) = hostile_report();
    assert!(STRINGS.len() >= 50);
    for text in STRINGS {
        let line = format!("Subject: {}\n", escaped(text));
        assert!(page.contains(&line), "{text:?}");
        assert!(
            page.contains(&format!("603 {} (INVITE)", escaped(text.trim()))),
            "{text:?} on the ladder"
        );
    }
    let hostile = |c: char| c != '\n' && calltap::evidence::inert::is_hostile(c);
    assert!(!page.contains(hostile), "{:?}", page.find(hostile));
    for tag in page.split('<').skip(1) {
        let name: String = tag
            .trim_start_matches(['/', '!'])
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let known = "doctype html head meta title style body main header h1 h2 h3 p code dl div dt dd \
            section span svg text line g path rect details summary pre table tr th td figure \
            figcaption audio footer ul li b bdi";
        assert!(known.split(' ').any(|it| it == name), "<{tag}");
    }
}

#[test]
fn a_page_may_load_nothing_but_what_is_in_it_and_run_nothing() {
    let desk = replayed("calls.pcapng", &[]);
    desk.fine(&["evidence", "report", "1", "--html", "call.html"]);
    let page = fs::read_to_string(desk.path("call.html")).unwrap();
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    for part in [
        "<title>Call CASE-1/1</title>",
        "1. INVITE +SDP",
        "aria-label=\"Waveform",
        "src=\"data:audio/wav;base64,UklGR",
        "Jitter: up to 1.4 ms",
        "Packets missing: up to 0",
        "sha256sum EVIDENCE/CASE-1/CASE-1_00001_20261123T201614Z.pcapng",
        "calltap verify EVIDENCE --trust TRUST",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains("\"event\":\"evidence-reported\""));
    desk.fine(&["verify", "evidence"]);
    let output = desk.run(&["evidence", "report", "1", "--html", "call.html"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(words(&output).contains("call.html is there already"));
}

#[test]
fn a_browser_executes_nothing_of_a_hostile_call() {
    if Command::new("chromium").arg("--version").output().is_err() {
        println!("SKIPPED: chromium is not installed");
        return;
    }
    let (desk, _) = hostile_report();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", desk.path("browser").display()))
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("file://{}", desk.path("call.html").display()))
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(dom.contains("<title>Call CASE-1/2</title>"), "{}", &dom[..dom.len().min(2000)]);
    for element in
        ["script", "img", "iframe", "object", "embed", "form", "base", "link", "a", "marquee"]
    {
        assert!(
            !dom.contains(&format!("<{element}>")) && !dom.contains(&format!("<{element} ")),
            "{element}"
        );
    }
    assert!(dom.contains("</footer>"), "the page is whole to its end");
}
