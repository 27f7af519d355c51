//! Builds the XDP program from `../../ebpf` for the BPF target, by a cargo within this one.
//!
//! The object is never committed: what runs in the kernel is built from what one can read.
//! The toolchain is the workspace's own; `RUSTC_BOOTSTRAP=1` lets it build `core` for a target
//! that ships none (`docs/decisions/0002-bpf-built-from-source.md`).

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "bpfel-unknown-none";
const MEND: &str = "run scripts/setup, which installs it";

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let program = here.join("../../ebpf");
    for path in ["src", "Cargo.toml", "../Cargo.toml", "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", program.join(path).display());
    }

    let target_dir = PathBuf::from(env::var("OUT_DIR")?).join("bpf");
    // Miri loads no program, and its nightly's LLVM need not be the one that bpf-linker reads.
    let object = match env::var_os("CARGO_CFG_MIRI") {
        Some(_) => Vec::new(),
        None => build(&program, &target_dir)?,
    };
    fs::create_dir_all(&target_dir)?;
    for (name, file, object) in [
        ("CALLTAP_BPF_OBJECT", "calltap.o", in_one_buffer(object.clone())),
        ("CALLTAP_BPF_OBJECT_FRAGS", "calltap-frags.o", object),
    ] {
        let path = target_dir.join(file);
        fs::write(&path, object)?;
        println!("cargo::rustc-env={name}={}", path.display());
    }
    Ok(())
}

/// Builds `program`, and reads the object.
fn build(program: &Path, target_dir: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let linker = find_linker().ok_or_else(|| {
        format!("bpf-linker is neither in PATH nor in cargo's bin directory: {MEND}")
    })?;
    require_core_sources()?;

    let flags = [
        format!("-Clinker={}", linker.display()),
        "-Clink-arg=--btf".into(),
        "-Cdebuginfo=2".into(),
    ];
    let mut cargo = Command::new(env::var("CARGO")?);
    forget_outer_build(&mut cargo);
    let status = cargo
        .current_dir(program)
        .args(["build", "--quiet", "--release", "--locked", "--bin", "calltap-ebpf"])
        .args(["--target", TARGET, "-Z", "build-std=core"])
        .arg("--target-dir")
        .arg(target_dir)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "2")
        .status()?;
    if !status.success() {
        return Err(format!("the XDP program did not build ({status})").into());
    }
    Ok(fs::read(target_dir.join(TARGET).join("release/calltap-ebpf"))?)
}

/// The same object for kernels and drivers that give programs frames in one buffer alone.
///
/// Whether a program can do with frames in several is nothing but the name of its section
/// (`xdp.frags`, or `xdp`), which the loader makes a flag of.
fn in_one_buffer(mut object: Vec<u8>) -> Vec<u8> {
    const SEVERAL: &[u8] = b"xdp.frags\0";
    const ONE: &[u8] = b"xdp\0\0\0\0\0\0\0";
    let places = object.windows(SEVERAL.len()).enumerate();
    let places: Vec<_> =
        places.filter_map(|(at, bytes)| (bytes == SEVERAL).then_some(at)).collect();
    for at in places {
        object[at..at + ONE.len()].copy_from_slice(ONE);
    }
    object
}

/// The linker, in `PATH` or where `cargo install` puts it.
fn find_linker() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    env::split_paths(&path)
        .chain(cargo_home.map(|home| home.join("bin")))
        .map(|directory| directory.join("bpf-linker"))
        .find(|candidate| candidate.is_file())
}

/// The sources of `core`, without which nothing can be built for the BPF target.
fn require_core_sources() -> Result<(), Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let printed = Command::new(rustc).args(["--print", "sysroot"]).output()?.stdout;
    let sysroot = PathBuf::from(String::from_utf8(printed)?.trim());
    let core = sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml");
    if core.is_file() {
        return Ok(());
    }
    Err(format!("the rust-src component is missing ({}): {MEND}", core.display()).into())
}

/// Takes out of the environment what speaks of the outer build: its compiler wrappers (clippy's
/// among them), flags, target and profile would all be applied to the BPF target.
fn forget_outer_build(cargo: &mut Command) {
    const NAMES: [&str; 6] = [
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
    ];
    const PREFIXES: [&str; 7] = [
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
    ];
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
}
