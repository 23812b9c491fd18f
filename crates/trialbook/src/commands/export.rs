//! `export bundle`: one file that an inspector checks without us.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use api::{Problem, Registry, ReportAsked, ReportKind, TrialView};
use chain::tile::{bundles, tiles};
use chain::{SignedCheckpoint, TreeSize};
use clinical::TrialId;
use verify::manifest::LOG;

use super::bundle_readme::{Readme, readme};
use super::container::{Content, Log, manifest, write};
use super::sealed::{self, Until, Waited};
use super::{print, report};
use crate::access::Access;
use crate::cli::{ExportCommand, Place, WhichTrial};

/// How often a bundle is begun anew because the log went on while its last files were read.
const ATTEMPTS: usize = 5;

/// How long the witnesses are waited for: they answer within a second, and those that were down are asked again within
/// some seconds.
const QUORUM_WAIT: Duration = Duration::from_secs(10);

pub(super) async fn run(command: ExportCommand) -> Result<u8> {
    let ExportCommand::Bundle { out, which, place } = command;
    bundle(&out, &which, &place).await
}

async fn bundle(out: &Path, which: &WhichTrial, place: &Place) -> Result<u8> {
    ensure!(!out.exists(), "{} is there already; a bundle is written to a new file", out.display());
    let access = Access::open(place, false, true)?;
    let trial = access.trial(which).await?;
    access.settle(&trial);
    let made = make(&*access.registry, &trial, out).await?;
    if let Some(why) = &made.not_witnessed {
        eprintln!(
            "not witnessed: {why}; whoever checks the bundle with a policy finds its quorum short. Export it again once \
             they have, or give it out as it is"
        );
    }
    print(&told(out, &made))?;
    Ok(0)
}

/// A bundle that was made.
pub(super) struct Made {
    view: TrialView,
    checkpoint: SignedCheckpoint,
    /// What each report in it covers.
    reports: Vec<String>,
    /// Why fewer witnesses than the policy asks for have cosigned its checkpoint, if so.
    not_witnessed: Option<String>,
}

impl Made {
    /// Records in it.
    pub(super) fn size(&self) -> TreeSize {
        self.checkpoint.claim().size
    }
}

/// Makes the bundle of a log in a new file, of what the registry lets whoever asks read.
pub(super) async fn make(registry: &dyn Registry, trial: &TrialId, out: &Path) -> Result<Made> {
    let log = Log { registry, trial };
    let view = log.registry.trial(trial).await?.trial;
    let mut files = BTreeMap::new();
    let mut said = Vec::new();
    let mut covered = TreeSize(view.covers.records);
    for kind in [ReportKind::Outcomes, ReportKind::Safety] {
        let made = log.registry.report(trial, kind, ReportAsked::default()).await?;
        said.push(format!("{} report: {}", kind.as_str(), report::covers(&made.covers)));
        covered = covered.max(TreeSize(made.covers.records));
        let bytes = made.report.get().as_bytes().to_vec();
        files.insert(format!("reports/{}.json", kind.as_str()), Content::Held(bytes));
    }
    // A report on records that no checkpoint covers could not be checked.
    let evidence = sealed::wait_sealed(log.registry, trial, covered).await?;
    let not_witnessed = if evidence.witnesses.demanded { await_quorum(&log, covered).await? } else { None };
    let checkpoint = seal(&log, covered, &mut files).await?;
    let page = readme(&Readme { view: &view, checkpoint: checkpoint.claim(), reports: &said });
    files.insert("README.html".to_owned(), Content::Held(page.into_bytes()));
    files.insert("keys/genesis".to_owned(), Content::Held(format!("{}\n", view.genesis).into_bytes()));
    files.insert("keys/log.vkey".to_owned(), Content::Held(format!("{}\n", view.log_key).into_bytes()));
    let manifest = manifest(&log, &files).await?;
    write(out, &log, &manifest, &files).await?;
    Ok(Made { view, checkpoint, reports: said, not_witnessed })
}

/// Gives the witnesses the time to cosign what the bundle is to cover; why they have not, if so.
async fn await_quorum(log: &Log<'_>, covered: TreeSize) -> Result<Option<String>> {
    let waited = sealed::wait(log.registry, log.trial, covered, Until::Witnessed, QUORUM_WAIT).await?;
    Ok(match waited {
        Waited::Late(why) => Some(why),
        Waited::Reached(_) => None,
    })
}

/// Takes in what the archive is under a checkpoint that covers at least so many records.
async fn seal(
    log: &Log<'_>,
    covered: TreeSize,
    files: &mut BTreeMap<String, Content>,
) -> Result<SignedCheckpoint> {
    for _ in 0..ATTEMPTS {
        let checkpoint = sealed::checkpoint(log.registry, log.trial, covered).await?;
        let size = checkpoint.claim().size;
        match partials(log, size).await {
            Ok(partials) => {
                files.extend(partials);
                let full = tiles(size).chain(bundles(size)).filter(|path| path.is_full());
                files.extend(full.map(|path| (format!("{LOG}{path}"), Content::Tile(path))));
                let bytes = checkpoint.to_string().into_bytes();
                files.insert(format!("{LOG}checkpoint"), Content::Held(bytes));
                return Ok(checkpoint);
            }
            // A later checkpoint has replaced them.
            Err(problem) if problem.status == 404 => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    bail!("the log grows faster than its last files can be read; try again when less is submitted")
}

/// The tiles that are not full, which are gone when the log goes on: one a level, and one bundle of records.
async fn partials(log: &Log<'_>, size: TreeSize) -> Result<Vec<(String, Content)>, Problem> {
    let mut found = Vec::new();
    for path in tiles(size).chain(bundles(size)).filter(|path| !path.is_full()) {
        found.push((format!("{LOG}{path}"), Content::Held(log.tile(path).await?)));
    }
    Ok(found)
}

fn told(out: &Path, made: &Made) -> String {
    let (claim, view) = (made.checkpoint.claim(), &made.view);
    format!(
        "wrote {out}: {size} records of {origin} under root {root}\n{reports}\n\n\
         the inspector checks it with\n  trialbook-verify {out} --key VKEY --genesis HEX\n\
         and needs, by another way than this file,\n  key      {key}\n  genesis  {genesis}",
        out = out.display(),
        size = claim.size,
        origin = claim.origin(),
        root = claim.root,
        reports = made.reports.join("\n"),
        key = view.log_key,
        genesis = view.genesis,
    )
}
