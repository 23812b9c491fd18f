//! The commands, one a file.

mod account;
mod bundle_readme;
mod by_arm;
mod certified_copy;
mod container;
mod cut;
mod demo;
mod doctor;
mod export;
mod findings;
mod health;
mod import;
mod keys;
mod mirror;
mod moving;
mod open;
mod process;
mod prove;
mod recall;
mod receipts;
mod report;
mod report_conduct;
mod report_measures;
mod report_remission;
mod report_text;
mod sealed;
mod serve;
mod service_key;
mod show;
mod sign;
mod submit;
mod table;
mod takeaway;
mod token;
mod trail;
mod verify;
mod witness;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::cli::{
    Command, ConfigCommand, MirrorOptions, ProofCheck, ProveOptions, ReceiptsCommand, ReportName,
    WitnessCommand,
};

use crate::deployment::Services;
use open::LogKeyFrom;

pub(crate) use keys::statement;
pub(crate) use table::Table;

/// Runs a command; its exit status.
pub(crate) async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Demo { data, exit, listen } => demo::run(&data, exit, listen).await,
        Command::Serve { data, listen, tls, hosts, oidc, policy, ca, log_json, otlp } => {
            let listening = serve::Listening { listen, tls: tls.files(), hosts, oidc };
            serve::run(&data, listening, serve::Beside { policy, ca, log_json, otlp }).await
        }
        Command::Registrar(options) => {
            process::run(Services::REGISTRAR, "trialbook-registrar", &options).await
        }
        Command::Notary(options) => process::run(Services::NOTARY, "trialbook-notary", &options).await,
        Command::Projector { report, options } => {
            let (services, service) = match report {
                ReportName::Outcomes => (Services::OUTCOMES, "trialbook-outcomes"),
                ReportName::Safety => (Services::SAFETY, "trialbook-safety"),
            };
            process::run(services, service, &options).await
        }
        Command::Console(options) => process::console(&options).await,
        Command::Health { url, ca } => health::run(&url, ca.as_deref()).await,
        Command::Config { command: ConfigCommand::Show { json, options } } => process::show(&options, json),
        Command::Migrate(options) => moving::migrate(*options).await,
        Command::Backup(options) => moving::backup(*options).await,
        Command::Restore(options) => moving::restore(*options).await,
        Command::Keys { command } => keys::run(command).await,
        Command::ServiceKey { command } => service_key::run(command).await,
        Command::Token { command } => token::run(command),
        Command::Account { command } => account::run(command),
        Command::Open { file, key, trial, origin, log_key, place } => {
            let log_key = log_key.as_ref().map_or(LogKeyFrom::Origin(&origin), LogKeyFrom::Notary);
            open::run(&file, &key, &trial, log_key, &place).await
        }
        Command::Submit { file, key, dry_run, wait, wait_at_most, receipts, which, place } => {
            let wait = wait.map(|until| (until, std::time::Duration::from_secs(wait_at_most)));
            let after = submit::After { wait, receipts };
            submit::run(&file, &key, dry_run, &after, &which, &place).await
        }
        Command::Sign { file, key, out, which, place } => {
            sign::run(&file, &key, out.as_deref(), &which, &place).await
        }
        Command::Import { command } => import::run(command).await,
        Command::Report { command } => report::run(command).await,
        Command::Recall(options) => recall::run(options).await,
        Command::Cut { command } => cut::run(command).await,
        Command::Show { seq, key, json, which, place } => {
            show::run(seq, key.as_deref(), json, &which, &place).await
        }
        Command::Trail { subject, json, which, place } => trail::run(&subject, json, &which, &place).await,
        Command::Findings { json, which, place } => findings::run(json, &which, &place).await,
        Command::Export { command } => export::run(command).await,
        Command::CertifiedCopy(options) => certified_copy::run(*options).await,
        Command::Prove(options) => prove(*options).await,
        Command::Mirror(options) => mirror::run(asked(*options)?).await,
        Command::Witness { command: Some(WitnessCommand::NewKey { name, out }), .. } => {
            witness::new_key(&name, &out)
        }
        Command::Witness { config: Some(config), .. } => witness::run_configured(&config).await,
        Command::Witness { key, state, logs, listen, tls, config: None, command: None } => {
            let key = key.context("give the witness's key file")?;
            let state = state.context("give the witness's state file")?;
            witness::run(&key, &state, logs, listen, tls.files()).await
        }
        Command::Receipts { command: ReceiptsCommand::Check { dir, log, key, credentials } } => {
            receipts::check(&dir, &log, key, &credentials).await
        }
        Command::Verify { dir, given, depth, strict, reports, json, which, credentials } => {
            let reports = reports.as_deref().map(verify::reports_in).transpose()?;
            let asked = verify::Asked { given, depth, strict, json, credentials, report: None, reports };
            verify::run(&dir, which, asked).await
        }
        Command::Doctor { json, place } => doctor::run(json, &place).await,
    }
}

async fn prove(options: ProveOptions) -> anyhow::Result<u8> {
    let ProveOptions { seq, out, check, which, place } = options;
    let Some(ProofCheck { check, key, record, hash }) = check else {
        let seq = seq.context("give the record's position")?;
        return prove::ask(seq, out.as_deref(), &which, &place).await;
    };
    let leaf = match (record, hash) {
        (Some(record), _) => prove::Leaf::Record(record),
        (None, Some(hash)) => prove::Leaf::Hash(hash),
        (None, None) => anyhow::bail!("give the record, or its hash"),
    };
    prove::check(&check, &key, &leaf)
}

fn asked(options: MirrorOptions) -> anyhow::Result<mirror::Asked> {
    let scope = match options.site {
        Some(site) => ::witness::Scope::Site(site),
        None if options.whole => ::witness::Scope::Whole,
        None => ::witness::Scope::Hashes,
    };
    ensure!(options.every > 0, "a watch looks every second at most");
    Ok(mirror::Asked {
        url: options.url,
        dir: options.dir,
        keys: options.keys,
        genesis: options.genesis,
        scope,
        cosigner: options.cosign_key.zip(options.state),
        every: options.watch.then(|| std::time::Duration::from_secs(options.every)),
        credentials: options.credentials,
    })
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

/// The bytes of a file, or of standard input for `-`: at most `bytes_max`.
pub(crate) fn read_bytes(path: &Path, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(bytes.len() <= bytes_max, "{} has more than {bytes_max} bytes", path.display());
    Ok(bytes)
}

/// Writes a file that must not exist yet, and syncs it.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
