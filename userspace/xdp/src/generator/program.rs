//! The generator's program, instruction by instruction (RFC 9669).
//!
//! It makes of whatever frame the kernel recycles the frame that [`Traffic::frame`] has under the
//! next number; a test holds the two against each other.
//! It is short, and written for one kernel interface that only this module uses: a second BPF
//! target to build would cost more than it would say.

use std::os::fd::{AsRawFd as _, OwnedFd};

use super::traffic::{FIRST_PORT, FRAME_BYTES, MIX, PORTS_BITS, STREAMS, Traffic, at};

/// An instruction as the kernel reads it (RFC 9669 §3): opcode, registers, offset, constant.
pub(super) type Instruction = u64;

/// A register; the context comes in [`R1`], and the action goes out in [`R0`].
#[derive(Clone, Copy)]
struct Register(u8);

const R0: Register = Register(0);
const R1: Register = Register(1);
const R2: Register = Register(2);
const R3: Register = Register(3);
const R4: Register = Register(4);
const R5: Register = Register(5);
const R6: Register = Register(6);
const R7: Register = Register(7);
const R8: Register = Register(8);
const R9: Register = Register(9);
/// The end of the stack, which grows down.
const R10: Register = Register(10);

/// Arithmetic on 64 bits (RFC 9669 §4.1).
#[derive(Clone, Copy)]
enum Do {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Div = 0x30,
    Or = 0x40,
    And = 0x50,
    Shl = 0x60,
    Shr = 0x70,
    Mod = 0x90,
    Xor = 0xa0,
    Mov = 0xb0,
}

const fn instruction(
    opcode: u8,
    to: Register,
    from: u8,
    offset: i16,
    constant: i32,
) -> Instruction {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = constant.to_le_bytes();
    Instruction::from_le_bytes([opcode, to.0 | from << 4, low, high, a, b, c, d])
}

/// `to = to DO constant`.
const fn by(what: Do, to: Register, constant: i32) -> Instruction {
    instruction(0x07 | what as u8, to, 0, 0, constant)
}

/// `to = to DO from`.
const fn with(what: Do, to: Register, from: Register) -> Instruction {
    instruction(0x0f | what as u8, to, from.0, 0, 0)
}

/// `to` in network byte order, of so many bits.
const fn big_endian(to: Register, bits: i32) -> Instruction {
    instruction(0xdc, to, 0, 0, bits)
}

/// The number of bytes of a load or store (RFC 9669 §5).
#[derive(Clone, Copy)]
enum Size {
    One = 0x10,
    Two = 0x08,
    Four = 0x00,
    Eight = 0x18,
}

/// A program of two instructions, which drops whatever it is given.
pub(super) fn drop_all() -> Vec<Instruction> {
    // XDP_DROP.
    vec![by(Do::Mov, R0, 1), instruction(0x95, R0, 0, 0, 0)]
}

/// `to = *(base + offset)`.
const fn load(size: Size, to: Register, base: Register, offset: i16) -> Instruction {
    instruction(0x61 | size as u8, to, base.0, offset, 0)
}

/// Stores `from` at this place of the frame, whose address is in `R2`.
#[expect(clippy::cast_possible_truncation, reason = "a frame has 214 bytes")]
#[expect(clippy::cast_possible_wrap, reason = "a frame has 214 bytes")]
const fn put(size: Size, place: usize, from: Register) -> Instruction {
    instruction(0x63 | size as u8, R2, from.0, place as i16, 0)
}

/// `to = constant`, in two slots; `kind` 1 says that the constant is a map's descriptor, and 2 that
/// it means the address of that map's first value.
fn wide(to: Register, kind: u8, constant: u64) -> [Instruction; 2] {
    let [low, high] = [constant, constant >> 32].map(|half| (half & 0xffff_ffff) << 32);
    [instruction(0x18, to, kind, 0, 0) | low, high]
}

/// A number that a frame's layout is made of.
fn small(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// What becomes of a frame that was made.
pub(super) enum Then<'a> {
    /// It goes out of the interface that it is said to have come by.
    Send,
    /// The first program of this map has it.
    Call(&'a OwnedFd),
}

impl Then<'_> {
    fn assemble(&self) -> Vec<Instruction> {
        const TAIL_CALL: i32 = 12;
        match self {
            // XDP_TX.
            Self::Send => vec![by(Do::Mov, R0, 3), instruction(0x95, R0, 0, 0, 0)],
            Self::Call(programs) => {
                let [low, high] = wide(R2, 1, u64::from(programs.as_raw_fd().unsigned_abs()));
                vec![
                    load(Size::Eight, R1, R10, -8),
                    low,
                    high,
                    by(Do::Mov, R3, 0),
                    instruction(0x85, R0, 0, 0, TAIL_CALL),
                    // It comes back where there is none: XDP_ABORTED.
                    by(Do::Mov, R0, 0),
                    instruction(0x95, R0, 0, 0, 0),
                ]
            }
        }
    }
}

/// The program for this traffic, which counts its frames in the first value of the map `counter`.
pub(super) fn assemble(traffic: Traffic, counter: &OwnedFd, then: &Then<'_>) -> Vec<Instruction> {
    let share = i32::from(traffic.share());
    let map = u64::from(counter.as_raw_fd().unsigned_abs());
    // Of the first frame: the target's first call.
    let first = Traffic::template_checksum();
    [
        // The frame's bounds, of which the context's first two words tell.
        &[
            // The context, which calls do not keep in its register.
            instruction(0x7b, R10, R1.0, -8, 0),
            load(Size::Four, R2, R1, 0),
            load(Size::Four, R3, R1, 4),
            with(Do::Mov, R4, R2),
            by(Do::Add, R4, small(FRAME_BYTES)),
            by(Do::Mov, R0, 0),
            // Where the frame is shorter, which it never is: XDP_ABORTED.
            instruction(0xbd, R4, R3.0, 1, 0),
            instruction(0x95, R0, 0, 0, 0),
        ][..],
        // R6: this frame's number.
        &wide(R5, 2, map),
        &[
            load(Size::Eight, R6, R5, 0),
            with(Do::Mov, R7, R6),
            by(Do::Add, R7, 1),
            instruction(0x7b, R5, R7.0, 0, 0),
            // R9: whose it is, 0 for the target; R7: which of theirs.
            with(Do::Mov, R7, R6),
            by(Do::Div, R7, 100),
            with(Do::Mov, R8, R6),
            by(Do::Mod, R8, 100),
            instruction(0x35, R8, 0, 4, share),
            by(Do::Mul, R7, share),
            with(Do::Add, R7, R8),
            by(Do::Mov, R9, 0),
            instruction(0x05, R0, 0, 4, 0),
            by(Do::Mul, R7, 100 - share),
            with(Do::Add, R7, R8),
            by(Do::Sub, R7, share),
            by(Do::Mov, R9, 1),
            // R8: the stream's packets before this; R7: the stream.
            with(Do::Mov, R8, R7),
            by(Do::Div, R8, small(STREAMS)),
            by(Do::Mod, R7, small(STREAMS)),
            // R0: the SSRC.
            with(Do::Mov, R0, R9),
            by(Do::Shl, R0, 24),
            with(Do::Add, R0, R7),
            by(Do::Add, R0, 1),
            with(Do::Mov, R1, R0),
            big_endian(R1, 32),
            put(Size::Four, at::SSRC, R1),
            with(Do::Mov, R1, R8),
            big_endian(R1, 16),
            put(Size::Two, at::SEQUENCE, R1),
            with(Do::Mov, R1, R8),
            by(Do::Mul, R1, 160),
            big_endian(R1, 32),
            put(Size::Four, at::TIMESTAMP, R1),
            // R3: the port; R4: the host; R7: 1 for the callee's stream.
            with(Do::Mov, R3, R7),
            by(Do::Shr, R3, 1),
            by(Do::And, R7, 1),
            with(Do::Mov, R4, R3),
            by(Do::Shr, R4, small(PORTS_BITS)),
            by(Do::And, R3, (1 << PORTS_BITS) - 1),
            by(Do::Shl, R3, 1),
            by(Do::Add, R3, FIRST_PORT as i32),
            with(Do::Mov, R1, R3),
            big_endian(R1, 16),
            put(Size::Two, at::SOURCE_PORT, R1),
            put(Size::Two, at::DESTINATION_PORT, R1),
            // Two network numbers are larger by two for a stranger, and two hosts by R4.
            by(Do::Mov, R1, i32::from(first)),
            with(Do::Mov, R5, R9),
            by(Do::Shl, R5, 2),
            with(Do::Sub, R1, R5),
            with(Do::Mov, R5, R4),
            by(Do::Shl, R5, 1),
            with(Do::Sub, R1, R5),
            big_endian(R1, 16),
            put(Size::Two, at::CHECKSUM, R1),
            // The networks 1 and 2 are the target's caller's and callee's, 3 and 4 a stranger's.
            with(Do::Mov, R5, R9),
            by(Do::Shl, R5, 1),
            by(Do::Add, R5, 1),
            with(Do::Mov, R1, R5),
            with(Do::Add, R1, R7),
            put(Size::One, at::SOURCE + 1, R1),
            by(Do::Add, R5, 1),
            with(Do::Sub, R5, R7),
            put(Size::One, at::DESTINATION + 1, R5),
            by(Do::Add, R4, 1),
            put(Size::One, at::SOURCE + 3, R4),
            put(Size::One, at::DESTINATION + 3, R4),
            // The check, over all that changes.
            by(Do::Shl, R0, 32),
            by(Do::Shl, R3, 16),
            with(Do::Or, R0, R3),
            by(Do::And, R8, 0xffff),
            with(Do::Or, R0, R8),
            with(Do::Xor, R0, R6),
        ],
        &wide(R1, 0, MIX),
        &[
            with(Do::Mul, R0, R1),
            with(Do::Mov, R1, R0),
            by(Do::Shr, R1, 32),
            with(Do::Xor, R0, R1),
            put(Size::Eight, at::NUMBER, R6),
            put(Size::Eight, at::CHECK, R0),
            put(Size::Eight, at::CHECK_AGAIN, R0),
        ],
        &then.assemble(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::super::{Generator, Traffic};
    use crate::missing_capabilities;

    #[test]
    fn the_kernel_makes_the_frames_that_this_crate_says_it_makes() {
        let missing = missing_capabilities();
        if !missing.is_empty() {
            println!("skipped: this test needs {}", missing.join(", "));
            return;
        }
        for share in [0, 1, 10, 100] {
            let traffic = Traffic::new(share);
            let generator = Generator::load(traffic).expect("the generator");
            for first in [0, 98, 16_383, 199_999, 20_000_000, 13_107_199_999, 1 << 40] {
                generator.go_on_at(first).expect("its counter set");
                for number in first..first + 3 {
                    let made = generator.make().expect("a frame");
                    assert_eq!(made, traffic.frame(number), "{share} in a hundred, {number}");
                }
                assert_eq!(generator.made().expect("its counter"), first + 3);
            }
        }
    }
}
