//! The commands, one a file.

mod demo;
mod doctor;
mod findings;
mod import;
mod keys;
mod open;
mod report;
mod report_text;
mod serve;
mod show;
mod submit;
mod table;
mod trail;
mod verify;

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::cli::Command;

pub(crate) use keys::statement;
pub(crate) use table::Table;

/// Runs a command; its exit status.
pub(crate) async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Demo { data, exit, listen } => demo::run(&data, exit, listen).await,
        Command::Serve { data, listen, policy, .. } => serve::run(&data, listen, policy.as_deref()).await,
        Command::Keys { command } => keys::run(command),
        Command::Open { file, key, trial, origin, place } => {
            open::run(&file, &key, &trial, &origin, &place).await
        }
        Command::Submit { file, key, dry_run, which, place } => {
            submit::run(&file, &key, dry_run, &which, &place).await
        }
        Command::Import { command } => import::run(command).await,
        Command::Report { kind, cutoff, json, which, place } => {
            report::run(kind, cutoff, json, &which, &place).await
        }
        Command::Show { seq, key, json, which, place } => {
            show::run(seq, key.as_deref(), json, &which, &place).await
        }
        Command::Trail { subject, json, which, place } => trail::run(&subject, json, &which, &place).await,
        Command::Findings { json, which, place } => findings::run(json, &which, &place).await,
        Command::Verify { dir, genesis, key, known, strict, json, which } => {
            let asked = verify::Asked { genesis, key, known, strict, json };
            tokio::task::spawn_blocking(move || verify::run(&dir, &which, &asked)).await?
        }
        Command::Doctor { json, place } => doctor::run(json, &place).await,
    }
}

/// Writes to standard output; a closed pipe is an error that ends the command quietly.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// The text of a file, or of standard input for `-`.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("cannot read standard input");
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
