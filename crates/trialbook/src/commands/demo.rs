//! `demo`: the whole road, on synthetic data.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use api::{Answer, Registry, ReportAsked, ReportKind};
use chain::RecordHash;
use chain::note::VerifierKey;
use clinical::statement::Composed;
use clinical::{Date, EventKind, PartialDate, Role, Statement, TrialId};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::keys::{grant_statement, statement};
use super::open::LogKeyFrom;
use super::{Table, print, serve};
use crate::access::Access;
use crate::data::Data;
use crate::demo::{self, Compared, People, SITES};
use crate::deployment::{Deployment, Sealing};
use crate::keyfile::KeyFile;
use crate::signing::{Signer, submit_settled};
use crate::status;

/// How many events go into one request.
const BATCH: usize = 100;

/// How long the read models may take to cover the demonstration's some 1,000 records.
const SETTLE: Duration = Duration::from_mins(1);

pub(super) async fn run(data: &Path, exit: bool, listen: SocketAddr) -> Result<u8> {
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
    let (holds, compared) = show(&deployment, &trial).await?;
    if exit {
        return Ok(if holds { 0 } else { status::BROKEN });
    }
    let settings = console::Settings {
        demo_cutoff: Some(cutoff()?),
        comparison: Some(comparison(&trial, &compared)),
        verify_hint: Some(verify_command(&data, &deployment, &trial).await?),
    };
    let listening = serve::Listening { listen, tls: None, hosts: Vec::new() };
    serve::serve(serve::Served::of(&deployment), listening, Some(settings)).await?;
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
    let registry = &*access.registry;
    let mut submitter = Submitter {
        registry,
        trial,
        genesis,
        people: &people,
        signers: BTreeMap::new(),
        waiting: Vec::new(),
        submitting: Duration::ZERO,
        submitted: 0,
    };
    submitter.delegate().await?;
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
    let [first, second] = &people.sponsors;
    let mut opening = demo::opening();
    let sponsors = [first, second].map(|key| {
        json!({
            "holder": key.actor.id, "organisation": key.actor.organisation,
            "public_key": key.secret.public().to_text()
        })
    });
    opening.data.insert("sponsor_keys".to_owned(), json!(sponsors));
    let opened = super::open::open(
        access,
        Some(data),
        first,
        trial,
        LogKeyFrom::Origin("demo.trialbook.example"),
        opening,
    )
    .await?;
    Ok(opened.context("the trial was not opened")?.hash)
}

/// Signs and submits, a batch at a time.
struct Submitter<'a> {
    registry: &'a dyn Registry,
    trial: &'a TrialId,
    genesis: RecordHash,
    people: &'a People,
    signers: BTreeMap<clinical::ActorId, Signer<'a>>,
    waiting: Vec<Composed>,
    submitting: Duration,
    submitted: u32,
}

impl<'a> Submitter<'a> {
    /// The sponsor activates sites and grants principal investigators; they grant their own people.
    async fn delegate(&mut self) -> Result<()> {
        let people = self.people;
        let sponsor = &people.sponsors[0];
        for site in &SITES {
            let data = json!({"country": site.country, "name": site.name, "zone": site.zone});
            let activation =
                Statement { site: Some(site.id.parse()?), ..statement(EventKind::SiteActivated, &data) };
            self.state(sponsor, &activation).await?;
        }
        for key in &people.central {
            self.state(sponsor, &grant_statement(key, self.genesis, &[])).await?;
        }
        for ((site, role), key) in &people.of_sites {
            if *role == Role::PrincipalInvestigator {
                self.state(sponsor, &grant_statement(key, self.genesis, std::slice::from_ref(site))).await?;
            }
        }
        for ((site, role), key) in &people.of_sites {
            if *role != Role::PrincipalInvestigator {
                let granter = people.at(site, Role::PrincipalInvestigator)?;
                self.state(granter, &grant_statement(key, self.genesis, std::slice::from_ref(site))).await?;
            }
        }
        // Text keys are handed out by what is granted, so the grants have to be recorded first.
        self.flush().await
    }

    async fn state(&mut self, key: &'a KeyFile, statement: &Statement) -> Result<()> {
        let (trial, genesis) = (self.trial, self.genesis);
        let signer =
            self.signers.entry(key.actor.id.clone()).or_insert_with(|| Signer::new(key, trial, genesis));
        self.waiting.push(signer.sign(self.registry, statement).await?);
        if self.waiting.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let submissions: Vec<_> = self.waiting.drain(..).map(|composed| composed.submission()).collect();
        if submissions.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let answers = submit_settled(self.registry, self.trial, submissions).await?;
        self.submitting += begun.elapsed();
        for answer in answers {
            match answer {
                Answer::Recorded { .. } | Answer::Repeated { .. } => self.submitted += 1,
                Answer::Refused { problem } => return Err(problem.into()),
            }
        }
        Ok(())
    }
}

/// Prints figures, genesis and verdict; whether everything agrees and is intact.
async fn show(deployment: &Deployment, trial: &TrialId) -> Result<(bool, Vec<Compared>)> {
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
    let words = match (agree, intact) {
        (true, true) => "every figure agrees, and the log is intact",
        (true, false) => "every figure agrees, but the log is NOT intact",
        (false, true) => "the log is intact, but figures DIFFER",
        (false, false) => "figures DIFFER, and the log is NOT intact",
    };
    print(words)?;
    Ok((agree && intact, compared))
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
