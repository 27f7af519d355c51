//! DTLS records on a media port (RFC 6347 §4.1, RFC 5764).

/// The first record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Content type: 20 change of cipher, 21 alert, 22 handshake, 23 application data, 24
    /// heartbeat, 25 with a connection ID.
    pub content_type: u8,
    /// Version on the wire: 0xfeff is DTLS 1.0, 0xfefd 1.2, and 1.3 before it is agreed upon.
    pub version: u16,
    /// 0 until the handshake has agreed upon keys.
    pub epoch: u16,
}

/// Content type of a handshake.
pub const HANDSHAKE: u8 = 22;

/// Reads the header of a datagram's first record, which must lie within it.
///
/// The short headers of DTLS 1.3 (RFC 9147 §4) have no version to be known by: they are none.
#[must_use]
pub fn record(datagram: &[u8]) -> Option<Record> {
    let (&[content_type, v0, v1, e0, e1, _, _, _, _, _, _, l0, l1], rest) =
        datagram.split_first_chunk()?;
    let version = u16::from_be_bytes([v0, v1]);
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let known = matches!(content_type, 20..=25) && matches!(version, 0xfeff | 0xfefd);
    let epoch = u16::from_be_bytes([e0, e1]);
    (known && length > 0 && length <= rest.len()).then_some(Record { content_type, version, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_known_by_type_version_and_length() {
        let hello = [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0];
        let expected = Record { content_type: HANDSHAKE, version: 0xfeff, epoch: 0 };
        assert_eq!(record(&hello), Some(expected));
        let other = |place: usize, value: u8| {
            let mut record = hello;
            record[place] = value;
            record
        };
        for bytes in [other(0, 26), other(1, 3), other(2, 0xfe), other(12, 3), other(12, 0)] {
            assert_eq!(record(&bytes), None);
        }
        assert_eq!(record(&hello[..12]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = record(&bytes);
        }
    }
}
