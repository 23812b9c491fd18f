//! What was refused to people of a trial: kept for their work lists, until it is recorded after all.

use std::sync::Arc;

use anyhow::Context as _;
use api::{Answer, Problem, RefusedAsked, RefusedPage, RefusedView};
use clinical::{Event, EventKind, Grant, SiteId};
use keep::RefusedSubmission;
use registrar::index;

use super::Inner;
use super::reads::query;
use super::running::Running;
use crate::world;

/// The site whose work it is to look at a refused event: the event's own, if its signer is entitled there; else the
/// signer's.
fn site_of(event: &Event, grant: &Grant) -> Option<SiteId> {
    let own = event.site.as_ref().filter(|site| grant.sites.is_empty() || grant.sites.contains(site));
    own.or(grant.sites.first()).cloned()
}

impl Inner {
    /// Keeps what was refused of submissions that somebody known to the trial has signed. What cannot be read, or is
    /// signed by nobody known, is nobody's work: whoever sent it has the answer. Blocks.
    pub(super) fn keep_refused(&self, running: &Running, submissions: &[Vec<u8>], answers: &[Answer]) {
        let (Some(store), Ok(registrar)) = (&self.refused, running.registrar()) else { return };
        let (public, now) = (running.public(), world::now().microseconds());
        let refused = submissions.iter().zip(answers).filter_map(|(submission, answer)| {
            let Answer::Refused { problem } = answer else { return None };
            let prepared = registrar.prepare(submission).ok().filter(|_| problem.status < 500)?;
            let event = prepared.event();
            // Preparing has checked the signature with it.
            let grant = public.grants.get(&event.key)?;
            Some(RefusedSubmission {
                at: now,
                trial: running.trial.to_string(),
                event: event.id.to_string(),
                actor: grant.holder.to_string(),
                kind: event.kind.as_str().to_owned(),
                site: site_of(event, grant).map(|site| site.to_string()),
                subject: event.subject.as_ref().map(ToString::to_string),
                code: problem.code.clone(),
                title: problem.title.clone(),
                detail: problem.detail.clone(),
                pointer: problem.pointer.clone(),
                times: 1,
            })
        });
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() {
            return;
        }
        if let Err(error) = store.add(&refused, now) {
            // Whoever submitted it has the answer all the same.
            let error = &error as &dyn std::error::Error;
            tracing::error!(trial = %running.trial, error, "refused submissions cannot be kept");
        }
    }

    /// What was refused lately and is not recorded.
    pub(super) fn refused_asked(
        &self,
        running: &Arc<Running>,
        asked: &RefusedAsked,
    ) -> Result<RefusedPage, Problem> {
        let store = self
            .refused
            .as_ref()
            .ok_or_else(|| Problem::not_served("what was refused is its registrar's to say"))?;
        let (trial, site) = (running.trial.to_string(), asked.site.as_ref().map(ToString::to_string));
        let limit = asked.limit();
        let look = keep::RefusedAsked {
            trial: &trial,
            site: site.as_deref(),
            before: asked.before,
            limit: limit + 1,
        };
        let mut kept = store.lately(look, world::now().microseconds()).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "refused submissions cannot be read");
            Problem::unavailable("what was refused cannot be read")
        })?;
        let next = (kept.len() > limit).then(|| {
            kept.truncate(limit);
            kept.last().map(|(id, _)| *id)
        });
        let views: Result<Vec<_>, _> = kept.into_iter().map(|(_, refused)| view(refused)).collect();
        let views = views.map_err(|_| Problem::internal("a refused submission cannot be read"))?;
        let (refused, mark) = query(running.index()?, |known, mark| {
            let mut waiting = Vec::with_capacity(views.len());
            for one in views {
                if index::find(known, one.event)?.is_none() {
                    waiting.push(one);
                }
            }
            Ok((waiting, mark))
        })?;
        let covers = self.covers(running, running.index()?, mark);
        Ok(RefusedPage { covers, next: next.flatten(), refused })
    }
}

fn view(kept: RefusedSubmission) -> anyhow::Result<RefusedView> {
    let RefusedSubmission {
        at,
        trial: _,
        event,
        actor,
        kind,
        site,
        subject,
        code,
        title,
        detail,
        pointer,
        times,
    } = kept;
    Ok(RefusedView {
        actor: actor.parse()?,
        at: chain::Instant::from_microseconds(at)?,
        code,
        detail,
        event: event.parse()?,
        kind: EventKind::from_name(&kind).context("a kind that there is not")?,
        pointer,
        site: site.map(|site| site.parse()).transpose()?,
        subject: subject.map(|subject| subject.parse()).transpose()?,
        times: times.unsigned_abs(),
        title,
    })
}
