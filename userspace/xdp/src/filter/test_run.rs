//! Running the loaded program on one frame, without an interface (`BPF_PROG_TEST_RUN`).

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use aya::EbpfLoader;
use aya::programs::{ProgramError, TestRun as _, TestRunOptions};
use calltap_ebpf::abi::Mark;
use zerocopy::FromBytes;

use super::Filter;
use crate::Error;

/// What the program made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// The XDP action it returned (`enum xdp_action`): 1 drops, 2 passes, 4 redirects.
    pub action: u32,
    /// The mark it wrote ahead of the frame, if it kept it.
    pub mark: Option<Mark>,
    /// Nanoseconds a run took, on average over all repeats.
    pub duration_ns: u32,
}

impl TestRun {
    /// `XDP_DROP`.
    pub const DROP: u32 = 1;
    /// `XDP_PASS`.
    pub const PASS: u32 = 2;
    /// `XDP_REDIRECT`.
    pub const REDIRECT: u32 = 4;
}

impl Filter {
    /// The program in the kernel.
    pub(crate) fn program(&self) -> Result<BorrowedFd<'_>, Error> {
        let fd = super::attach::loaded(&self.program)?.fd();
        Ok(fd.map_err(|cause| Error::Load { cause: cause.to_string() })?.as_fd())
    }

    /// Loads the program that walks headers and judges nothing.
    pub(crate) fn load_walk() -> Result<OwnedFd, Error> {
        let mut program = EbpfLoader::new()
            .load(super::OBJECT)
            .map_err(|cause| super::attach::load_error(&cause))?;
        let walk = super::attach::load(&mut program, "calltap_walk")?;
        let owned = walk.fd().map(|fd| fd.as_fd().try_clone_to_owned());
        let owned = owned.map_err(|cause| Error::Load { cause: cause.to_string() })?;
        owned.map_err(|cause| Error::system("holding a program", cause))
    }

    /// Runs the program `repeat` times over `frame`, as if the loopback interface of this network
    /// namespace had received it on queue 0.
    ///
    /// The counters count every run; nothing reaches a socket.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], or [`Error::System`]: a frame must have at least 14 bytes and fit
    /// a page.
    pub fn test_run(&self, frame: &[u8], repeat: u32) -> Result<TestRun, Error> {
        let mut out = vec![0; frame.len() + size_of::<Mark>()];
        let program = super::attach::loaded(&self.program)?;
        let result = program
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut out),
                repeat,
                ..TestRunOptions::default()
            })
            .map_err(|cause| match cause {
                ProgramError::SyscallError(syscall) => {
                    Error::system("running the XDP program over a frame", syscall.io_error)
                }
                cause => Error::Load { cause: cause.to_string() },
            })?;
        // What the program puts ahead of the frame comes out ahead of it.
        let marked = result.data_size_out as usize == out.len();
        let mark = Mark::read_from_prefix(&out).ok().filter(|_| marked).map(|(mark, _)| mark);
        let duration_ns = u32::try_from(result.duration.as_nanos()).unwrap_or(u32::MAX);
        Ok(TestRun { action: result.return_value, mark, duration_ns })
    }
}
