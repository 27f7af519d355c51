//! Where tshark and this crate differ, and who is right.

use crate::truth::Party;

/// Capture, difference, reason.
type Difference = (&'static str, &'static str, &'static str);

/// Capture and difference, under warrants on these parties.
pub(crate) fn of(party: Party) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = match party {
        Party::Caller => CALLERS,
        Party::Called => CALLED,
    };
    EITHER.iter().chain(own).map(|&(file, what, _)| (file, what))
}

/// Whichever party the warrants are on.
const EITHER: &[Difference] = &[
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
    (FUZZED, "call 29858147-465b0752@29858051-465b07b2: 5 messages of 3", START_LINE),
    (FUZZED, "call 51894297-4432a9f8@192.168.1.2: 0 messages of 1", FUZZED_BOTH),
    (FUZZED, "call 578222%s: 0 messages of 1", FUZZED_BOTH),
    (FUZZED, "call 578222729-4m65q775����������������������: 0 messages of 1", FUZZED_BOTH),
    (FUZZED, "call H9858147-465b0772@29858051-465b07b2: 0 messages of 1", FUZZED_BOTH),
    (
        FUZZED,
        "stream 192.168.1.2:30000 212.242.33.36:40392 0x37968baa: 0 packets of 1",
        FUZZED_STREAM,
    ),
    (
        FUZZED,
        "stream 192.168.1.2:30000 212.242.33.36:40392 0x3796cb71: 0 packets of 3",
        FUZZED_STREAM,
    ),
    (
        FUZZED,
        "stream 192.168.1.2:30000 212.242.33.36:40392 0xaaaaaaaa: 0 packets of 1",
        FUZZED_STREAM,
    ),
    (
        FUZZED,
        "stream 192.168.1.2:30000 214.242.33.36:40392 0x3796cb71: 0 packets of 1",
        FUZZED_STREAM,
    ),
    (
        FUZZED,
        "stream 192.168.1.2:30000 37.115.0.36:40392 0x3796cb71: 0 packets of 1",
        FUZZED_STREAM,
    ),
];

/// Under warrants on callers alone.
const CALLERS: &[Difference] = &[
    (FUZZED, "call 105090259-446faf7a@192.168.%s: 0 messages of 1", FUZZED_CALLER),
    (FUZZED, "call %78222729-\u{13}665d775@578222732-4665d772: 0 messages of 1", FUZZED_CALLER),
    (FUZZED, "call 105090259-446faf7a@192.168.1.2: 4 messages of 5", NO_PARTY),
    (FUZZED, "call 11894297-4432a9f8@192.168.1.2: 0 messages of 2", FUZZED_CALLER),
    (FUZZED, "call 29858147�465b0752@21858051-465b07b2: 0 messages of 1", FUZZED_CALLER),
    (FUZZED, "call 578222729-4665d775@578222732-4665d772: 0 messages of 5", FUZZED_CALLER),
    (FUZZED, "call 85216695-42dcdb1d@112.168.1.\": 0 messages of 1", FUZZED_CALLER),
    (FUZZED, "call 85216695-42dcdb1d@192&168.1.2: 0 messages of 1", FUZZED_CALLER),
];

/// Under warrants on called parties alone.
const CALLED: &[Difference] = &[
    (FUZZED, "call 105090259-446faf7a@192.168.%s: 0 messages of 1", CUT_CALL_ID),
    (FUZZED, "call 105090259-446faf7a@19\".168.1.2: 0 messages of 1", FUZZED_CALLED),
    (FUZZED, "call 105090259-�46faf7a@192.168.1.2: 0 messages of 1", FUZZED_CALLED),
    (FUZZED, "call 11894297-4432a9f8@192.168.1.2: 3 messages of 2", START_LINE_OF_A_100),
    (FUZZED, "call 578222729-4665d775@578222732-4665d772: 4 messages of 5", OTHERS_REGISTER),
    (FUZZED, "call 578222729-m665d775�578222732-4665d772: 0 messages of 1", FUZZED_CALLED),
    (FUZZED, "call 85216695-42dcdb1d@192.168.1.2: 0 messages of 1", FUZZED_CALLED),
];

/// The capture whose bytes a fuzzer has changed.
const FUZZED: &str = "sip-malformed/ntop-nDPI__fuzz-2006-06-26-2594.pcap";

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

/// We see more: frame 619 is the 100 to the INVITE in frame 617 and begins `LIP/2.0`; it is kept,
/// flagged. tshark does not take it for SIP (RFC 3261 §7.2).
const START_LINE_OF_A_100: &str = "a 100 with a damaged start line is kept";

/// We are right: a CANCEL between two hosts that are not the call's, without any tag of it, is no
/// message of its dialogs (RFC 3261 §12) although it has its Call-ID.
const NO_PARTY: &str = "neither tags nor hosts are the call's";

/// We are right: one device registers three users under one Call-ID (RFC 3261 §10.2), and who is
/// registered is named by To alone.
///
/// The target of this warrant is `voi18063`, in frame 31. Kept are that one, frame 108, which names
/// him too, and frames 154 and 155 of the same hosts and Call-ID; of these, tshark takes 108 and 154
/// for no SIP, as their start lines are damaged. Frames 432 (`voi18062`), 442 and 454 (`35104723`)
/// come ten minutes later and register others: whatever could have tied them to the target's
/// registration, the CSeq of 31 and of 155, was damaged, so that it had been over for long.
const OTHERS_REGISTER: &str = "other users' registrations under one Call-ID";

/// Nobody is right: the caller's URI was damaged, so that no warrant can name it.
const FUZZED_CALLER: &str = "the caller's URI was damaged";

/// Nobody is right: the called party's URI was damaged, so that no warrant can name it.
///
/// The user in the To of frame 19 has a NUL in it, the To of frame 257 has lost its name and its
/// scheme, that of frame 266 begins `sik:`, and frame 349 has none (RFC 3261 §25.1, addr-spec).
const FUZZED_CALLED: &str = "the called party's URI was damaged";

/// We are right: frame 247 is kept, under its Call-ID as sent, in which a NUL follows (RFC 3261 §20.8
/// compares Call-IDs byte by byte); tshark ends it there.
const CUT_CALL_ID: &str = "tshark ends the Call-ID at a NUL";

/// Nobody is right: both URIs were damaged or cut off, in frames 144, 182, 527 and 620.
const FUZZED_BOTH: &str = "both parties' URIs were damaged";

/// The call that announces the stream has parties whose URIs were damaged.
const FUZZED_STREAM: &str = "announced in a call whose parties' URIs were damaged";
