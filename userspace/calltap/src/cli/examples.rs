//! What the end of each command's `--help` teaches; a test parses every line of it.

pub(super) const CALLTAP: &str = "\
First steps:
  calltap doctor eth1                              what is to be mended before a capture
  calltap authority new court --out court          the authority's key
  calltap warrant new --help                       the order, drafted, signed and checked
  calltap run --help                               its execution on the wire
  calltap evidence list                            what came of it
  calltap verify evidence                          and whether it is whole

Exit codes: 0 fine; 1 the thing asked about is not fine; 2 usage or set-up error, with the mend named.

No valid signed warrant, no byte kept.";

pub(super) const AUTHORITY_NEW: &str = "\
Examples:
  calltap authority new court --out court          court/court.key and court/court.pub
  calltap authority new alice.operator --out .     an operator, who activates and suspends warrants

The public half goes into the trust directory of those who are to obey; the secret half is never
where a capture runs.";

pub(super) const WARRANT_NEW: &str = "\
Examples:
  calltap warrant new --liid CASE-1 --authority-name court --reference 2026/123 --jurisdiction BE --deliver iri-and-content --target sip:alice@example.net --not-before 2026-01-01T00:00:00Z --not-after 2026-03-31T23:59:59Z --out warrants/case-1.toml
  calltap warrant new --liid CASE-1 --authority-name court --reference 2026/124 --jurisdiction BE --deliver iri-only --target tel:+3225550100 --not-before 2026-01-01T00:00:00Z --not-after 2026-06-30T23:59:59Z --supersedes warrants/case-1.toml --out warrants/case-1-v2.toml

What is written is a text for people: read it, then sign it with `calltap warrant sign`.";

pub(super) const WARRANT_SIGN: &str = "\
Example:
  calltap warrant sign warrants/case-1.toml --key court/court.key";

pub(super) const WARRANT_CHECK: &str = "\
Examples:
  calltap warrant check warrants/case-1.toml --trust trust
  calltap warrant check warrants/case-1.toml warrants/case-2.toml --trust trust --config calltap.toml

Exit code 1 comes with one refusal code a warrant: docs/operations.md has them all.";

pub(super) const WARRANT_REVOKE: &str = "\
Example:
  calltap warrant revoke warrants/case-1.toml --key court/court.key --reason 'the inquiry is closed'

A capture that runs obeys within a second. Nothing brings the warrant back.";

pub(super) const WARRANT_SUSPEND: &str = "\
Example:
  calltap warrant suspend warrants/case-1.toml --key alice.operator.key --trust trust --reason 'a fault in the line'";

pub(super) const WARRANT_RESUME: &str = "\
Example:
  calltap warrant resume warrants/case-1.toml --key alice.operator.key --trust trust --reason 'mended'";

pub(super) const WARRANT_ACTIVATE: &str = "\
Examples:
  calltap warrant activate warrants/case-1.toml --key alice.operator.key --trust trust
  calltap warrant activate warrants/case-1.toml --key bob.operator.key --trust trust --target sip:alice@example.net

Enter each identifier from the order itself, not from the file.";

pub(super) const WARRANT_DRY_RUN: &str = "\
Example:
  calltap warrant dry-run warrants/case-1.toml monday.pcapng --trust trust";

pub(super) const REPLAY: &str = "\
Examples:
  calltap replay calls.pcapng --warrant warrants/case-1.toml --trust trust --evidence evidence
  calltap replay a.pcap b.pcap --warrant case-1.toml --warrant case-2.toml --trust trust --evidence evidence -b filesize:100000
  calltap replay calls.pcapng --warrant case-1.toml --trust trust --evidence evidence --json | jq .frames

A warrant's window is held against the packets' own time.";

pub(super) const RUN: &str = "\
Examples:
  calltap run --interface eth1 --warrants warrants --trust trust --evidence evidence
  calltap run --interface eth1 --interface eth2 --warrants warrants --trust trust --evidence evidence --config calltap.toml --for 3600
  calltap run --interface eth1 --warrants warrants --trust trust --evidence evidence --metrics 127.0.0.1:9464 --console 127.0.0.1:8432

SIGINT and SIGTERM seal every volume and end it; SIGHUP has warrants, keys and settings read again.
`calltap doctor eth1 --evidence evidence` says beforehand what is to be mended.";

pub(super) const STATUS: &str = "\
Examples:
  calltap status                                   the capture that runs here
  calltap status /srv/evidence                     the one into this directory, of several
  calltap status --json | jq .frames.lost

Exit code 1 where no capture runs, or something is wrong with it.";

pub(super) const TOP: &str = "\
Examples:
  calltap top                                      the capture that runs here, until q
  calltap top /srv/evidence                        the one into this directory, of several";

pub(super) const VERIFY: &str = "\
Examples:
  calltap verify evidence
  calltap verify evidence --trust trust            also who signed the warrants, and the node's key
  calltap verify evidence --trust trust --json | jq .first_break";

pub(super) const AUDIT_CHECKPOINT: &str = "\
Examples:
  calltap audit checkpoint evidence > checkpoint-2026-11-23
  calltap audit checkpoint evidence --out tiles

Keep it where the node's operators cannot change it.";

pub(super) const AUDIT_PROVE: &str = "\
Example:
  calltap audit prove evidence --line 12";

pub(super) const AUDIT_CONSISTENCY: &str = "\
Example:
  calltap audit consistency evidence --from checkpoint-2026-11-23";

pub(super) const AUDIT_ERROR: &str = "\
Example:
  calltap audit error evidence --class over-collection --liid CASE-1 --reason 'executed a day too long'";

pub(super) const AUDIT_STAMP: &str = "\
Examples:
  calltap audit stamp evidence --query request.tsq
  curl -H 'Content-Type: application/timestamp-query' --data-binary @request.tsq \\
      -o reply.tsr http://tsa.example.net
  calltap audit stamp evidence --reply reply.tsr

scripts/time-stamp does all three, for a timer.";

pub(super) const AUDIT_KEY: &str = "\
Example:
  calltap audit key evidence";

pub(super) const REPORT: &str = "\
Examples:
  calltap report evidence --from 2026-01-01 --to 2027-01-01
  calltap report evidence --from 2026-01-01 --to 2027-01-01 --suppress 5 --html --out 2026.html";

pub(super) const DOCTOR: &str = "\
Examples:
  calltap doctor                                   the machine and every interface
  calltap doctor eth1 --evidence /srv/evidence     one interface, and the disk for the evidence
  calltap doctor eth1 --json | jq -r '.[].mend'

MEND: a capture would fail. note: it works, and would be better so.";

pub(super) const DEMO: &str = "\
Examples:
  calltap demo
  calltap demo --out demo";
