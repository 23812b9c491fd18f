//! A registry that answers each call no further than the asker may read.
//!
//! Every way of asking a registry is decided about here, in one place: a new one does not compile before it is.

use async_trait::async_trait;
use chain::Position;
use chain::tile::TileKind;
use clinical::report::{Arms, AskedSources};
use clinical::{EventKind, SiteId, Statement, SubjectId, TrialId};
use serde::Deserialize;

use crate::evidence::{Evidence, LogFile};
use crate::gate::{Asking, Gate, Holder, Refused, Standing, arms_withheld, missing, not_good, not_permitted};
use crate::policy::{Permission, Resource, is_blinded, permission, permission_beside_arms};
use crate::problem::Problem;
use crate::refused::{RefusedAsked, RefusedPage};
use crate::registry::Registry;
use crate::review::{PlanAsked, PlanPage, TrailAsked, TrailEntry, TrailPage, VerificationView};
use crate::text_key::{TextKeyAnswer, TextKeyRequest};
use crate::wire::{
    Answer, AsOf, FeedItem, FeedPart, FindingsPage, Page, Readiness, RecordView, Rehearsal, Rehearsed,
    ReportAsked, ReportKind, ReportView, SourcesView, SubjectRecords, SubjectsPage, TrialDetail, Trials,
};
use crate::workings::{Envelopes, EnvelopesAsked, Projectors};

/// How many entries of a list are looked at at once for those of one site.
const LOOKED_AT: usize = 1_000;

/// How often a trail is looked at for the entries of one site, before what was found is the answer: each look is at up to
/// 50,000 records, or gives 1,000.
const TRAIL_LOOKS_MAX: usize = 8;

/// A registry, for one asker.
pub(crate) struct Guarded {
    gate: Gate,
    asking: Asking,
}

/// What of a resource is open to the asker: everything, unless it says less.
#[derive(Default)]
pub(crate) struct Granted {
    /// What is of the trial as a whole and of this site's subjects.
    site: Option<SiteId>,
    /// This trial.
    trial: Option<TrialId>,
    /// The id of the token.
    token: Option<String>,
    /// What tells the trial's arms apart is not for the asker.
    blinded: bool,
}

/// What is refused, and to which token.
pub(crate) type Denied = (Problem, Option<String>);

/// Whose a record is.
#[derive(Deserialize)]
struct Whose {
    event: Belongs,
}

#[derive(Deserialize)]
struct Belongs {
    site: Option<SiteId>,
    subject: Option<SubjectId>,
}

/// Whether a site may read a record: it is of the trial as a whole, or of one of the site's subjects. A record that does
/// not say is nobody's.
fn readable(record: &str, site: &SiteId) -> bool {
    serde_json::from_str::<Whose>(record).is_ok_and(|whose| {
        let Belongs { site: of, subject } = whose.event;
        subject.is_none() || of.as_ref() == Some(site)
    })
}

/// Whether a report leaves out what tells arms apart. One that does not say so does not.
fn withholds_arms(view: &ReportView) -> bool {
    #[derive(Deserialize)]
    struct Stated {
        arms: Arms,
    }
    serde_json::from_str::<Stated>(view.report.get()).is_ok_and(|stated| stated.arms == Arms::Withheld)
}

impl Guarded {
    pub(crate) fn new(gate: Gate, asking: Asking) -> Self {
        Self { gate, asking }
    }

    fn registry(&self) -> &dyn Registry {
        self.gate.inner()
    }

    /// Who asks; `None`: somebody who may everything.
    pub(crate) async fn holder(&self) -> Result<Option<Holder>, Denied> {
        let Some(tokens) = self.gate.tokens() else { return Ok(None) };
        let unknowable = |problem: Problem| (problem, None);
        if !tokens.required().await.map_err(unknowable)? {
            // Where everybody may everything, somebody may still look as less than that.
            let Some(token) = &self.asking.token else { return Ok(None) };
            return match tokens.standing(token).await.map_err(unknowable)? {
                Standing::Held(holder) => Ok(Some(holder)),
                _ => Ok(None),
            };
        }
        let Some(token) = &self.asking.token else { return Err((missing(), None)) };
        let standing = tokens.standing(token).await.map_err(unknowable)?;
        let problem = not_good(&standing);
        match standing {
            Standing::Owner => Ok(None),
            Standing::Held(holder) => Ok(Some(holder)),
            Standing::Revoked { id } | Standing::Expired { id } => Err((problem, Some(id))),
            Standing::Unknown => Err((problem, None)),
        }
    }

    /// What of `resource` is open to the asker, in one trial or in all.
    async fn grant(&self, resource: Resource, trial: Option<&TrialId>) -> Result<Granted, Denied> {
        // What is open to all costs no look at tokens.
        if permission(None, resource) == Permission::All {
            return Ok(Granted::default());
        }
        let Some(Holder { id, role, site, trial: bound }) = self.holder().await? else {
            return Ok(Granted::default());
        };
        if let Some(bound) = &bound {
            // The list of trials is cut down to the one; what else is of no trial is of all.
            let within = trial.map_or(resource == Resource::Trials, |trial| trial == bound);
            if !within {
                return Err((not_permitted(format!("the token is for trial {bound} alone")), Some(id)));
            }
        }
        let blinded = match trial {
            Some(trial) if is_blinded(role) => {
                self.has_arms(trial).await.map_err(|problem| (problem, None))?
            }
            _ => false,
        };
        if blinded && permission_beside_arms(Some(role), resource) != permission(Some(role), resource) {
            let detail = format!(
                "the trial has arms, and a token of the role {role} is for open reports: {} would tell who is in which",
                resource.meaning()
            );
            return Err((arms_withheld(detail), Some(id)));
        }
        let site = match (permission(Some(role), resource), site) {
            (Permission::All, _) => None,
            (Permission::OwnSite, Some(site)) => Some(site),
            (Permission::OwnSite, None) | (Permission::Nothing, _) => {
                let detail = format!("a token of the role {role} is not for {}", resource.meaning());
                return Err((not_permitted(detail), Some(id)));
            }
        };
        Ok(Granted { site, trial: bound, token: Some(id), blinded })
    }

    async fn has_arms(&self, trial: &TrialId) -> Result<bool, Problem> {
        Ok(self.registry().trial(trial).await?.trial.has_arms)
    }

    /// As [`Guarded::grant`]; a refusal is taken note of.
    pub(crate) async fn allow(
        &self,
        resource: Resource,
        trial: Option<&TrialId>,
    ) -> Result<Granted, Problem> {
        let granted = self.grant(resource, trial).await;
        granted.map_err(|(problem, token)| self.refuse(problem, token.as_deref()))
    }

    pub(crate) fn refuse(&self, problem: Problem, token: Option<&str>) -> Problem {
        if let (Some(tokens), 401 | 403 | 429) = (self.gate.tokens(), problem.status) {
            let Asking { route, peer, .. } = &self.asking;
            tokens.refused(&Refused { code: &problem.code, route, token, peer: *peer });
        }
        problem
    }

    /// As [`Guarded::refuse`], of whoever comes with an organisation's word: what is malformed there was made up.
    pub(crate) fn refuse_entry(&self, problem: Problem, who: Option<&str>) -> Problem {
        if let (Some(tokens), 400) = (self.gate.tokens(), problem.status) {
            let Asking { route, peer, .. } = &self.asking;
            tokens.refused(&Refused { code: &problem.code, route, token: who, peer: *peer });
            return problem;
        }
        self.refuse(problem, who)
    }

    /// Of a list that can be asked for by site, whoever is of one site asks for its own.
    fn keep_to_own(&self, granted: &Granted, site: &mut Option<SiteId>) -> Result<(), Problem> {
        let Some(own) = &granted.site else { return Ok(()) };
        if site.as_ref().is_some_and(|site| site != own) {
            return Err(self.not_own(granted, format!("the token is for site {own}")));
        }
        *site = Some(own.clone());
        Ok(())
    }

    /// Refuses what is another site's.
    fn not_own(&self, granted: &Granted, detail: String) -> Problem {
        self.refuse(not_permitted(detail), granted.token.as_deref())
    }
}

/// Entries of a list that is given in pages: those that are the asker's, at most `limit`, and whether there are more.
fn cut<T>(mut own: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let more = own.len() > limit;
    own.truncate(limit);
    (own, more)
}

#[async_trait]
impl Registry for Guarded {
    async fn trials(&self) -> Result<Trials, Problem> {
        let granted = self.allow(Resource::Trials, None).await?;
        let mut trials = self.registry().trials().await?;
        trials.trials.retain(|view| granted.trial.as_ref().is_none_or(|bound| view.trial == *bound));
        Ok(trials)
    }

    async fn trial(&self, trial: &TrialId) -> Result<TrialDetail, Problem> {
        self.allow(Resource::Trials, Some(trial)).await?;
        self.registry().trial(trial).await
    }

    async fn open_trial(&self, submission: Vec<u8>) -> Result<Answer, Problem> {
        self.allow(Resource::Opening, None).await?;
        self.registry().open_trial(submission).await
    }

    async fn submit(&self, trial: &TrialId, submissions: Vec<Vec<u8>>) -> Result<Vec<Answer>, Problem> {
        self.allow(Resource::Submission, Some(trial)).await?;
        self.registry().submit(trial, submissions).await
    }

    // What would be found tells of the subject's other records.
    async fn rehearse(&self, trial: &TrialId, rehearsal: Rehearsal) -> Result<Rehearsed, Problem> {
        let granted = self.allow(Resource::Subjects, Some(trial)).await?;
        if let Some(own) = &granted.site {
            let Statement { site, subject, kind, .. } = &rehearsal.statement;
            let is_delegation = matches!(kind, EventKind::KeyGranted | EventKind::KeyRevoked);
            if (subject.is_some() || !is_delegation) && site.as_ref() != Some(own) {
                return Err(self.not_own(&granted, format!("the token is for site {own}")));
            }
            let rehearsed = self.registry().rehearse(trial, rehearsal).await;
            // Whether there is a subject of this name elsewhere is not told.
            return rehearsed.map_err(|problem| match problem.code.as_str() {
                "subject-of-another-site" | "subject-unknown" => {
                    let detail = format!("site {own} has no such subject");
                    Problem::new(422, "subject-unknown", "The site has no such subject.", detail)
                }
                _ => problem,
            });
        }
        self.registry().rehearse(trial, rehearsal).await
    }

    async fn record(&self, trial: &TrialId, seq: Position) -> Result<RecordView, Problem> {
        let granted = self.allow(Resource::Records, Some(trial)).await?;
        let view = self.registry().record(trial, seq).await?;
        match &granted.site {
            Some(site) if !readable(view.record.get(), site) => {
                Err(self.not_own(&granted, format!("record {seq} is about no subject of site {site}")))
            }
            _ => Ok(view),
        }
    }

    async fn subjects(&self, trial: &TrialId, page: Page) -> Result<SubjectsPage, Problem> {
        let Some(site) = self.allow(Resource::Subjects, Some(trial)).await?.site else {
            return self.registry().subjects(trial, page).await;
        };
        let (limit, mut covers, mut own) = (page.limit(), None, Vec::new());
        let mut after = page.after;
        loop {
            let look = Page { after, limit: Some(LOOKED_AT) };
            let seen = self.registry().subjects(trial, look).await?;
            // What the first look covers all later ones do.
            covers.get_or_insert(seen.covers);
            own.extend(seen.subjects.into_iter().filter(|subject| subject.site == site));
            after = seen.next.map(|next| next.to_string());
            if own.len() > limit || after.is_none() {
                break;
            }
        }
        let (subjects, more) = cut(own, limit);
        let next = subjects.last().filter(|_| more).map(|last| last.subject.clone());
        let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
        Ok(SubjectsPage { covers, next, subjects })
    }

    async fn subject_records(
        &self,
        trial: &TrialId,
        subject: &SubjectId,
        page: Page,
    ) -> Result<SubjectRecords, Problem> {
        let granted = self.allow(Resource::Subjects, Some(trial)).await?;
        let Some(site) = &granted.site else {
            return self.registry().subject_records(trial, subject, page).await;
        };
        // That there is a subject of this name elsewhere is not told either.
        let not_own = || self.not_own(&granted, format!("site {site} has no subject {subject}"));
        let (limit, mut after, mut covers, mut own) = (page.limit(), None, None, Vec::new());
        loop {
            let look = Page { after, limit: Some(LOOKED_AT) };
            let seen = match self.registry().subject_records(trial, subject, look).await {
                Ok(seen) => seen,
                Err(problem) if problem.status == 404 => return Err(not_own()),
                Err(problem) => return Err(problem),
            };
            covers.get_or_insert(seen.covers);
            // A subject may have moved: of its records those are a site's that were made for it.
            own.extend(seen.records.into_iter().filter(|view| readable(view.record.get(), site)));
            after = seen.next.map(|next| next.to_string());
            if after.is_none() {
                break;
            }
        }
        if own.is_empty() {
            return Err(not_own());
        }
        if let Some(after) = page.after.and_then(|after| after.parse::<u64>().ok()) {
            own.retain(|view| view.seq.0 > after);
        }
        let (records, more) = cut(own, limit);
        let next = records.last().filter(|_| more).map(|last| last.seq);
        let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
        Ok(SubjectRecords { covers, next, records, subject: subject.clone() })
    }

    async fn findings(&self, trial: &TrialId, page: Page) -> Result<FindingsPage, Problem> {
        let Some(site) = self.allow(Resource::Findings, Some(trial)).await?.site else {
            return self.registry().findings(trial, page).await;
        };
        let (limit, mut covers, mut own) = (page.limit(), None, Vec::new());
        let mut after = page.after;
        loop {
            let look = Page { after, limit: Some(LOOKED_AT) };
            let seen = self.registry().findings(trial, look).await?;
            covers.get_or_insert(seen.covers);
            let mine = |found: &crate::wire::RecordFindings| {
                found.subject.is_none() || found.site.as_ref() == Some(&site)
            };
            own.extend(seen.records.into_iter().filter(mine));
            after = seen.next.map(|next| next.to_string());
            if own.len() > limit || after.is_none() {
                break;
            }
        }
        let (records, more) = cut(own, limit);
        let next = records.last().filter(|_| more).map(|last| last.seq);
        let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
        Ok(FindingsPage { covers, next, records })
    }

    async fn trail(&self, trial: &TrialId, asked: TrailAsked) -> Result<TrailPage, Problem> {
        let granted = self.allow(Resource::Records, Some(trial)).await?;
        let Some(site) = &granted.site else { return self.registry().trail(trial, asked).await };
        let limit = asked.limit();
        let (mut after, mut covers, mut own) = (asked.after, None, Vec::new());
        for _ in 0..TRAIL_LOOKS_MAX {
            let look = TrailAsked { after, limit: Some(LOOKED_AT), ..asked.clone() };
            let seen = self.registry().trail(trial, look).await?;
            covers.get_or_insert(seen.covers);
            let mine = |entry: &TrailEntry| entry.subject.is_none() || entry.site.as_ref() == Some(site);
            own.extend(seen.entries.into_iter().filter(mine));
            after = seen.next;
            if own.len() > limit || after.is_none() {
                break;
            }
        }
        let (entries, more) = cut(own, limit);
        let next = if more { entries.last().map(|last| last.seq) } else { after };
        let covers = covers.ok_or_else(|| Problem::internal("a list covers nothing"))?;
        Ok(TrailPage { covers, entries, next })
    }

    async fn plan(&self, trial: &TrialId, mut asked: PlanAsked) -> Result<PlanPage, Problem> {
        let granted = self.allow(Resource::Subjects, Some(trial)).await?;
        self.keep_to_own(&granted, &mut asked.site)?;
        self.registry().plan(trial, asked).await
    }

    async fn refused(&self, trial: &TrialId, mut asked: RefusedAsked) -> Result<RefusedPage, Problem> {
        let granted = self.allow(Resource::Findings, Some(trial)).await?;
        self.keep_to_own(&granted, &mut asked.site)?;
        self.registry().refused(trial, asked).await
    }

    async fn verification(&self, trial: &TrialId) -> Result<VerificationView, Problem> {
        self.allow(Resource::Trials, Some(trial)).await?;
        let mut view = self.registry().verification(trial).await?;
        // What it found in single records is for those who may read all of them.
        let findings = self.grant(Resource::Findings, Some(trial)).await;
        if !findings.is_ok_and(|granted| granted.site.is_none())
            && let Some(last) = &mut view.last
        {
            last.unlisted += last.findings.len() as u64;
            last.findings.clear();
        }
        Ok(view)
    }

    async fn report(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
    ) -> Result<ReportView, Problem> {
        let granted = self.allow(Resource::Reports, Some(trial)).await?;
        if granted.blinded && matches!(asked.as_of, Some(AsOf::Records(_))) {
            let detail = "two reports that are one record apart tell what that record is; ask for a data cut";
            return Err(self.refuse(arms_withheld(detail), granted.token.as_deref()));
        }
        let view = self.registry().report(trial, kind, asked.clone()).await?;
        if granted.blinded {
            let earlier = match asked.since {
                Some(cut) => {
                    let asked = ReportAsked { as_of: Some(AsOf::Cut(cut)), ..ReportAsked::default() };
                    Some(self.registry().report(trial, kind, asked).await?)
                }
                None => None,
            };
            if !std::iter::once(&view).chain(&earlier).all(withholds_arms) {
                let detail = "that report is of a time from which no arm was known yet, and withholds nothing; ask for one \
                    of later records";
                return Err(self.refuse(arms_withheld(detail), granted.token.as_deref()));
            }
        }
        Ok(view)
    }

    async fn sources(
        &self,
        trial: &TrialId,
        kind: ReportKind,
        asked: ReportAsked,
        cell: AskedSources,
    ) -> Result<SourcesView, Problem> {
        let granted = self.allow(Resource::Reports, Some(trial)).await?;
        if granted.blinded {
            let detail =
                "what is behind a number tells how often a subject was treated, and which records it has";
            return Err(self.refuse(arms_withheld(detail), granted.token.as_deref()));
        }
        self.registry().sources(trial, kind, asked, cell).await
    }

    // Asked again for each part: a feed ends with its token.
    async fn follow(&self, trial: &TrialId, from: Position) -> Result<FeedPart, Problem> {
        let granted = self.allow(Resource::Feed, Some(trial)).await?;
        let mut part = self.registry().follow(trial, from).await?;
        if let Some(site) = granted.site {
            part.items.retain(|item| readable(&item.record, &site));
        }
        Ok(part)
    }

    async fn evidence(&self, trial: &TrialId) -> Result<Evidence, Problem> {
        self.allow(Resource::Seals, Some(trial)).await?;
        let mut evidence = self.registry().evidence(trial).await?;
        // It may name files.
        if self.grant(Resource::Reasons, None).await.is_err() {
            evidence.trouble = None;
        }
        Ok(evidence)
    }

    async fn log_file(&self, trial: &TrialId, file: LogFile) -> Result<Vec<u8>, Problem> {
        let resource = match file {
            LogFile::Checkpoint | LogFile::Witnessed => Resource::Seals,
            LogFile::Tile(path) => match path.kind() {
                TileKind::Hashes(_) => Resource::Seals,
                TileKind::Entries => Resource::Bundles,
            },
        };
        self.allow(resource, Some(trial)).await?;
        self.registry().log_file(trial, file).await
    }

    // A proof is made of hash tiles, which are open: it tells nothing that they do not.
    async fn proof(&self, trial: &TrialId, seq: Position) -> Result<String, Problem> {
        self.allow(Resource::Seals, Some(trial)).await?;
        self.registry().proof(trial, seq).await
    }

    async fn site_records(
        &self,
        trial: &TrialId,
        site: &SiteId,
        after: Option<Position>,
    ) -> Result<Vec<FeedItem>, Problem> {
        let granted = self.allow(Resource::SitePart, Some(trial)).await?;
        match &granted.site {
            Some(own) if own != site => Err(self.not_own(&granted, format!("the token is for site {own}"))),
            _ => self.registry().site_records(trial, site, after).await,
        }
    }

    async fn text_key(&self, trial: &TrialId, request: TextKeyRequest) -> Result<TextKeyAnswer, Problem> {
        self.allow(Resource::Submission, Some(trial)).await?;
        self.registry().text_key(trial, request).await
    }

    async fn readiness(&self) -> Result<Readiness, Problem> {
        self.allow(Resource::Health, None).await?;
        let mut readiness = self.registry().readiness().await?;
        // The reasons name files and positions. To ask without being told them is nothing to be refused for.
        if self.grant(Resource::Reasons, None).await.is_err() {
            readiness.checks.iter_mut().for_each(|check| check.detail = None);
        }
        Ok(readiness)
    }

    async fn metrics(&self) -> Result<String, Problem> {
        self.allow(Resource::Metrics, None).await?;
        self.registry().metrics().await
    }

    async fn projectors(&self) -> Result<Projectors, Problem> {
        self.allow(Resource::Workings, None).await?;
        let mut found = self.registry().projectors().await?;
        // As in readiness: what is the matter may name files and positions.
        if self.grant(Resource::Reasons, None).await.is_err() {
            found.projectors.iter_mut().for_each(|projector| projector.last_error = None);
        }
        Ok(found)
    }

    async fn rebuild(&self, trial: &TrialId, name: &str) -> Result<(), Problem> {
        self.allow(Resource::Upkeep, Some(trial)).await?;
        self.registry().rebuild(trial, name).await
    }

    // Asked again for each part, as the feed is: a tail ends with its token.
    async fn envelopes(&self, trial: &TrialId, asked: EnvelopesAsked) -> Result<Envelopes, Problem> {
        self.allow(Resource::Workings, Some(trial)).await?;
        self.registry().envelopes(trial, asked).await
    }
}

#[cfg(test)]
mod tests;
