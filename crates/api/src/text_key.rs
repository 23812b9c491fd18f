//! Asking for a subject's text key: a request that the asker signs with the key the log grants a role.

use chain::{Instant, KeyId, PublicKey, SecretKey, Signature};
use clinical::{SiteId, SubjectId, TrialId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A signed request for a subject's text key, or to deposit a new one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextKeyRequest {
    /// When it was signed; refused when it is more than five minutes off.
    #[schema(value_type = String)]
    pub at: Instant,
    /// The new key, base64 of 32 bytes, where one is deposited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposit: Option<String>,
    /// The asker's key.
    #[schema(value_type = String)]
    pub key: KeyId,
    /// Base64 signature over the request's other members.
    pub signature: String,
    /// The subject's site.
    #[schema(value_type = String)]
    pub site: SiteId,
    /// The subject.
    #[schema(value_type = String)]
    pub subject: SubjectId,
}

/// A subject's text key; absent if there is none yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextKeyAnswer {
    /// Base64 of 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_key: Option<String>,
}

impl TextKeyRequest {
    /// Makes and signs a request.
    pub fn sign(
        trial: &TrialId,
        site: &SiteId,
        subject: &SubjectId,
        deposit: Option<&[u8; 32]>,
        at: Instant,
        secret: &SecretKey,
    ) -> Self {
        let mut request = Self {
            at,
            deposit: deposit.map(|key| chain::key::to_base64(key)),
            key: secret.public().id(),
            signature: String::new(),
            site: site.clone(),
            subject: subject.clone(),
        };
        request.signature = secret.sign(&request.message(trial)).to_text();
        request
    }

    /// Whether `key` signed it for `trial`.
    pub fn is_signed_by(&self, key: &PublicKey, trial: &TrialId) -> bool {
        Signature::from_text(&self.signature)
            .is_some_and(|signature| key.verify(&self.message(trial), &signature).is_ok())
    }

    fn message(&self, trial: &TrialId) -> Vec<u8> {
        let deposit = self.deposit.as_deref().unwrap_or("-");
        format!("trialbook text key v1\n{trial}\n{}\n{}\n{}\n{deposit}", self.site, self.subject, self.at)
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_bound_to_trial_subject_and_deposit() {
        let secret = SecretKey::from_bytes(&[1; 32]);
        let trial = "lupus".parse().unwrap();
        let at = "2026-11-22T13:28:45.123456Z".parse().unwrap();
        let request = TextKeyRequest::sign(
            &trial,
            &"A".parse().unwrap(),
            &"S1".parse().unwrap(),
            Some(&[2; 32]),
            at,
            &secret,
        );
        let public = secret.public();
        assert!(request.is_signed_by(&public, &trial));
        assert!(!request.is_signed_by(&public, &"other".parse().unwrap()));
        assert!(
            !TextKeyRequest { subject: "S2".parse().unwrap(), ..request.clone() }
                .is_signed_by(&public, &trial)
        );
        assert!(!TextKeyRequest { deposit: None, ..request }.is_signed_by(&public, &trial));
    }
}
