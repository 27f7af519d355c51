//! Loading the program into the kernel, and attaching it to interfaces: only beside nobody else.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    Ebpf, EbpfError,
    maps::{Map, MapData, ProgramArray},
    programs::{ProgramError, ProgramInfo, Xdp, XdpMode, loaded_programs, xdp::XdpLinkId},
};
use calltap_ebpf::abi::Mode;

use super::{Discrepancy, Filter, plain::map_error, promiscuous::Promiscuous};
use crate::{Error, Interface, bpf, error, netlink};

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

impl AttachMode {
    const fn flags(self) -> XdpMode {
        match self {
            Self::Native => XdpMode::Driver,
            Self::Generic => XdpMode::Skb,
        }
    }
}

/// An interface to which the program is attached.
#[derive(Debug)]
pub(super) struct Attached {
    /// `None` if it could not be attached again.
    link: Option<XdpLinkId>,
    pub(super) interface: Interface,
    mode: AttachMode,
    /// Why it is not in native mode, where the driver was asked.
    pub(super) native_refused: Option<String>,
    /// Somebody else's program that was found in its place.
    replaced_by: Option<u32>,
    _promiscuous: Option<Promiscuous>,
}

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
            match xdp(&mut self.program)?.attach_to_if_index(interface.index(), mode.flags()) {
                Ok(link) => {
                    self.attached.push(Attached {
                        link: Some(link),
                        interface: interface.clone(),
                        mode,
                        native_refused: refusals.pop(),
                        replaced_by: None,
                        _promiscuous: promiscuous,
                    });
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
        for attached in self.attached.drain(..) {
            if let (Some(link), Ok(program)) = (attached.link, xdp(&mut self.program)) {
                // It can only fail where the interface is gone, and the attachment with it.
                let _ = program.detach(link);
            }
        }
    }

    /// Attaches the program again where somebody took it off, and says where it is not.
    pub(super) fn inspect_attachments(
        &mut self,
        found: &mut Vec<Discrepancy>,
    ) -> Result<(), Error> {
        let program = xdp(&mut self.program)?;
        let own = program.info().map_err(|cause| Error::Load { cause: chain(&cause) })?.id();
        for attached in &mut self.attached {
            let name = attached.interface.name();
            // An interface that is gone ends its workers, which say so.
            let Ok(link) = netlink::link(&netlink::Which::Index(attached.interface.index())) else {
                continue;
            };
            match link.program {
                Some(id) if id == own => attached.replaced_by = None,
                Some(id) => {
                    if attached.replaced_by.replace(id) != Some(id) {
                        let interface = name.to_owned();
                        found.push(Discrepancy::Replaced { interface, program: id });
                    }
                }
                None => {
                    if let Some(link) = attached.link.take() {
                        // It is off already.
                        let _ = program.detach(link);
                    }
                    let (index, flags) = (attached.interface.index(), attached.mode.flags());
                    let interface = name.to_owned();
                    match program.attach_to_if_index(index, flags) {
                        Ok(link) => {
                            attached.link = Some(link);
                            attached.replaced_by = None;
                            found.push(Discrepancy::Detached { interface });
                        }
                        Err(cause) if attached.replaced_by.replace(NOTHING) != Some(NOTHING) => {
                            let cause = chain(&cause);
                            found.push(Discrepancy::Off { interface, cause });
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// In the place of a program's id, which counts from 1: there is none, and that was told.
const NOTHING: u32 = 0;

/// Loads the program into the kernel, and those that it calls for layered frames.
///
/// The kernel forgets the calls when nobody holds their map any more: keep it.
pub(super) fn load_program(program: &mut Ebpf) -> Result<Steps, Error> {
    load(program, NAME)?;
    for step in STEPS {
        load(program, step)?;
    }
    let map = program.take_map("STEPS").ok_or_else(no_program)?;
    let Map::ProgramArray(held) = &map else { return Err(no_program()) };
    let read = held.fd().as_fd().try_clone_to_owned();
    let read = read.map_err(|cause| Error::Map { map: "STEPS", cause: cause.to_string() })?;
    let mut steps = Steps { map: ProgramArray::try_from(map).map_err(map_error("STEPS"))?, read };
    steps.write(program)?;
    Ok(steps)
}

/// The programs that are called for layered frames.
pub(super) struct Steps {
    map: ProgramArray<MapData>,
    /// The same map, to see what it holds.
    read: OwnedFd,
}

impl Steps {
    /// Writes what differs; returns whether anything did.
    pub(super) fn write(&mut self, program: &mut Ebpf) -> Result<bool, Error> {
        let failed = |cause: ProgramError| Error::Load { cause: chain(&cause) };
        let mut differed = false;
        for (number, step) in (0..).zip(STEPS) {
            let step = named(program, step)?;
            let own = step.info().map_err(failed)?.id();
            if bpf::lookup(self.read.as_fd(), number).ok() != Some(own) {
                let step = step.fd().map_err(failed)?;
                self.map.set(number, step, 0).map_err(map_error("STEPS"))?;
                differed = true;
            }
        }
        Ok(differed)
    }
}

pub(super) fn load<'a>(program: &'a mut Ebpf, name: &str) -> Result<&'a Xdp, Error> {
    let program = named(program, name)?;
    program.load().map_err(|cause| match &cause {
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
    })?;
    Ok(program)
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

/// The kernel's tag of the program.
pub(super) fn tag(program: &Ebpf) -> Result<u64, Error> {
    let failed = |cause: ProgramError| Error::Load { cause: chain(&cause) };
    Ok(loaded(program)?.info().map_err(failed)?.tag())
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
    let program = program_name(id);
    Err(Error::AlreadyAttached { interface: interface.name().into(), program, id })
}

/// The name of a loaded program, as its loader gave it.
pub(crate) fn program_name(id: u32) -> String {
    loaded_programs()
        .flatten()
        .find(|info| info.id() == id)
        .and_then(|info: ProgramInfo| info.name_as_str().map(str::to_owned))
        .unwrap_or_else(|| "without a name".into())
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
