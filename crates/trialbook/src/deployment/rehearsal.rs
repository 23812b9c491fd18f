//! What would become of a statement if it were signed now. Nothing of it is recorded or kept.

use api::{Problem, Rehearsal, Rehearsed, problem_of_refusal};
use clinical::statement::{
    Circumstances, ComposeError, Signatory, commit_to_text_key, commits_to_text_key, event_of,
};
use clinical::{Actor, Refusal, RefusalCode, Zone};
use registrar::{Outcome, Prepared};

use super::running::Running;
use super::submit_problem;
use crate::world;

/// Lets the registrar decide about the event that the statement would become, as the holder of the key would sign it.
pub(super) async fn rehearse(running: &Running, rehearsal: &Rehearsal) -> Result<Rehearsed, Problem> {
    let registrar = running.registrar()?;
    let prepared = prepare(running, rehearsal).map_err(|refusal| problem_of_refusal(&refusal))?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    registrar.submit(vec![prepared], move |outcome| {
        // Whoever is gone is not told.
        let _ = sender.send(outcome);
    });
    let decided = receiver.await.map_err(|_| Problem::unavailable("the registrar gave no answer"))?;
    let outcome = decided.map_err(|error| submit_problem(&error))?.into_outcomes().pop();
    match outcome {
        Some(Outcome::Rehearsed(findings)) => Ok(Rehearsed { findings }),
        Some(Outcome::Refused(refusal)) => Err(problem_of_refusal(&refusal)),
        Some(Outcome::Unready(unready)) => Err(Problem::unavailable(unready.to_string())),
        Some(Outcome::Recorded(_) | Outcome::Repeated(_)) | None => {
            Err(Problem::internal("a rehearsal was not answered as one"))
        }
    }
}

/// The event as it would be signed, texts sealed under a key that is thrown away.
fn prepare(running: &Running, rehearsal: &Rehearsal) -> Result<Prepared, Refusal> {
    let public = running.public();
    let Some(opening) = &public.opening else {
        return Err(Refusal::new(RefusalCode::TrialNotOpen, "/kind", RefusalCode::TrialNotOpen.meaning()));
    };
    let grant = public
        .grants
        .get(&rehearsal.key)
        .ok_or_else(|| Refusal::new(RefusalCode::KeyUnknown, "/key", RefusalCode::KeyUnknown.meaning()))?;
    let actor =
        Actor { id: grant.holder.clone(), organisation: grant.organisation.clone(), role: grant.role };
    let mut statement = rehearsal.statement.clone();
    let text_key = world::random();
    if commits_to_text_key(&statement) {
        commit_to_text_key(&mut statement, &text_key);
    }
    // The signer's own zone is in their key file; any zone is as good for what is decided.
    let zone: &Zone = &opening.zone;
    let (key, trial, log) = (rehearsal.key, &opening.trial, opening.genesis);
    let signatory = Signatory { actor: &actor, key, trial, log, zone };
    let mut circumstances = Circumstances {
        id: world::event_id(),
        signed_at: world::now(),
        text_key: Some(&text_key),
        randomness: &mut world::sealing,
    };
    let event = event_of(&statement, signatory, &mut circumstances).map_err(refusal_of)?;
    registrar::rehearsal(&event)
}

fn refusal_of(error: ComposeError) -> Refusal {
    let detail = error.to_string();
    match error {
        ComposeError::Decode(error) => registrar::malformed(error),
        ComposeError::Canonical(error) => Refusal::new(RefusalCode::NotCanonical, error.pointer, detail),
        ComposeError::NoTextKey { pointer }
        | ComposeError::NotText { pointer }
        | ComposeError::Text { pointer, .. } => Refusal::new(RefusalCode::Malformed, pointer, detail),
    }
}
