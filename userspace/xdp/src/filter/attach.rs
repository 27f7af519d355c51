//! Loading the program into the kernel, and attaching it to interfaces: only beside nobody else.

use aya::{
    Ebpf, EbpfError,
    maps::{MapData, ProgramArray},
    programs::{ProgramError, ProgramInfo, Xdp, XdpMode, loaded_programs, xdp::XdpLinkId},
};
use calltap_ebpf::abi::Mode;

use super::{Filter, plain::map_error, promiscuous::Promiscuous};
use crate::{Error, Interface, error, netlink};

/// In which mode the program is to be attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachWish {
    /// Native, and generic where the driver has no native mode.
    #[default]
    Auto,
    /// Native or not at all.
    Native,
    /// Generic.
    Generic,
}

/// In which mode the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttachMode {
    /// The driver runs it, before anything else is done with a frame.
    Native,
    /// The network stack runs it, on any driver, at several times the cost.
    Generic,
}

/// Where the program is attached.
#[derive(Debug, Default)]
pub(super) struct Attached(Vec<(XdpLinkId, Option<Promiscuous>)>);

impl Filter {
    /// Attaches the program to an interface.
    ///
    /// Register the sockets of all its queues before, so that no frame finds its queue unbound.
    /// In mirror mode the interface is made promiscuous as long as the program is attached.
    /// Another XDP program is never replaced.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyAttached`], [`Error::NotPermitted`], or [`Error::Attach`].
    pub fn attach(
        &mut self,
        interface: &Interface,
        wanted: AttachWish,
    ) -> Result<AttachMode, Error> {
        refuse_beside_another(interface)?;
        let modes: &[_] = match wanted {
            AttachWish::Auto => &[AttachMode::Native, AttachMode::Generic],
            AttachWish::Native => &[AttachMode::Native],
            AttachWish::Generic => &[AttachMode::Generic],
        };
        let mirror = self.config.mode == Mode::Mirror as u32;
        let promiscuous = mirror.then(|| Promiscuous::on(interface)).transpose()?;
        let mut refusals = Vec::new();
        for &mode in modes {
            let flags = match mode {
                AttachMode::Native => XdpMode::Driver,
                AttachMode::Generic => XdpMode::Skb,
            };
            match xdp(&mut self.program)?.attach_to_if_index(interface.index(), flags) {
                Ok(link) => {
                    self.attached.0.push((link, promiscuous));
                    return Ok(mode);
                }
                Err(cause) => {
                    // Somebody may have been quicker.
                    refuse_beside_another(interface)?;
                    refusals.push(refusal(interface, mode, &cause)?);
                }
            }
        }
        Err(Error::Attach { interface: interface.name().into(), cause: refusals.join("; ") })
    }

    /// Detaches the program wherever this filter attached it, and nobody else's.
    ///
    /// The counters stay readable, and frames already received stay in their sockets.
    pub fn detach(&mut self) {
        for (link, _promiscuous) in self.attached.0.drain(..) {
            if let Ok(program) = xdp(&mut self.program) {
                // It can only fail where the interface is gone, and the attachment with it.
                let _ = program.detach(link);
            }
        }
    }
}

/// Loads the program into the kernel, and those that it calls for layered frames.
///
/// The kernel forgets the calls when nobody holds their map any more: keep it.
pub(super) fn load_program(program: &mut Ebpf) -> Result<ProgramArray<MapData>, Error> {
    load(program, NAME)?;
    let steps = program.take_map("STEPS").ok_or_else(no_program)?;
    let mut steps = ProgramArray::try_from(steps).map_err(map_error("STEPS"))?;
    for (number, step) in (0..).zip(STEPS) {
        load(program, step)?;
        let step = named(program, step)?.fd();
        let step = step.map_err(|cause| Error::Load { cause: chain(&cause) })?;
        steps.set(number, step, 0).map_err(map_error("STEPS"))?;
    }
    Ok(steps)
}

fn load(program: &mut Ebpf, name: &str) -> Result<(), Error> {
    named(program, name)?.load().map_err(|cause| match &cause {
        ProgramError::LoadError { io_error, verifier_log } => {
            match error::not_permitted(io_error) {
                Some(missing) => {
                    Error::NotPermitted { what: "loading the XDP program".into(), missing }
                }
                None => Error::Load {
                    cause: format!("{io_error}: {}", last_lines(&verifier_log.to_string())),
                },
            }
        }
        _ => Error::Load { cause: chain(&cause) },
    })
}

/// What the kernel said when the maps were made.
pub(super) fn load_error(cause: &EbpfError) -> Error {
    let missing = crate::missing_capabilities();
    if missing.is_empty() {
        Error::Load { cause: chain(cause) }
    } else {
        Error::NotPermitted { what: "loading the XDP program".into(), missing }
    }
}

/// The program, to be run as it is.
pub(super) fn loaded(program: &Ebpf) -> Result<&Xdp, Error> {
    program.program(NAME).and_then(|program| program.try_into().ok()).ok_or_else(no_program)
}

fn xdp(program: &mut Ebpf) -> Result<&mut Xdp, Error> {
    named(program, NAME)
}

fn named<'a>(program: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, Error> {
    program.program_mut(name).and_then(|program| program.try_into().ok()).ok_or_else(no_program)
}

/// The name of the program's function, which is also what `bpftool` shows.
const NAME: &str = "calltap";

/// The programs that walk and judge layered frames, in the order of the `STEPS` map.
const STEPS: [&str; 2] = ["calltap_level", "calltap_layered"];

fn no_program() -> Error {
    Error::Load { cause: format!("the object lacks {NAME}, {STEPS:?} or their map") }
}

/// Refuses, by name, an interface that runs an XDP program.
fn refuse_beside_another(interface: &Interface) -> Result<(), Error> {
    let link = netlink::link(&netlink::Which::Index(interface.index()))
        .map_err(|_| Error::InterfaceGone { interface: interface.name().into() })?;
    let Some(id) = link.program else {
        return Ok(());
    };
    let program = loaded_programs()
        .flatten()
        .find(|info| info.id() == id)
        .and_then(|info: ProgramInfo| info.name_as_str().map(str::to_owned))
        .unwrap_or_else(|| "without a name".into());
    Err(Error::AlreadyAttached { interface: interface.name().into(), program, id })
}

/// Why one mode was refused; an error of its own where another mode will not do better.
fn refusal(interface: &Interface, mode: AttachMode, cause: &ProgramError) -> Result<String, Error> {
    if let ProgramError::SyscallError(syscall) = cause
        && let Some(missing) = error::not_permitted(&syscall.io_error)
    {
        let what = format!("attaching the XDP program to {}", interface.name());
        return Err(Error::NotPermitted { what, missing });
    }
    Ok(match mode {
        AttachMode::Native => format!("native mode: {}", chain(cause)),
        AttachMode::Generic => format!("generic mode: {}", chain(cause)),
    })
}

/// An error and what it comes from.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = last_lines(&error.to_string());
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {}", last_lines(&error.to_string()));
        source = error.source();
    }
    text
}

/// The end of a verifier log, which can have thousands of lines.
fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
