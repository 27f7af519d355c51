//! What was sealed to a recipient, opened by who holds the identity.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use crate::age::{self, End, Identity, OpenError};
use crate::base64;
use crate::digest::{Digest, Digested};
use crate::lines::{CallLine, SealedLine};

/// Opens the volume at `path`, of which the manifest says `line`, and writes the pcapng that it
/// holds; gives its digest, which is to be held against the line's.
///
/// # Errors
/// [`OpenError`]: it is sealed to somebody else, was changed, or cannot be read or written.
pub fn volume(
    path: &Path,
    line: &SealedLine,
    identity: &Identity,
    plain: impl Write,
) -> Result<Digested, OpenError> {
    let mut file = File::open(path)?;
    let mut plain = Digesting { digest: Digest::default(), into: plain };
    let length = line.tail_at.unwrap_or(u64::MAX);
    let first = age::open(identity, BufReader::new((&file).take(length)), &mut plain);
    match line.tail_at {
        None if matches!(first, Ok(End::Cut)) => {
            return Err(OpenError::Broken("its end is missing"));
        }
        // What a loss of power cut in the middle of a chunk gives what stands before that.
        Some(_) if line.plain.is_none() => {}
        _ => drop(first?),
    }
    if let Some(tail_at) = line.tail_at {
        file.seek(SeekFrom::Start(tail_at))?;
        age::open(identity, BufReader::new(file), &mut plain)?;
    }
    plain.into.flush()?;
    Ok(plain.digest.finish())
}

/// Opens a sealed line of a call; gives the line as it would stand there unsealed, as JSON. A line
/// that is not sealed is given as it is.
///
/// # Errors
/// [`OpenError`], as for a volume.
pub fn call(line: &CallLine, identity: &Identity) -> Result<Vec<u8>, OpenError> {
    let Some(sealed) = &line.sealed else {
        return serde_json::to_vec(line).map_err(|error| OpenError::Io(error.into()));
    };
    let sealed = base64::decode(sealed).ok_or(OpenError::Broken("it is no base64"))?;
    let mut plain = Vec::new();
    match age::open(identity, sealed.as_slice(), &mut plain)? {
        End::Whole => Ok(plain),
        End::Cut => Err(OpenError::Broken("its end is missing")),
    }
}

struct Digesting<W> {
    digest: Digest,
    into: W,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.into.write_all(bytes)?;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}
