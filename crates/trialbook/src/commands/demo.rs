//! `demo`: the whole road, on synthetic data.

mod edge;
mod submitter;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use api::{Registry as _, ReportAsked, ReportKind};
use chain::RecordHash;
use chain::note::VerifierKey;
use clinical::{Date, EventKind, PartialDate, Role, Statement, TrialId};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use submitter::{BATCH, Submitter};

use super::keys::{grant_statement, statement};
use super::open::LogKeyFrom;
use super::{Table, print, serve};
use crate::access::Access;
use crate::data::Data;
use crate::demo::{self, Compared, People, SITES};
use crate::deployment::{Deployment, Sealing};
use crate::keyfile::KeyFile;
use crate::status;

/// How long the read models may take to cover the demonstration's some 1,000 records.
const SETTLE: Duration = Duration::from_mins(1);

pub(super) async fn run(data: &Path, exit: bool, listen: SocketAddr) -> Result<u8> {
    // What is served openly is served to this machine alone, whatever its name is and whoever vouches for it.
    ensure!(
        exit || listen.ip().is_loopback(),
        "a demonstration is open to whoever reaches it: {listen} is not a loopback address, and it is served on those only"
    );
    let data = Data::new(data);
    data.create()?;
    let Some(lock) = data.lock()? else {
        bail!(
            "{} is being served at {}: open that address, or give another --data",
            data.root().display(),
            data.address()?
        );
    };
    let trial: TrialId = demo::TRIAL.parse()?;
    let deployment = Deployment::open(data.clone(), lock)?;
    deployment.seal(Sealing::default());
    let access = Access { registry: Arc::new(deployment.clone()), deployment: Some(deployment.clone()) };
    let known = deployment.trial_ids().contains(&trial);
    if known {
        print(&format!(
            "{} holds trial {trial} already: nothing was added. Delete the directory to begin anew.\n",
            data.root().display()
        ))?;
    } else {
        print(
            "SYNTHETIC DATA: no record describes a person. Made to reproduce the figures of one published abstract.\n",
        )?;
        fill(&access, &data, &trial).await?;
    }
    if !deployment.settle(&trial, SETTLE) {
        bail!("the read models did not come to the end of the log within {} s", SETTLE.as_secs());
    }
    let (verdict, compared) = show(&deployment, &trial).await?;
    let verdict = Verdict { edge: edge::run(&data).await?, ..verdict };
    print(&verdict.words())?;
    if exit {
        return Ok(if verdict.holds() { 0 } else { status::BROKEN });
    }
    let listening = serve::Listening { listen, tls: None, hosts: Vec::new(), oidc: None };
    let looks = demo::looks(&trial)?;
    let settings = console::Settings {
        configuration: serve::effective(&data, &listening, &serve::Beside::default()),
        demonstration: true,
        looks: looks.iter().map(|look| (look.id.clone(), look.label.clone())).collect(),
        demo_cutoff: Some(cutoff()?),
        comparison: Some(comparison(&trial, &compared)),
        verify_hint: Some(verify_command(&data, &deployment, &trial).await?),
    };
    let served = serve::Served { looks, ..serve::Served::of(&deployment) };
    serve::serve(served, listening, Some(settings)).await?;
    Ok(0)
}

fn cutoff() -> Result<Date> {
    let cutoff: PartialDate = demo::CUTOFF.parse()?;
    cutoff.day().context("the cutoff is a full date")
}

fn comparison(trial: &TrialId, compared: &[Compared]) -> console::Comparison {
    let rows = compared.iter().map(|row| console::ComparisonRow {
        figure: row.figure.clone(),
        published: row.published.clone(),
        computed: row.computed.clone(),
        agrees: row.agrees,
    });
    console::Comparison {
        trial: trial.clone(),
        source: format!("{}; cutoff {}", demo::SOURCE, demo::CUTOFF),
        rows: rows.collect(),
    }
}

/// Makes keys, opens the trial, and submits everything as its people would.
async fn fill(access: &Access, data: &Data, trial: &TrialId) -> Result<()> {
    let people = People::make(&data.keys().join(trial.as_str()))?;
    print(&format!("made {} keys in {}", people.count(), data.keys().join(trial.as_str()).display()))?;
    let genesis = open(access, data, trial, &people).await?;
    let mut submitter = Submitter::new(&*access.registry, trial, genesis);
    delegate(&mut submitter, &people, genesis).await?;
    let cohort = demo::cohort()?;
    let bar = ProgressBar::new(cohort.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} synthetic subjects {elapsed}")?);
    let begun = Instant::now();
    for (index, row) in cohort.iter().enumerate() {
        for signed in demo::events(index, row)? {
            let site = signed.statement.site.clone().context("an event of a subject")?;
            submitter.state(people.at(&site, signed.role)?, &signed.statement).await?;
        }
        bar.inc(1);
    }
    submitter.flush().await?;
    bar.finish_and_clear();
    let (events, seconds) = (submitter.submitted, submitter.submitting.as_secs_f64());
    print(&format!(
        "submitted {events} signed events in {:.2} s, of which {seconds:.2} s in the registry ({:.0} events/s in batches of {BATCH}; the rest is composing and signing)\n",
        begun.elapsed().as_secs_f64(),
        f64::from(events) / seconds.max(f64::EPSILON),
    ))
}

async fn open(access: &Access, data: &Data, trial: &TrialId, people: &People) -> Result<RecordHash> {
    open_with(access, data, trial, &people.sponsors, demo::opening()).await
}

/// Opens a trial with the keys of its sponsors, the first of which signs.
async fn open_with(
    access: &Access,
    data: &Data,
    trial: &TrialId,
    sponsors: &[KeyFile],
    mut opening: Statement,
) -> Result<RecordHash> {
    let first = sponsors.first().context("a trial has a sponsor")?;
    let keys: Vec<_> = sponsors
        .iter()
        .map(|key| {
            json!({
                "holder": key.actor.id, "organisation": key.actor.organisation,
                "public_key": key.secret.public().to_text()
            })
        })
        .collect();
    opening.data.insert("sponsor_keys".to_owned(), json!(keys));
    let host = LogKeyFrom::Origin("demo.trialbook.example");
    let opened = super::open::open(access, Some(data), first, trial, host, opening).await?;
    Ok(opened.context("the trial was not opened")?.hash)
}

/// The sponsor activates sites and grants principal investigators; they grant their own people.
async fn delegate<'a>(submitter: &mut Submitter<'a>, people: &'a People, genesis: RecordHash) -> Result<()> {
    let sponsor = &people.sponsors[0];
    for site in &SITES {
        let data = json!({"country": site.country, "name": site.name, "zone": site.zone});
        let activation =
            Statement { site: Some(site.id.parse()?), ..statement(EventKind::SiteActivated, &data) };
        submitter.state(sponsor, &activation).await?;
    }
    for key in &people.central {
        submitter.state(sponsor, &grant_statement(key, genesis, &[])).await?;
    }
    for ((site, role), key) in &people.of_sites {
        if *role == Role::PrincipalInvestigator {
            submitter.state(sponsor, &grant_statement(key, genesis, std::slice::from_ref(site))).await?;
        }
    }
    for ((site, role), key) in &people.of_sites {
        if *role != Role::PrincipalInvestigator {
            let granter = people.at(site, Role::PrincipalInvestigator)?;
            submitter.state(granter, &grant_statement(key, genesis, std::slice::from_ref(site))).await?;
        }
    }
    // Text keys are handed out by what is granted, so the grants have to be recorded first.
    submitter.flush().await?;
    Ok(())
}

/// What the demonstration comes to.
struct Verdict {
    /// Every figure is the published one.
    figures: bool,
    /// Every edge case is as expected, and its log intact.
    edge: bool,
    /// The log is intact.
    intact: bool,
}

impl Verdict {
    fn holds(&self) -> bool {
        self.figures && self.edge && self.intact
    }

    fn words(&self) -> String {
        let figures = if self.figures { "every figure agrees" } else { "figures DIFFER" };
        let edge =
            if self.edge { "every edge case is as expected" } else { "edge cases are NOT as expected" };
        let intact = if self.intact { "the log is intact" } else { "the log is NOT intact" };
        format!("{figures}, {edge}, and {intact}")
    }
}

/// Prints figures, genesis and verification; whether everything agrees and is intact.
async fn show(deployment: &Deployment, trial: &TrialId) -> Result<(Verdict, Vec<Compared>)> {
    let cutoff = cutoff()?;
    let asked = ReportAsked { cutoff: Some(cutoff), ..ReportAsked::default() };
    let outcomes = deployment.report(trial, ReportKind::Outcomes, asked.clone()).await?;
    let safety = deployment.report(trial, ReportKind::Safety, asked).await?;
    let outcomes: outcomes::Report = serde_json::from_str(outcomes.report.get())?;
    let compared = demo::compare(&outcomes, &serde_json::from_str(safety.report.get())?);
    let mut table = Table::new(["figure", "published", "from the log", "95% exact", ""]);
    for row in &compared {
        table.row([
            row.figure.clone(),
            row.published.clone(),
            row.computed.clone(),
            row.interval.clone(),
            if row.agrees { "agrees" } else { "DIFFERS" }.to_owned(),
        ]);
    }
    let agree = compared.iter().all(|row| row.agrees);
    let survival = outcomes.survival.from_infusion.landmarks.last();
    print(&format!("Figures up to {}, beside {}\n{table}", demo::CUTOFF, demo::SOURCE))?;
    if let Some(landmark) = survival {
        print(&format!(
            "  94% is a crude proportion. Kaplan-Meier at {}: {} with {} at risk.\n",
            landmark.label, landmark.survival, landmark.at_risk
        ))?;
    }
    seal(deployment, trial).await?;
    let detail = deployment.trial(trial).await?;
    let verification = {
        let (deployment, trial) = (deployment.clone(), trial.clone());
        let begun = Instant::now();
        let report = tokio::task::spawn_blocking(move || deployment.verify(&trial, None)).await??;
        (report, begun.elapsed())
    };
    let (report, took) = verification;
    print(&format!(
        "genesis {}\n\n{report}\nverified {} records with their signatures in {:.2} s ({:.0} records/s)\n",
        detail.trial.genesis,
        report.covers.records,
        took.as_secs_f64(),
        report.covers.records as f64 / took.as_secs_f64().max(f64::EPSILON),
    ))?;
    print(&format!("check it yourself: {}", verify_command(deployment.data(), deployment, trial).await?))?;
    let intact = report.status() == 0;
    Ok((Verdict { figures: agree, edge: true, intact }, compared))
}

/// Waits for a checkpoint over everything, and tells it.
async fn seal(deployment: &Deployment, trial: &TrialId) -> Result<()> {
    let sealed = {
        let (deployment, trial) = (deployment.clone(), trial.clone());
        tokio::task::spawn_blocking(move || deployment.wait_sealed(&trial, SETTLE)).await??
    };
    let evidence = deployment.evidence(trial).await?;
    let origin = VerifierKey::from_text(&evidence.log_key)?.name().to_owned();
    print(&format!(
        "sealed: a checkpoint of {} records, signed as {origin}\nroot {}\nlog key {}",
        sealed.size, sealed.root, evidence.log_key
    ))
}

async fn verify_command(data: &Data, deployment: &Deployment, trial: &TrialId) -> Result<String> {
    let detail = deployment.trial(trial).await?;
    Ok(format!(
        "trialbook verify {} --trial {trial} --genesis {}",
        data.root().display(),
        detail.trial.genesis
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clinical::SiteId;

    #[test]
    fn the_cohorts_sites_are_those_of_the_demonstration() {
        let named: std::collections::BTreeSet<SiteId> =
            demo::cohort().unwrap().iter().map(|row| row.site.parse().unwrap()).collect();
        let made: std::collections::BTreeSet<SiteId> =
            SITES.iter().map(|site| site.id.parse().unwrap()).collect();
        assert_eq!(named, made);
    }
}
