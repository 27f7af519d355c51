//! The man pages and completions that a package brings.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

#[allow(dead_code, reason = "its main is for the package's script")]
#[path = "../examples/shell_files.rs"]
mod shell_files;

#[test]
fn every_command_has_a_page_with_examples_and_exit_codes_that_man_reads_without_complaint() {
    let out = TempDir::new().unwrap();
    shell_files::write(out.path()).unwrap();
    let names: BTreeSet<String> = fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for name in ["calltap.1", "calltap-run.1", "calltap-warrant-sign.1", "calltap.bash", "_calltap"]
    {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    for name in names.iter().filter(|name| name.ends_with(".1")) {
        let page = fs::read_to_string(out.path().join(name)).unwrap();
        assert!(page.contains(".SH \"EXIT STATUS\""), "{name}");
        let is_leaf = !page.contains(".SH SUBCOMMANDS");
        assert!(!is_leaf || page.contains(".SH EXAMPLES"), "{name}");
        let mut groff = Command::new("groff");
        let groff = groff.args(["-man", "-ww", "-z", "-Tutf8"]).arg(out.path().join(name)).output();
        match groff {
            Ok(said) => assert!(said.stderr.is_empty(), "{name}: {said:?}"),
            Err(_) => println!("SKIPPED: there is no groff"),
        }
    }
}

#[test]
fn bash_takes_the_completion_and_offers_the_commands() {
    let out = TempDir::new().unwrap();
    shell_files::write(out.path()).unwrap();
    let line = "source calltap.bash; COMP_WORDS=(calltap evi); COMP_CWORD=1; \
                _calltap calltap evi calltap; echo \"${COMPREPLY[@]}\"";
    let offered = Command::new("bash").current_dir(out.path()).args(["-c", line]).output();
    let offered = offered.expect("bash");
    assert_eq!(String::from_utf8_lossy(&offered.stdout).trim(), "evidence", "{offered:?}");
}
