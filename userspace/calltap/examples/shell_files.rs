//! Writes the man pages and the shell completions into a directory, for a package.
//!
//! `cargo run --example shell_files -- DIR` makes `calltap.1` and a page for each command, and
//! completions for bash, zsh and fish, all from the command line's own definition.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use calltap::cli::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
fine
.TP
\fB1\fR
the thing asked about is not fine: a warrant refused, evidence broken, frames not accounted for
.TP
\fB2\fR
usage or set\-up error, with the mend named on standard error
"#;

fn main() -> io::Result<()> {
    let Some(out) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: shell_files DIR");
        std::process::exit(2);
    };
    write(&out)
}

/// Writes all of them into `out`.
pub(crate) fn write(out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let mut command = Cli::command();
    command.build();
    pages(&command, "calltap", out)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "calltap", out)?;
    }
    Ok(())
}

/// The page of a command, and those of its commands: `calltap-warrant-sign.1`.
fn pages(command: &clap::Command, name: &str, out: &Path) -> io::Result<()> {
    let man = Man::new(command.clone()).section("1").manual("calltap");
    let mut page = File::create(out.join(format!("{name}.1")))?;
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(examples) = command.get_after_help() {
        // Lines stand as they are, and a line that begins with a full stop is no request.
        let text = examples.to_string().replace('\\', "\\e").replace('-', "\\-");
        write!(page, ".SH EXAMPLES\n.nf\n")?;
        for line in text.lines().filter(|line| !line.starts_with("Example")) {
            writeln!(page, "\\&{line}")?;
        }
        writeln!(page, ".fi")?;
    }
    page.write_all(EXIT_STATUS.as_bytes())?;
    for inner in command.get_subcommands().filter(|it| it.get_name() != "help") {
        pages(inner, &format!("{name}-{}", inner.get_name()), out)?;
    }
    Ok(())
}
