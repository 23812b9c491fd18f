//! The registry's answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{
    Answer, CutView, Envelopes, EnvelopesAsked, Evidence, FeedItem, FeedPart, FindingsPage, KeyView, LogFile,
    Page, PlanAsked, PlanPage, Problem, Projectors, Readiness, ReadinessCheck, RecordFindings, RecordView,
    RefusedAsked, RefusedPage, Registry, Rehearsal, Rehearsed, ReportAsked, ReportKind, ReportView, SiteView,
    SourcesView, SubjectRecords, SubjectsPage, TextKeyAnswer, TextKeyRequest, TrailAsked, TrailPage,
    TrialDetail, TrialView, Trials, VerificationView,
};
use async_trait::async_trait;
use chain::{Instant, KeyId, LinkedRecord, Position, Record};
use clinical::endorsement::{self, SignatureSeen};
use clinical::report::AskedSources;
use clinical::{Event, Grant, SiteId, SubjectId, TrialId};
use journal::ReadError;
use projector::{ProjectorHandle, State};
use readmodel::{Mark, StoreError, View};
use registrar::index;
use serde_json::value::RawValue;
use tracing::Instrument as _;

use super::running::Running;
use super::{Deployment, Inner, evidence, submit};
use crate::spans;

/// How long a follower waits for a record before it is answered with none.
const FOLLOW_WAIT: Duration = Duration::from_secs(1);

/// About how many bytes of records a follower gets at once.
const FOLLOW_BYTES: usize = 256 << 10;

/// Runs what reads files or takes its time off the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal("the request failed"))?
}

pub(super) fn unreadable(error: &ReadError) -> Problem {
    tracing::error!("the journal cannot be read: {error}");
    Problem::internal("the journal cannot be read")
}

fn store_failed(error: &StoreError) -> Problem {
    Problem::unavailable(format!("the read model cannot answer: {error}"))
}

pub(super) fn query<T>(
    projector: &ProjectorHandle,
    reader: impl FnOnce(&dyn View, Mark) -> Result<T, StoreError>,
) -> Result<T, Problem> {
    projector.query(reader).map_err(|error| store_failed(&error))?.map_err(|error| store_failed(&error))
}

/// The record at `seq`, if it is durable.
fn linked(running: &Running, seq: Position) -> Result<LinkedRecord, Problem> {
    let records = running.journal.read(seq, 1).map_err(|error| unreadable(&error))?;
    let found = records.into_iter().find(|record| record.seq == seq);
    found.ok_or_else(|| Problem::not_found(format!("there is no record at position {seq}")))
}

/// A record's bytes as text: canonical JSON is UTF-8.
pub(super) fn text(linked: &LinkedRecord) -> Result<String, Problem> {
    let text = String::from_utf8(linked.bytes.to_vec());
    text.map_err(|_| Problem::internal(format!("record {} is not text", linked.seq)))
}

pub(super) fn raw(text: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(text).map_err(|_| Problem::internal("stored bytes are not JSON"))
}

/// A record's event, and when it was recorded.
pub(super) struct Said {
    pub(super) event: Event,
    pub(super) recorded_at: Instant,
}

impl Said {
    pub(super) fn of(linked: &LinkedRecord) -> Result<Self, Problem> {
        let malformed = || Problem::internal(format!("record {} is malformed", linked.seq));
        let record = Record::parse(&linked.bytes).map_err(|_| malformed())?;
        let event = Event::decode(record.event).map_err(|_| malformed())?;
        Ok(Self { event, recorded_at: record.recorded_at })
    }

    /// Whether others may have had the key by then.
    pub(super) fn is_in_doubt(&self, grants: &BTreeMap<KeyId, Grant>) -> bool {
        grants.get(&self.event.key).is_some_and(|grant| endorsement::is_in_doubt(grant, self.recorded_at))
    }
}

pub(super) fn event_of(linked: &LinkedRecord) -> Result<Event, Problem> {
    Ok(Said::of(linked)?.event)
}

/// Waits a while for a durable record at `from`.
async fn until_beyond(running: &Running, from: Position) {
    let mut durable = running.durable.clone();
    let beyond = durable.wait_for(|head| head.size.0 > from.0);
    // Nothing new in time is an answer; so is a trial that is being closed.
    let _ = tokio::time::timeout(FOLLOW_WAIT, beyond).await;
}

fn after_position(page: &Page) -> Result<Option<Position>, Problem> {
    let parse =
        |text: &String| text.parse().map(Position).map_err(|_| Problem::bad_request("after is a position"));
    page.after.as_ref().map(parse).transpose()
}

impl Inner {
    fn view(&self, running: &Running) -> Option<TrialView> {
        let public = running.public();
        let opening = public.opening.as_ref()?;
        Some(TrialView {
            covers: self.covers_journal(running),
            genesis: opening.genesis,
            has_arms: public.has_arms,
            log_key: opening.log_key.clone(),
            not_durable: running.log.is_for_play(),
            synthetic: opening.synthetic,
            title: opening.title.clone(),
            trial: opening.trial.clone(),
            zone: opening.zone.clone(),
        })
    }

    fn record_view(&self, running: &Running, seq: Position) -> Result<RecordView, Problem> {
        let linked = linked(running, seq)?;
        let (amended_by, findings, signed_by, mark) = query(running.index()?, |view, mark| {
            let mut signed_by = Vec::new();
            for by in index::signed_by(view, seq)? {
                if index::amended_by(view, by)?.is_none() {
                    signed_by.push(by);
                }
            }
            Ok((index::amended_by(view, seq)?, index::findings_at(view, seq)?, signed_by, mark))
        })?;
        let (public, mut signatures) = (running.public(), Vec::new());
        let key_in_doubt = Said::of(&linked)?.is_in_doubt(&public.grants);
        for by in signed_by {
            let said = Said::of(&self::linked(running, by)?)?;
            let in_doubt = said.is_in_doubt(&public.grants);
            let seen = SignatureSeen::of(by, &said.event, |_| amended_by.is_some(), in_doubt);
            signatures.extend(seen.into_iter().filter(|seen| seen.statement == seq));
        }
        let covers = self.covers(running, running.index()?, mark);
        let (hash, record) = (linked.hash, raw(text(&linked)?)?);
        Ok(RecordView { amended_by, covers, findings, hash, key_in_doubt, record, seq, signatures })
    }
}

#[async_trait]
impl Registry for Deployment {
    async fn trials(&self) -> Result<Trials, Problem> {
        Ok(Trials { trials: self.all().iter().filter_map(|running| self.view(running)).collect() })
    }

    async fn trial(&self, trial: &TrialId) -> Result<TrialDetail, Problem> {
        let running = self.running(trial)?;
        let view = self.view(&running).ok_or_else(|| Problem::not_found("the trial is not open"))?;
        let public = running.public();
        let sites = public.sites.iter().map(|(id, site)| SiteView {
            country: site.country.clone(),
            name: site.name.clone(),
            site: id.clone(),
            zone: site.zone.clone(),
        });
        let mut keys: Vec<_> = public
            .grants
            .iter()
            .map(|(id, grant)| KeyView {
                granted_at: grant.granted_at,
                holder: grant.holder.clone(),
                key: *id,
                organisation: grant.organisation.clone(),
                revoked_at: grant.revoked_at,
                role: grant.role,
                sites: grant.sites.clone(),
            })
            .collect();
        keys.sort_by_key(|key| (key.granted_at, key.key));
        let cuts = public.cuts.iter().map(|cut| CutView {
            cutoff_date: cut.cutoff_date.into(),
            head: cut.head,
            made_at: cut.made_at,
            name: cut.name.clone(),
            records: cut.records,
            root: cut.root,
        });
        Ok(TrialDetail { trial: view, cuts: cuts.collect(), keys, sites: sites.collect() })
    }

    async fn open_trial(&self, submission: Vec<u8>) -> Result<Answer, Problem> {
        let deployment = self.clone();
        blocking(move || deployment.open_new(&submission)).await
    }

    async fn submit(&self, trial: &TrialId, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
        let running = self.running(trial)?;
        running.registrar()?;
        if running.public().opening.is_none() {
            return Err(Problem::not_found(format!("trial {trial} is not open")));
        }
        let span = spans::of_submission(trial, submissions.len());
        let submissions = Arc::new(submissions);
        let answers = submit(&running, &submissions).instrument(span.clone()).await;
        spans::answered(&span, &answers);
        let answers = answers?;
        if !answers.iter().any(|answer| matches!(answer, Answer::Refused { .. })) {
            return Ok(answers);
        }
        let deployment = self.clone();
        blocking(move || {
            deployment.keep_refused(&running, &submissions, &answers);
            Ok(answers)
        })
        .await
    }

    async fn rehearse(&self, trial: &TrialId, rehearsal: Rehearsal) -> Result<Rehearsed, Problem> {
        super::rehearsal::rehearse(&*self.running(trial)?, &rehearsal).await
    }

    async fn record(&self, trial: &TrialId, seq: Position) -> Result<RecordView, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        blocking(move || deployment.record_view(&running, seq)).await
    }

    async fn subjects(&self, trial: &TrialId, page: Page) -> Result<SubjectsPage, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        blocking(move || {
            let after = page.after.as_deref().map(str::parse::<SubjectId>).transpose();
            let after = after.map_err(|error| Problem::bad_request(error.to_string()))?;
            let limit = page.limit();
            let (mut subjects, mark) = query(running.index()?, |view, mark| {
                Ok((index::subjects(view, after.as_ref(), limit + 1)?, mark))
            })?;
            let next = (subjects.len() > limit).then(|| {
                subjects.truncate(limit);
                subjects.last().map(|last| last.subject.clone())
            });
            let covers = deployment.covers(&running, running.index()?, mark);
            Ok(SubjectsPage { covers, next: next.flatten(), subjects })
        })
        .await
    }

    async fn subject_records(
        &self,
        trial: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem> {
        let (deployment, running, subject) = (self.clone(), self.running(trial)?, subject.clone());
        blocking(move || {
            let (after, limit) = (after_position(&page)?, page.limit());
            let (mut positions, mark) = query(running.index()?, |view, mark| {
                Ok((index::records_of(view, &subject, after, limit + 1)?, mark))
            })?;
            if positions.is_empty() && after.is_none() {
                let detail =
                    format!("there is no record of subject {subject} among the first {} records", mark.size);
                return Err(Problem::not_found(detail));
            }
            let more = positions.len() > limit;
            positions.truncate(limit);
            let next = positions.last().copied().filter(|_| more);
            let records: Result<Vec<_>, _> =
                positions.into_iter().map(|seq| deployment.record_view(&running, seq)).collect();
            let covers = deployment.covers(&running, running.index()?, mark);
            Ok(SubjectRecords { covers, next, records: records?, subject })
        })
        .await
    }

    async fn findings(&self, trial: &TrialId, page: Page) -> Result<FindingsPage, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        blocking(move || {
            let (after, limit) = (after_position(&page)?, page.limit());
            let (mut found, mark) =
                query(running.index()?, |view, mark| Ok((index::findings(view, after, limit + 1)?, mark)))?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().map(|(seq, _)| *seq).filter(|_| more);
            let records: Result<Vec<_>, Problem> = found
                .into_iter()
                .map(|(seq, findings)| {
                    let event = event_of(&linked(&running, seq)?)?;
                    Ok(RecordFindings {
                        confirmed: event.confirmed.map(|confirmed| confirmed.findings).unwrap_or_default(),
                        findings,
                        kind: event.kind,
                        occurred_on: event.occurred_on,
                        seq,
                        site: event.site,
                        subject: event.subject,
                    })
                })
                .collect();
            let covers = deployment.covers(&running, running.index()?, mark);
            Ok(FindingsPage { covers, next, records: records? })
        })
        .await
    }

    async fn trail(&self, trial: &TrialId, asked: TrailAsked) -> Result<TrailPage, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        running.index()?;
        blocking(move || deployment.trail_asked(&running, &asked)).await
    }

    async fn plan(&self, trial: &TrialId, asked: PlanAsked) -> Result<PlanPage, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        blocking(move || deployment.plan_asked(&running, &asked)).await
    }

    async fn refused(&self, trial: &TrialId, asked: RefusedAsked) -> Result<RefusedPage, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        blocking(move || deployment.refused_asked(&running, &asked)).await
    }

    async fn verification(&self, trial: &TrialId) -> Result<VerificationView, Problem> {
        Ok(self.last_verification(&*self.running(trial)?))
    }

    async fn sources(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
        cell: AskedSources,
    ) -> Result<SourcesView, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        blocking(move || deployment.sources_asked(&running, kind, &asked, &cell)).await
    }

    async fn report(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        let span = spans::of_report(trial, kind);
        blocking(move || {
            let made = span.in_scope(|| deployment.report_asked(&running, kind, asked));
            match &made {
                Ok(report) => span.record("records", i64::try_from(report.covers.records).ok()),
                Err(problem) => span.record("code", &*problem.code),
            };
            made
        })
        .await
    }

    async fn follow(&self, trial: &TrialId, from: Position) -> Result<FeedPart, Problem> {
        let running = self.running(trial)?;
        until_beyond(&running, from).await;
        blocking(move || {
            let records = running.journal.read(from, FOLLOW_BYTES).map_err(|error| unreadable(&error))?;
            let next = records.last().map_or(from, |last| last.seq.next());
            let item = |linked: &LinkedRecord| Ok(FeedItem { seq: linked.seq, record: text(linked)? });
            let items = records.iter().map(item).collect::<Result<_, Problem>>()?;
            Ok(FeedPart { items, next })
        })
        .await
    }

    async fn evidence(&self, trial: &TrialId) -> Result<Evidence, Problem> {
        self.running_of_notary(trial)?.evidence()
    }

    async fn log_file(&self, trial: &TrialId, file: LogFile) -> Result<Vec<u8>, Problem> {
        evidence::log_file(&*self.running_of_notary(trial)?, file).await
    }

    async fn proof(&self, trial: &TrialId, seq: Position) -> Result<String, Problem> {
        evidence::proof(&*self.running_of_notary(trial)?, seq).await
    }

    async fn site_records(
        &self,
        trial: &TrialId,
        site: &SiteId,
        after: Option<Position>,
    ) -> Result<Vec<FeedItem>, Problem> {
        let (running, site) = (self.running(trial)?, site.clone());
        blocking(move || evidence::site_records(&running, &site, after)).await
    }

    async fn text_key(&self, trial: &TrialId, request: TextKeyRequest) -> Result<TextKeyAnswer, Problem> {
        if let Some(keeper) = self.text_keys_at.get() {
            return keeper.text_key(trial, request).await;
        }
        let (deployment, trial) = (self.clone(), trial.clone());
        blocking(move || deployment.answer_text_key(&trial, &request)).await
    }

    async fn readiness(&self) -> Result<Readiness, Problem> {
        let mut checks = Vec::new();
        for running in self.all() {
            if let Ok(registrar) = running.registrar() {
                let refusal = registrar.refusal().map(|error| error.to_string());
                checks.push(ReadinessCheck {
                    ok: refusal.is_none(),
                    detail: refusal,
                    name: format!("{}: registrar", running.trial),
                });
                if running.log.is_on_servers() {
                    let differs = registrar.clock_differs();
                    checks.push(ReadinessCheck {
                        ok: differs.is_none(),
                        detail: differs
                            .map(|ahead| format!("{} ms ahead of the log's servers", ahead / 1_000)),
                        name: format!("{}: clock", running.trial),
                    });
                    let asked = Arc::clone(&running);
                    let trouble = blocking(move || Ok(asked.log.trouble())).await?;
                    checks.push(ReadinessCheck {
                        ok: trouble.is_none(),
                        detail: trouble,
                        name: format!("{}: log", running.trial),
                    });
                }
            }
            for (name, projector) in running.projectors() {
                let status = projector.status();
                // Without its index a registrar cannot tell a new event from a known one.
                let needed = name == "index";
                let ok = match status.state {
                    State::Running => true,
                    State::Rebuilding => !needed,
                    State::Stopped { .. } | State::Closed => false,
                };
                let detail = match status.state {
                    State::Running => None,
                    State::Rebuilding => {
                        Some(format!("being made anew, {} records to go", status.lag_records))
                    }
                    State::Stopped { reason } => Some(reason.to_string()),
                    State::Closed => Some("closed".to_owned()),
                };
                checks.push(ReadinessCheck { ok, detail, name: format!("{}: {name}", running.trial) });
            }
        }
        for (trial, why) in self.closed() {
            checks.push(ReadinessCheck { ok: false, detail: Some(why), name: format!("{trial}: trial") });
        }
        let ready = checks.iter().all(|check| check.ok);
        // A notary's outage delays checkpoints, never submissions: it is told, and takes nobody out of service.
        for running in self.all().into_iter().filter(|_| self.services.notary) {
            let refused = running.sealing().is_some().then(|| running.sealing_refused()).flatten();
            checks.push(ReadinessCheck {
                ok: refused.is_none(),
                detail: refused,
                name: format!("{}: notary", running.trial),
            });
            if let Some(evidence) = running.sealing().and_then(|_| running.evidence().ok()) {
                checks.extend(super::sealing::lateness(&running.trial, &evidence));
            }
            let witnesses = running.sealing().map(|watch| watch.status().witnesses).unwrap_or_default();
            for witness in witnesses {
                checks.push(ReadinessCheck {
                    ok: witness.error.is_none(),
                    detail: witness.error,
                    name: format!("{}: witness {}", running.trial, witness.name),
                });
            }
            if let Some(replicas) = self.replicas.get() {
                checks.extend(replicas.checks(&running.trial));
            }
        }
        Ok(Readiness { ready, checks })
    }

    async fn metrics(&self) -> Result<String, Problem> {
        metrics::gauge!("trialbook_trials_not_served").set(self.closed().len() as f64);
        for running in self.all() {
            let trial = running.trial.to_string();
            let set = |name: &'static str, value: u64| {
                metrics::gauge!(name, "trial" => trial.clone()).set(value as f64);
            };
            set("trialbook_records", running.journal.head().size.0);
            if let Ok(registrar) = running.registrar() {
                set("trialbook_journal_proven", u64::from(running.log.is_proven()));
                set("trialbook_submissions_waiting", registrar.waiting() as u64);
                set("trialbook_registrar_refusing", u64::from(registrar.refusal().is_some()));
                set("trialbook_clock_differs", u64::from(registrar.clock_differs().is_some()));
            }
            if let Some(status) = running.sealing().map(|watch| watch.status()) {
                set("trialbook_checkpoint_size", status.signed.map_or(0, |sealed| sealed.size.0));
                set("trialbook_checkpoint_lag_records", status.lag_records);
                set("trialbook_notary_stopped", u64::from(running.sealing_refused().is_some()));
                set("trialbook_witnesses_missing", status.missing.len() as u64);
            }
            if let (true, Ok(evidence)) = (self.services.notary, running.evidence()) {
                set("trialbook_sealing_late", u64::from(evidence.late));
                set("trialbook_quorum_late", u64::from(evidence.witnesses.late));
            }
            if let Some(replicas) = self.replicas.get() {
                set("trialbook_replicas_audited_seconds", replicas.age(&running.trial).as_secs());
                for (server, is_faulty) in replicas.faulty(&running.trial) {
                    metrics::gauge!("trialbook_replica_faulty", "trial" => trial.clone(), "server" => server)
                        .set(f64::from(u8::from(is_faulty)));
                }
            }
            for (name, projector) in running.projectors() {
                let status = projector.status();
                metrics::gauge!("trialbook_projector_lag_records", "trial" => trial.clone(), "projector" => name)
                    .set(status.lag_records as f64);
                metrics::gauge!("trialbook_projector_stopped", "trial" => trial.clone(), "projector" => name)
                    .set(f64::from(u8::from(matches!(status.state, State::Stopped { .. }))));
            }
        }
        Ok(self.metrics.render())
    }

    async fn projectors(&self) -> Result<Projectors, Problem> {
        let deployment = self.clone();
        blocking(move || Ok(deployment.projectors_now())).await
    }

    async fn rebuild(&self, trial: &TrialId, name: &str) -> Result<(), Problem> {
        self.rebuild_now(trial, name)
    }

    async fn envelopes(&self, trial: &TrialId, asked: EnvelopesAsked) -> Result<Envelopes, Problem> {
        let (deployment, running) = (self.clone(), self.running(trial)?);
        if asked.wait {
            until_beyond(&running, asked.from).await;
        }
        blocking(move || deployment.envelopes_now(&running, asked)).await
    }
}
