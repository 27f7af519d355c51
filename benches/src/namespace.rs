//! A network namespace of a bench's own, so that two benches do not fight over an interface.

use std::process::{Command, ExitCode};

use calltap_xdp::missing_capabilities;

/// Set where the network namespace is the bench's own.
const INSIDE: &str = "CALLTAP_BENCH_NAMESPACE";

/// Runs `bench` in a network namespace that the shell commands of `lay` have furnished, or says
/// what is missing for it; to be all of a bench's `main`, as the program starts itself anew there.
pub fn in_namespace(name: &str, lay: &str, bench: impl FnOnce()) -> ExitCode {
    let missing = missing_capabilities();
    if !missing.is_empty() {
        println!("{name}: skipped, as it needs {}", missing.join(", "));
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(INSIDE).is_some() {
        bench();
        return ExitCode::SUCCESS;
    }
    let itself = std::env::current_exe().expect("this program's path");
    let inside = Command::new("unshare")
        .args(["--net", "sh", "-e", "-c", &format!("{lay}\nexec \"$@\""), "sh"])
        .arg(itself)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "yes")
        .status();
    let fine = inside.expect("unshare, of util-linux").success();
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
