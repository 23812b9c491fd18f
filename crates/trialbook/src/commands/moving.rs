//! `migrate`, `backup`, `restore`: whole logs from one place to another, each shown to be the same there.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use chain::TreeSize;
use clinical::TrialId;
use serde::{Deserialize, Serialize};
use verify::Source;

use super::process::engine;
use super::{print, read_bytes};
use crate::cli::{BackupOptions, Logs, MigrateOptions, RestoreOptions};
use crate::configuration::Configuration;
use crate::data::{Data, Lock, replace};
use crate::deployment::{DurableRecords, Engine, JournalRecords, Log};
use crate::moving::{Whole, copy, is_at, whole};

/// What a backup says about itself, in its file `backup.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    made_at: chain::Instant,
    trials: BTreeMap<TrialId, Whole>,
}

const MANIFEST: &str = "backup.json";
const FORMAT: &str = "trialbook backup 1";

/// Longest manifest read: some thousands of trials.
const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Where logs are, opened.
struct Opened {
    engine: Engine,
    data: Data,
    /// Held while files are worked on.
    _lock: Option<Lock>,
}

/// Opens a place to copy from or to; files are locked, so that nobody writes meanwhile.
async fn opened(place: &Logs, configuration: &Configuration) -> Result<Opened> {
    match place {
        Logs::Files(dir) => {
            let data = Data::new(dir);
            data.create()?;
            let lock = data
                .lock()?
                .with_context(|| format!("a process has {} open: stop it first", data.root().display()))?;
            Ok(Opened { engine: Engine::Files, data, _lock: Some(lock) })
        }
        Logs::Nats(servers) => {
            let data = Data::new(Path::new(configuration.required("data")?));
            let engine = engine(servers.clone(), configuration).await?;
            Ok(Opened { engine, data, _lock: None })
        }
    }
}

/// The logs that the configuration is about.
fn configured(configuration: &Configuration) -> Result<Logs> {
    let servers = configuration.texts("nats.servers");
    Ok(if servers.is_empty() {
        Logs::Files(configuration.required("data")?.into())
    } else {
        Logs::Nats(servers.to_vec())
    })
}

/// The records of a log, as they are read.
fn records(engine: &Engine, data: &Data, trial: &TrialId) -> Result<Box<dyn Source>> {
    Ok(match engine {
        // Beside whoever writes, up to what is durable.
        Engine::Files => Box::new(JournalRecords::open(&data.trial(trial).join("journal"))?),
        Engine::Nats { .. } => {
            let log = engine.open(data, trial, TreeSize(0))?;
            Box::new(DurableRecords::of(&log.journal()))
        }
    })
}

/// Opens the log of `trial` at the target, or makes it.
fn target(opened: &Opened, trial: &TrialId) -> Result<Log> {
    std::fs::create_dir_all(opened.data.trial(trial))
        .with_context(|| format!("cannot make {}", opened.data.trial(trial).display()))?;
    if opened.engine.trials(&opened.data)?.contains(trial) {
        opened.engine.open(&opened.data, trial, TreeSize(0))
    } else {
        opened.engine.create(&opened.data, trial)
    }
}

fn told(trial: &TrialId, whole: &Whole) -> String {
    format!("trial {trial}: {} records, head {}, root {}", whole.records, whole.head, whole.root)
}

pub(super) async fn migrate(options: MigrateOptions) -> Result<u8> {
    let MigrateOptions { from, to, trial, options } = options;
    ensure!(from != to, "it is to be somewhere else than it is");
    let configuration = options.load()?;
    let (from, to) = (opened(&from, &configuration).await?, opened(&to, &configuration).await?);
    let work = move || -> Result<u8> {
        let mut trials = from.engine.trials(&from.data)?;
        trials.retain(|found| trial.as_ref().is_none_or(|asked| asked == found));
        ensure!(!trials.is_empty(), "there is no such log to copy");
        for trial in &trials {
            let log = target(&to, trial)?;
            let copied = copy(&mut *records(&from.engine, &from.data, trial)?, &log.journal())
                .with_context(|| format!("trial {trial}"))?;
            copy_anchors(&from.data, &to.data, trial)?;
            print(&format!("{}: equal in both", told(trial, &copied)))?;
            // Files are locked; servers take records from whoever may append.
            if let Engine::Nats { .. } = from.engine {
                let now = from.engine.open(&from.data, trial, TreeSize(0))?.journal();
                ensure!(
                    is_at(&*now, &copied),
                    "trial {trial} was written to meanwhile: stop what writes it, and migrate again"
                );
            }
        }
        print(
            "Not in the logs, to be carried over by hand: keys/ and state/ to the processes that use them, each trial's \
             archive to its notary (docs/guide/operator.md). Move state/*.checkpoints.sqlite, never copy it: two \
             notaries with one key could sign a fork.",
        )?;
        Ok(0)
    };
    tokio::task::spawn_blocking(work).await?
}

/// Carries the anchors, where they are files.
fn copy_anchors(from: &Data, to: &Data, trial: &TrialId) -> Result<()> {
    for name in ["genesis", "log.vkey"] {
        if let Ok(text) = std::fs::read(from.trial(trial).join(name)) {
            replace(&to.trial(trial).join(name), &text)?;
        }
    }
    Ok(())
}

pub(super) async fn backup(options: BackupOptions) -> Result<u8> {
    let BackupOptions { out, options } = options;
    let configuration = options.load()?;
    ensure!(!out.exists(), "{} is there already: a backup is never written over", out.display());
    let data = Data::new(Path::new(configuration.required("data")?));
    let engine = match configured(&configuration)? {
        Logs::Files(_) => Engine::Files,
        Logs::Nats(servers) => engine(servers, &configuration).await?,
    };
    let work = move || -> Result<u8> {
        let copies = Data::new(&out);
        copies.create()?;
        // First the keys: of a subject who comes meanwhile, a text without its key could not be read, a key without its text
        // harms nobody.
        let keep = data.keep();
        if keep.exists() {
            keep::copy(&keep, &copies.keep()).context("the subjects' text keys cannot be copied")?;
        }
        let mut trials = BTreeMap::new();
        for trial in engine.trials(&data)? {
            std::fs::create_dir_all(copies.trial(&trial))?;
            let log = Engine::Files.create(&copies, &trial)?;
            let copied = copy(&mut *records(&engine, &data, &trial)?, &log.journal())
                .with_context(|| format!("trial {trial}"))?;
            copy_anchors(&data, &copies, &trial)?;
            print(&told(&trial, &copied))?;
            trials.insert(trial, copied);
        }
        let manifest = Manifest { format: FORMAT.to_owned(), made_at: crate::world::now(), trials };
        // Last: a backup without it was not finished.
        replace(&out.join(MANIFEST), serde_json::to_string_pretty(&manifest)?.as_bytes())?;
        print(
            "Not in it, and to be kept apart: keys/. Never to be kept: state/*.checkpoints.sqlite, state/tokens.sqlite and state/accounts.sqlite.",
        )?;
        Ok(0)
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn restore(options: RestoreOptions) -> Result<u8> {
    let RestoreOptions { backup, options } = options;
    let configuration = options.load()?;
    let manifest = read_bytes(&backup.join(MANIFEST), MANIFEST_BYTES_MAX)
        .with_context(|| format!("{} is no finished backup", backup.display()))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context("backup.json cannot be read")?;
    ensure!(manifest.format == FORMAT, "backup.json is not of the form `{FORMAT}`");
    let to = opened(&configured(&configuration)?, &configuration).await?;
    let work = move || -> Result<u8> {
        let from = Data::new(&backup);
        for (trial, stated) in &manifest.trials {
            let held = whole(&mut *records(&Engine::Files, &from, trial)?)?;
            ensure!(
                held == *stated,
                "trial {trial} in the backup is not what was backed up: {held:?}, not {stated:?}"
            );
        }
        for (trial, stated) in &manifest.trials {
            let log = target(&to, trial)?;
            copy(&mut *records(&Engine::Files, &from, trial)?, &log.journal())
                .with_context(|| format!("trial {trial}"))?;
            ensure!(is_at(&*log.journal(), stated), "trial {trial} ends elsewhere than in the backup");
            copy_anchors(&from, &to.data, trial)?;
            print(&format!("{}: equal to the backup of {}", told(trial, stated), manifest.made_at))?;
        }
        if from.keep().exists() && !to.data.keep().exists() {
            to.data.create()?;
            keep::copy(&from.keep(), &to.data.keep()).context("the subjects' text keys cannot be copied")?;
        }
        Ok(0)
    };
    tokio::task::spawn_blocking(work).await?
}
