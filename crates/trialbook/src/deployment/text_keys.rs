//! Handing out subjects' text keys to those entitled to them.

use api::{Problem, TextKeyAnswer, TextKeyRequest};
use clinical::{Role, TrialId};
use keep::PutError;
use registrar::index;

use super::Inner;
use super::reads::query;

/// How far a request's time may be off, in microseconds: 5 minutes.
const REQUEST_AGE_MAX_MICROSECONDS: i64 = 5 * 60 * 1_000_000;

impl Inner {
    /// Checks that the asker's key is granted a role that reads at the subject's site, then hands out or takes the key.
    pub(super) fn answer_text_key(
        &self,
        trial: &TrialId,
        request: &TextKeyRequest,
    ) -> Result<TextKeyAnswer, Problem> {
        let running = self.running(trial)?;
        let public = running.public();
        let forbidden =
            |detail: &str| Problem::new(403, "text-key-refused", "The key is not handed out.", detail);
        let grant =
            public.grants.get(&request.key).ok_or_else(|| forbidden("the signing key was never granted"))?;
        if !request.is_signed_by(&grant.public_key, trial) {
            return Err(forbidden("the signature does not verify"));
        }
        let now = crate::world::now();
        if (now.microseconds() - request.at.microseconds()).abs() > REQUEST_AGE_MAX_MICROSECONDS {
            return Err(forbidden("the request is too old, or the clocks differ"));
        }
        if !grant.is_in_force(now) {
            return Err(forbidden("the signing key is not in force"));
        }
        let at_site = grant.role.is_of_a_site() && grant.sites.contains(&request.site);
        let writes = at_site || grant.role == Role::DataManager;
        let reads = writes || matches!(grant.role, Role::Inspector | Role::Monitor | Role::SponsorSafety);
        if !reads || (request.deposit.is_some() && !writes) {
            return Err(forbidden("the role is not entitled at this site"));
        }
        // Once the log knows the subject, its site is the log's word, not the asker's.
        let known = query(running.index()?, |view, _| index::subject(view, &request.subject))?;
        if known.is_some_and(|known| known.site != request.site) {
            return Err(forbidden("the subject belongs to another site"));
        }
        if let Some(deposit) = &request.deposit {
            let key: Option<[u8; 32]> =
                chain::key::from_base64(deposit).and_then(|bytes| bytes.try_into().ok());
            let key = key.ok_or_else(|| Problem::bad_request("deposit is base64 of 32 bytes"))?;
            let put =
                self.keep.put_text_key(trial.as_str(), request.subject.as_str(), request.site.as_str(), &key);
            match put {
                Ok(_) => {}
                Err(error @ PutError::AnotherKey { .. }) => {
                    return Err(Problem::new(
                        409,
                        "text-key-exists",
                        "The subject has another text key.",
                        error.to_string(),
                    ));
                }
                Err(error) => return Err(Problem::internal(error.to_string())),
            }
        }
        let stored = self.keep.text_key(trial.as_str(), request.subject.as_str());
        let stored = stored.map_err(|error| Problem::internal(error.to_string()))?;
        match stored {
            Some(stored) if stored.site != request.site.as_str() => {
                Err(forbidden("the subject belongs to another site"))
            }
            stored => Ok(TextKeyAnswer { text_key: stored.map(|stored| chain::key::to_base64(&stored.key)) }),
        }
    }
}
