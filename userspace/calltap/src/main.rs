//! The `calltap` program: parses the command line and maps a result to an exit code.

use std::process::ExitCode;

use calltap::cli::{Authority, Cli, Command, Settings, Warrant};
use calltap::{
    Outcome, acting, audit, config, confine, demo, doctor, drafting, dry_run, evidence, live,
    oversight, paper, progress, replay, run, verify,
};
use calltap_evidence::warrant::Deed;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    confine::protect_memory();
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| progress::Log)
        .with_target(false)
        .init();
    let result = match cli.command {
        Command::Authority(Authority::New { name, out }) => drafting::new_authority(&name, &out),
        Command::Warrant(Warrant::New(draft)) => drafting::draft(*draft),
        Command::Warrant(Warrant::Sign { file, key }) => drafting::sign(&file, &key),
        Command::Warrant(Warrant::Check { files, trust, config }) => {
            paper::check(&files, &trust, config.as_deref())
        }
        Command::Warrant(Warrant::Revoke(act)) => acting::revoke(&act),
        Command::Warrant(Warrant::Suspend(act)) => acting::suspend_or_resume(&act, Deed::Suspended),
        Command::Warrant(Warrant::Resume(act)) => acting::suspend_or_resume(&act, Deed::Resumed),
        Command::Warrant(Warrant::Activate(arguments)) => acting::activate(&arguments),
        Command::Warrant(Warrant::DryRun(arguments)) => dry_run::dry_run(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Status(arguments) => live::status::status(&arguments),
        Command::Top(arguments) => live::top::top(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Audit(arguments) => audit::audit(&arguments),
        Command::Report(arguments) => oversight::report(&arguments),
        Command::Evidence(command) => evidence::evidence(&command),
        Command::Config(Settings::Check { file }) => config::check(&file),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::NotFine) => ExitCode::from(1),
        Err(error) => {
            eprintln!("calltap: {}", words(&error));
            ExitCode::from(2)
        }
    }
}

/// An error with its causes, each said once: many errors quote their cause themselves.
fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !words.contains(&cause) {
            words += if words.is_empty() { "" } else { ": " };
            words += &cause;
        }
    }
    words
}
