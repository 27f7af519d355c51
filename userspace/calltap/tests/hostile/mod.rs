//! A call of which every part is hostile.

use std::fs;
use std::path::Path;

/// What a hostile peer puts wherever text may stand: markup, scripts, terminal controls, text that
/// reorders or hides its surroundings, and honest text of all scripts.
pub(crate) const STRINGS: [&str; 58] = [
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
pub(crate) fn capture(path: &Path) {
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
