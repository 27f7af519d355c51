//! Where tshark and this crate differ, and who is right.

/// Capture, difference, reason.
pub(crate) const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "fax-t38/ntop-nDPI__FAX-Call-t38_cropped.pcap",
        "stream 10.35.60.100:15580 10.23.1.52:16756 0xeaf0eaf: 159 packets of 132",
        REFUSED_OFFER,
    ),
    (
        "ims-volte/open5gs-open5gs__volte.pcapng",
        "call 29f22d59735449fc-27067@10.4.128.21: 5 messages of 4",
        TWO_TUNNELS,
    ),
    (
        "sip-calls/NormB-sipnab__SIP_CALL_RTP_G711.pcap",
        "stream 200.57.7.202:30000 200.57.7.196:40362 0x2e3d: 0 packets of 6",
        MGCP,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call %78222729-\u{13}665d775@578222732-4665d772: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 105090259-446faf7a@192.168.%s: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 105090259-446faf7a@192.168.1.2: 4 messages of 5",
        NO_PARTY,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 11894297-4432a9f8@192.168.1.2: 0 messages of 2",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 29858147-465b0752@29858051-465b07b2: 5 messages of 3",
        START_LINE,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 29858147�465b0752@21858051-465b07b2: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 51894297-4432a9f8@192.168.1.2: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 578222%s: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 578222729-4665d775@578222732-4665d772: 0 messages of 5",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 578222729-4m65q775����������������������: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 85216695-42dcdb1d@112.168.1.\": 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call 85216695-42dcdb1d@192&168.1.2: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "call H9858147-465b0772@29858051-465b07b2: 0 messages of 1",
        FUZZED_CALLER,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "stream 192.168.1.2:30000 212.242.33.36:40392 0x37968baa: 0 packets of 1",
        FUZZED_STREAM,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "stream 192.168.1.2:30000 212.242.33.36:40392 0x3796cb71: 0 packets of 3",
        FUZZED_STREAM,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "stream 192.168.1.2:30000 212.242.33.36:40392 0xaaaaaaaa: 0 packets of 1",
        FUZZED_STREAM,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "stream 192.168.1.2:30000 214.242.33.36:40392 0x3796cb71: 0 packets of 1",
        FUZZED_STREAM,
    ),
    (
        "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap",
        "stream 192.168.1.2:30000 37.115.0.36:40392 0x3796cb71: 0 packets of 1",
        FUZZED_STREAM,
    ),
];

/// We are right: the packets are RTP.
///
/// The fax re-INVITE was refused, which leaves everything as it was (RFC 3264 §8); tshark reads 27
/// RTP packets as T.38 nevertheless.
const REFUSED_OFFER: &str = "tshark follows an offer that was refused";

/// We are right: a tunnel is an address space of its own (3GPP TS 29.281 §4.2.1).
///
/// A 200 passes twice, in two GTP-U tunnels and with the same addresses and identification in both:
/// frames 13, 16 and 17 are one datagram, 14 and 18 the other. tshark keys fragments by
/// the inner addresses alone, makes one datagram of 13, 14, 15, 16 and 17, and has nothing left for
/// frame 18.
const TWO_TUNNELS: &str = "one datagram's fragments in each of two tunnels";

/// tshark sees more: the description stands in an MGCP command (RFC 3435), of no SIP call.
const MGCP: &str = "announced by MGCP, not by SIP";

/// We see more: two messages whose first bytes were damaged have the Call-ID and are kept, flagged;
/// tshark does not take them for SIP.
const START_LINE: &str = "messages with a damaged start line are kept";

/// We are right: a CANCEL between two hosts that are not the call's, without any tag of it, is no
/// message of its dialogs (RFC 3261 §12) although it has its Call-ID.
const NO_PARTY: &str = "neither tags nor hosts are the call's";

/// Nobody is right: the caller's URI was damaged, so that no warrant can name it.
const FUZZED_CALLER: &str = "the caller's URI was damaged";

/// The call that announces the stream has a caller whose URI was damaged.
const FUZZED_STREAM: &str = "announced in a call whose caller's URI was damaged";
