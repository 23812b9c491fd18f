//! `import sdtm`: tables of another system, signed by an importing data manager.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use api::{Answer, Problem, Registry};
use chain::RecordHash;
use clinical::definitions::Kind;
use clinical::{EventId, EventKind, RefusalCode, Role, Statement, TrialId};
use indicatif::{ProgressBar, ProgressStyle};
use interchange::sdtm::{self, Plan};
use serde_json::{Value, json};

use super::keys::{grant_statement, statement};
use super::open::LogKeyFrom;
use super::{Table, print};
use crate::access::Access;
use crate::cli::ImportCommand;
use crate::data::{Data, replace};
use crate::keyfile::KeyFile;
use crate::signing::{Signer, submit_settled};
use crate::{status, status_of};

/// How many events go into one request.
const BATCH: usize = 200;

pub(super) async fn run(command: ImportCommand) -> Result<u8> {
    let ImportCommand::Sdtm { dir, trial, key, definitions, not_imported, place } = command;
    let study = tokio::task::spawn_blocking(move || sdtm::read(&dir)).await??;
    let plan = study.plan();
    ensure!(place.server.is_none(), "an import makes keys beside the data: give --data");
    let data = Data::new(&place.data);
    let access = Access::open(&place, true, true)?;
    let registry = &*access.registry;
    let definitions = definitions.as_deref().map(read_definitions).transpose()?;
    let genesis = opened(&access, &data, &trial, &plan, definitions).await?;
    let key = data_manager(registry, &data, &trial, genesis, key.as_deref()).await?;
    activate_sites(registry, &data, &trial, genesis, &plan).await?;
    let refused = submit(registry, &trial, genesis, &key, &plan).await?;
    access.settle(&trial);
    summary(&trial, genesis, &plan, &refused)?;
    if let Some(path) = not_imported {
        write_not_imported(&path, &plan)?;
    }
    Ok(refused.by_code.values().next().map_or(0, |(_, problem)| status_of(problem).max(status::REJECTED)))
}

/// Where the keys that an import makes are.
fn key_path(data: &Data, trial: &TrialId, name: &str) -> PathBuf {
    data.keys().join(format!("{trial}.{name}.key"))
}

fn key_at(
    path: &Path,
    holder: &str,
    organisation: &str,
    role: Role,
    zone: &clinical::Zone,
) -> Result<KeyFile> {
    if path.exists() {
        return KeyFile::read(path);
    }
    let key = KeyFile::new(holder.parse()?, organisation.to_owned(), role, zone.clone());
    key.write(path)?;
    Ok(key)
}

/// What the file states; whether it reads as definitions is told where the opening is signed, with the place.
fn read_definitions(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))
}

/// The trial's genesis; the trial is opened if it is not there.
async fn opened(
    access: &Access,
    data: &Data,
    trial: &TrialId,
    plan: &Plan,
    definitions: Option<Value>,
) -> Result<RecordHash> {
    match access.registry.trial(trial).await {
        Ok(detail) => {
            if definitions.is_some() {
                print("the trial is open already and keeps its own definitions\n\n")?;
            }
            return Ok(detail.trial.genesis);
        }
        Err(problem) if problem.status == 404 => {}
        Err(problem) => return Err(problem.into()),
    }
    let facts = &plan.trial;
    let sponsor =
        key_at(&key_path(data, trial, "sponsor"), "import.sponsor", "Sponsor", Role::Sponsor, &facts.zone)?;
    let opening = statement(
        EventKind::TrialOpened,
        &json!({
            "definitions": definitions.unwrap_or_else(|| {
                let shipped = [Kind::Evaluable, Kind::Imputation, Kind::Related, Kind::Relapse, Kind::Remission];
                json!(shipped.map(|kind| (kind.as_str(), kind.shipped_id())).into_iter().collect::<BTreeMap<_, _>>())
            }),
            "profile": {"mandatory": {}},
            "rule_set": clinical::decide::RULE_SET,
            "schedule": facts.schedule,
            "synthetic": false,
            "title": facts.title,
            "zone": facts.zone,
        }),
    );
    let opened =
        super::open::open(access, Some(data), &sponsor, trial, LogKeyFrom::Origin("localhost"), opening)
            .await?;
    let receipt = opened.context("the trial was not opened")?;
    print(&format!("opened trial {trial}\ngenesis {}\n\n{}", receipt.hash, super::open::KEEP_THE_GENESIS))?;
    Ok(receipt.hash)
}

/// Submits statements of one signer and expects each to be recorded.
async fn must_record(
    registry: &dyn Registry,
    key: &KeyFile,
    trial: &TrialId,
    genesis: RecordHash,
    statements: &[Statement],
) -> Result<()> {
    let mut signer = Signer::new(key, trial, genesis);
    for statement in statements {
        let composed = signer.sign(registry, statement).await?;
        match registry.submit(trial, vec![composed.submission()]).await?.into_iter().next() {
            Some(Answer::Recorded { .. } | Answer::Repeated { .. }) => {}
            Some(Answer::Refused { problem }) => return Err(problem.into()),
            None => bail!("the registry gave no answer"),
        }
    }
    Ok(())
}

/// The key that signs: the one given, which must be granted, or one made and granted here.
async fn data_manager(
    registry: &dyn Registry,
    data: &Data,
    trial: &TrialId,
    genesis: RecordHash,
    given: Option<&Path>,
) -> Result<KeyFile> {
    let detail = registry.trial(trial).await?;
    let granted = |key: &KeyFile| detail.keys.iter().any(|view| view.key == key.secret.public().id());
    if let Some(path) = given {
        let key = KeyFile::read(path)?;
        ensure!(granted(&key), "the key in {} is not granted in trial {trial}", path.display());
        return Ok(key);
    }
    let zone = &detail.trial.zone;
    let path = key_path(data, trial, "data-manager");
    let key = key_at(&path, "import.data-manager", "Data management", Role::DataManager, zone)?;
    if !granted(&key) {
        let sponsor = sponsor(data, trial)?;
        must_record(registry, &sponsor, trial, genesis, &[grant_statement(&key, genesis, &[])]).await?;
    }
    Ok(key)
}

fn sponsor(data: &Data, trial: &TrialId) -> Result<KeyFile> {
    let path = key_path(data, trial, "sponsor");
    KeyFile::read(&path).context(
        "only the sponsor can activate sites and grant an importing key; give --key with a granted one",
    )
}

async fn activate_sites(
    registry: &dyn Registry,
    data: &Data,
    trial: &TrialId,
    genesis: RecordHash,
    plan: &Plan,
) -> Result<()> {
    let detail = registry.trial(trial).await?;
    let missing: Vec<Statement> = plan
        .trial
        .sites
        .iter()
        .filter(|site| !detail.sites.iter().any(|active| active.site == site.site))
        .map(|site| {
            let data = json!({"country": site.country, "name": site.name, "zone": site.zone});
            Statement { site: Some(site.site.clone()), ..statement(EventKind::SiteActivated, &data) }
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    must_record(registry, &sponsor(data, trial)?, trial, genesis, &missing).await
}

/// What was not recorded.
#[derive(Default)]
struct Refused {
    /// Recorded by an earlier import of the same rows.
    known: u64,
    /// Refusals by code: how many, and one of them.
    by_code: BTreeMap<String, (u64, Problem)>,
}

/// The id of an imported statement follows from the rows it was made of, so that an import which is run again, after a
/// crash or by mistake, records nothing twice.
fn id_of(genesis: RecordHash, statement: &Statement) -> Result<EventId> {
    let rows = serde_json::to_string(&statement.data.get("import"))?;
    let subject = statement.subject.as_ref().map_or("", clinical::SubjectId::as_str);
    let source = format!("trialbook import\n{genesis}\n{}\n{subject}\n{rows}", statement.kind);
    let hash = RecordHash::of(source.as_bytes()).0;
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    // A UUID of version 7 by its form; its bits say nothing of a time.
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    Ok(EventId(id))
}

async fn submit(
    registry: &dyn Registry,
    trial: &TrialId,
    genesis: RecordHash,
    key: &KeyFile,
    plan: &Plan,
) -> Result<Refused> {
    let bar = ProgressBar::new(plan.statements.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} events {elapsed}")?);
    let mut signer = Signer::new(key, trial, genesis);
    let mut refused = Refused::default();
    for batch in plan.statements.chunks(BATCH) {
        let mut submissions = Vec::with_capacity(batch.len());
        for statement in batch {
            let id = id_of(genesis, statement)?;
            submissions.push(signer.sign_as(registry, statement, id).await?.submission());
        }
        for answer in submit_settled(registry, trial, submissions).await? {
            if let Answer::Refused { problem } = answer {
                if problem.code == RefusalCode::IdConflict.as_str() {
                    refused.known += 1;
                    continue;
                }
                refused.by_code.entry(problem.code.clone()).or_insert((0, problem)).0 += 1;
            }
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(refused)
}

fn summary(trial: &TrialId, genesis: RecordHash, plan: &Plan, refused: &Refused) -> Result<()> {
    let counts = &plan.counts;
    let mut table = Table::new(["imported into", trial.as_str()]);
    for (name, count) in [
        ("subjects screened", counts.screened),
        ("subjects enrolled", counts.enrolled),
        ("screen failures", counts.screen_failures),
        ("sites", counts.sites),
        ("dosing periods", counts.dosing_periods),
        ("visits", counts.visits),
        ("  unscheduled", counts.visits_unscheduled),
        ("  on a day that has a visit already", counts.visits_same_day),
        ("  after the subject's death", counts.visits_after_death),
        ("observations", counts.observations),
        ("  with a UCUM unit", counts.observations_in_ucum),
        ("adverse events", counts.adverse_events),
        ("  certainly before treatment", counts.adverse_events_before_treatment),
        ("  with a partial onset", counts.adverse_events_onset_partial),
        ("  without causality", counts.adverse_events_without_causality),
        ("  serious as reported", counts.serious_reported),
        ("  serious by a criterion", counts.serious_derived),
        ("  fatal, reported as not serious", counts.fatal_reported_not_serious),
        ("dispositions", counts.dispositions),
    ] {
        table.row([name.to_owned(), count.to_string()]);
    }
    print(&format!("\n{table}"))?;
    let mut rows = Table::new(["table", "rows carried", "rows not imported"]);
    for (name, carried) in &counts.rows_carried {
        let left = counts.rows_not_imported.get(name).copied().unwrap_or(0);
        rows.row([name.clone(), carried.to_string(), left.to_string()]);
    }
    for (name, left) in
        counts.rows_not_imported.iter().filter(|(name, _)| !counts.rows_carried.contains_key(*name))
    {
        rows.row([name.clone(), "0".to_owned(), left.to_string()]);
    }
    print(&rows.to_string())?;
    reasons(plan)?;
    for note in &plan.notes {
        print(&format!("note: {note}"))?;
    }
    for table in &plan.tables_not_read {
        print(&format!("not read: {table} is a table this import does not know"))?;
    }
    if refused.known > 0 {
        print(&format!("{} events were imported before; nothing was recorded twice", refused.known))?;
    }
    for (code, (count, problem)) in &refused.by_code {
        eprintln!("refused: {count} events with {code}, such as: {problem}");
    }
    print(&format!("genesis {genesis}"))
}

/// What was left out, by table and reason.
fn reasons(plan: &Plan) -> Result<()> {
    let mut counted: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for left in &plan.not_imported {
        let column = left.column.as_deref().unwrap_or("(row)");
        *counted.entry((&left.table, column, &left.reason)).or_default() += 1;
    }
    for left in &plan.columns_not_imported {
        *counted.entry((&left.table, &left.column, left.reason)).or_default() += u64::from(left.values);
    }
    let mut table = Table::new(["table", "not imported", "values", "reason"]);
    for ((name, column, reason), count) in counted {
        table.row([name.to_owned(), column.to_owned(), count.to_string(), reason.to_owned()]);
    }
    if table.is_empty() { Ok(()) } else { print(&format!("\n{table}")) }
}

fn write_not_imported(path: &Path, plan: &Plan) -> Result<()> {
    let mut lines = String::new();
    for left in &plan.not_imported {
        lines.push_str(&serde_json::to_string(left)?);
        lines.push('\n');
    }
    for left in &plan.columns_not_imported {
        lines.push_str(&serde_json::to_string(left)?);
        lines.push('\n');
    }
    replace(path, lines.as_bytes())
}
