//! Admission: whether an event, authentic by its signature, is taken into the log.
//!
//! Refused is only what is malformed, unauthorised, unattributable or self-contradictory. What is merely implausible is
//! accepted with findings ([`crate::finding`]): a true fact must never be lost because it is strange.

mod assess;
mod later;

use chain::note::VerifierKey;
use chain::{Instant, KeyId, Position, PublicKey, RecordHash};

use crate::authority::{Entitlement, Grant, Role, entitlement};
use crate::data::{
    Data, DispositionReason, KeyGranted, KeyRevoked, LogKeyChanged, Service, ServiceKeyGranted, TrialOpened,
};
use crate::event::{Amends, Effect, Event};
use crate::finding::Finding;
use crate::id::{SiteId, SubjectId};
use crate::kind::{EventKind, Scope};
use crate::trial::{Subject, Trial};

macro_rules! refusals {
    ($( $variant:ident = $code:literal, $doc:literal; )*) => {
        /// Why an event is refused: a stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RefusalCode {
            $( #[doc = $doc] $variant, )*
        }

        impl RefusalCode {
            /// Every code.
            pub const ALL: &[Self] = &[$( Self::$variant, )*];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }

            /// One sentence for a reader.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $doc, )* }
            }
        }
    };
}

refusals! {
    TooLarge = "event-too-large", "The event is longer than 64,000 bytes.";
    NotCanonical = "not-canonical", "The event is not in canonical form.";
    Malformed = "event-malformed", "A member of the event is missing, unknown or not of its form.";
    KindReserved = "kind-reserved", "Events of this kind are not accepted by this version.";
    SchemaUnknown = "schema-unknown", "The schema number is not known to this version.";
    KeyUnknown = "key-unknown", "The signing key was never granted in this trial.";
    SignatureInvalid = "signature-invalid", "The signature does not verify.";
    IdConflict = "id-conflict", "Another event with this id is recorded.";
    TrialNotOpen = "trial-not-open", "The trial's first record must be its opening.";
    TrialAlreadyOpen = "trial-already-open", "The trial is open already.";
    TrialDiffers = "trial-differs", "The event names another trial.";
    LogDiffers = "log-differs", "The event is bound to another log.";
    ActorDiffers = "actor-differs", "Actor, role or organisation are not those the key was granted to.";
    KeyNotInForce = "key-not-in-force", "The key is not yet or no longer valid.";
    KeyRevoked = "key-revoked", "The key is revoked.";
    RoleNotEntitled = "role-not-entitled", "The role may not sign events of this kind.";
    SiteNotEntitled = "site-not-entitled", "The key is not granted for this site.";
    ImportUnmarked = "import-unmarked", "A data manager signs subject events only where they are marked as imported.";
    SiteUnknown = "site-unknown", "The site is not active.";
    SiteAlreadyActive = "site-already-active", "The site is active already.";
    SubjectUnknown = "subject-unknown", "The subject has no enrollment, screening or consent on record.";
    SubjectOfAnotherSite = "subject-of-another-site", "The subject belongs to another site.";
    AmendedUnknown = "amended-unknown", "The record named by amends or follows does not exist.";
    AmendedDiffers = "amended-differs", "The record named by amends or follows has another hash, kind, site or subject.";
    StaleAmendment = "stale-amendment", "The record has been amended already; amend the latest version.";
    AlreadyVoid = "already-void", "The record is void already.";
    OtherOrganisation = "other-organisation", "The record was made by another organisation.";
    GrantKeyRepeated = "grant-key-repeated", "The public key was granted before in this trial.";
    GrantMalformed = "grant-malformed", "The grant's key, sites or validity are not of their form.";
    GrantWithoutPossession = "grant-without-possession", "The new key's proof of possession does not verify.";
    GrantNotEntitled = "grant-not-entitled", "The signer may not grant or revoke this role at these sites or for this organisation.";
    RevokedUnknown = "revoked-unknown", "The key to revoke was never granted.";
    RevokedAlready = "revoked-already", "The key is revoked already.";
    RevokesItself = "revokes-itself", "A sponsor key is revoked only by another sponsor key.";
    RevokesLastLogKey = "revokes-last-log-key", "The log would be left without a key that signs it.";
    ReferenceUnknown = "reference-unknown", "The record that the event is about does not exist.";
    ReferenceDiffers = "reference-differs", "The record that the event is about has another hash, kind, site or subject.";
    ReferenceNotInForce = "reference-not-in-force", "The record to be signed was amended since, or declares another one void.";
    TransferImpossible = "transfer-impossible", "The subject belongs to that site already.";
    LinkImpossible = "link-impossible", "A subject is linked to itself, or one of the two is linked already.";
    CutNameRepeated = "cut-name-repeated", "A data cut of this name is recorded.";
    CutUnknown = "cut-unknown", "There is no data cut of this name, or it is not the latest.";
    CutDiffers = "cut-differs", "The data cut's last record is not the one at its position.";
    OpeningMalformed = "opening-malformed", "The opening's sponsor keys, log key or rule set are not of their form.";
}

/// Why an event is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", code.meaning())]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// JSON pointer into the event; empty for the event as a whole.
    pub pointer: String,
    /// What exactly; never subject data.
    pub detail: String,
}

impl Refusal {
    /// A refusal at `pointer`.
    pub fn new(code: RefusalCode, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, pointer: pointer.into(), detail: detail.into() }
    }
}

fn refuse<T>(code: RefusalCode, pointer: &str) -> Result<T, Refusal> {
    Err(Refusal::new(code, pointer, code.meaning()))
}

/// What admission needs to know of a record that an event amends or follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referenced {
    /// Its hash.
    pub hash: RecordHash,
    /// Its kind.
    pub kind: EventKind,
    /// Its site.
    pub site: Option<SiteId>,
    /// Its subject.
    pub subject: Option<SubjectId>,
    /// The organisation of its actor.
    pub organisation: String,
    /// Whether it voids its thing.
    pub is_void: bool,
    /// Whether it was imported: marked so, or a data manager's void of what was.
    pub is_imported: bool,
}

impl Referenced {
    /// Of an event and its record's hash.
    pub fn of(event: &Event, hash: RecordHash) -> Self {
        Self {
            hash,
            kind: event.kind,
            site: event.site.clone(),
            subject: event.subject.clone(),
            organisation: event.actor.organisation.clone(),
            is_void: event.data == Data::Void,
            is_imported: event.data.import().is_some()
                || (event.data == Data::Void && event.actor.role == Role::DataManager),
        }
    }
}

/// Access to earlier records of the same log.
pub trait References {
    /// The record at `seq`; `None` if there is none.
    fn record(&self, seq: Position) -> Option<Referenced>;

    /// The hash of the record at `seq`, be it readable as an event or not; `None` if it is not known.
    fn hash(&self, seq: Position) -> Option<RecordHash> {
        self.record(seq).map(|record| record.hash)
    }
}

/// The public key that must have signed `event`, as far as the log so far knows it. For the first record it stands in
/// the event itself.
pub fn signing_key(trial: Option<&Trial>, event: &Event) -> Option<PublicKey> {
    match (trial, &event.data) {
        (Some(trial), _) => trial.keys.get(&event.key).map(|grant| grant.public_key),
        (None, Data::TrialOpened(data)) => data
            .sponsor_keys
            .iter()
            .filter_map(|sponsor| PublicKey::from_text(&sponsor.public_key).ok())
            .find(|key| key.id() == event.key),
        (None, _) => None,
    }
}

/// Decides whether `event` becomes the next record of `trial` (`None` while the log is empty), and what is to be
/// looked at if it does. `bytes` are the event's own; its signature has been verified by the caller.
///
/// # Errors
/// [`Refusal`]: the event must not be recorded.
pub fn decide(
    trial: Option<&Trial>,
    event: &Event,
    bytes: &[u8],
    recorded_at: Instant,
    references: &dyn References,
) -> Result<Vec<Finding>, Refusal> {
    authorize(trial, event, recorded_at, references)?;
    Ok(trial.map_or_else(Vec::new, |trial| assess(trial, event, bytes, recorded_at)))
}

/// What is to be looked at in an event that was accepted into `trial` at `recorded_at`. The same for whoever asks:
/// it depends on the records before and on nothing else.
pub fn assess(trial: &Trial, event: &Event, bytes: &[u8], recorded_at: Instant) -> Vec<Finding> {
    assess::assess(trial, event, bytes, recorded_at)
}

/// Whether the signer was entitled, and the event does not contradict the log.
///
/// # Errors
/// [`Refusal`].
pub fn authorize(
    trial: Option<&Trial>,
    event: &Event,
    recorded_at: Instant,
    references: &dyn References,
) -> Result<(), Refusal> {
    let Some(trial) = trial else {
        return match &event.data {
            Data::TrialOpened(data) => check_opening(event, data),
            _ => refuse(RefusalCode::TrialNotOpen, "/kind"),
        };
    };
    if event.trial != trial.id {
        return refuse(RefusalCode::TrialDiffers, "/trial");
    }
    if event.kind == EventKind::TrialOpened {
        return refuse(RefusalCode::TrialAlreadyOpen, "/kind");
    }
    if event.log != trial.genesis {
        return refuse(RefusalCode::LogDiffers, "/log");
    }
    let grant = trial
        .keys
        .get(&event.key)
        .ok_or_else(|| Refusal::new(RefusalCode::KeyUnknown, "/key", RefusalCode::KeyUnknown.meaning()))?;
    check_grant(grant, event, recorded_at)?;
    check_role(trial, grant, event)?;
    match &event.data {
        Data::KeyGranted(data) => check_granting(trial, grant, data, recorded_at),
        Data::KeyRevoked(data) => check_revoking(trial, grant, event, data, recorded_at),
        Data::ServiceKeyGranted(data) => check_service_key(trial, data),
        Data::LogKeyChanged(data) => check_log_key(trial, data),
        Data::SubjectsLinked(data) => later::check_link(trial, data),
        Data::DataCut(data) => later::check_cut(trial, data, references),
        Data::ReportPublished(data) => later::check_published(trial, data),
        _ => {
            check_subject(trial, event, references)?;
            later::check_about(trial, event, references)
        }
    }
}

fn check_grant(grant: &Grant, event: &Event, recorded_at: Instant) -> Result<(), Refusal> {
    if grant.holder != event.actor.id {
        return refuse(RefusalCode::ActorDiffers, "/actor/id");
    }
    if grant.organisation != event.actor.organisation {
        return refuse(RefusalCode::ActorDiffers, "/actor/organisation");
    }
    if grant.role != event.actor.role {
        return refuse(RefusalCode::ActorDiffers, "/actor/role");
    }
    if grant.revoked_at.is_some() {
        return refuse(RefusalCode::KeyRevoked, "/key");
    }
    if !grant.is_in_force(recorded_at) {
        return refuse(RefusalCode::KeyNotInForce, "/key");
    }
    Ok(())
}

fn check_role(trial: &Trial, grant: &Grant, event: &Event) -> Result<(), Refusal> {
    match entitlement(grant.role, event.kind) {
        Entitlement::No => return refuse(RefusalCode::RoleNotEntitled, "/kind"),
        // A void states nothing that could be marked: whether it may void is decided by what it voids.
        Entitlement::Imports if event.data.import().is_none() && event.data != Data::Void => {
            return refuse(RefusalCode::ImportUnmarked, "/data/import");
        }
        Entitlement::OwnSites => {
            if let Some(site) = &event.site
                && !grant.sites.contains(site)
            {
                return refuse(RefusalCode::SiteNotEntitled, "/site");
            }
        }
        Entitlement::Imports | Entitlement::Trial => {}
    }
    let Some(site) = &event.site else { return Ok(()) };
    match (event.kind == EventKind::SiteActivated, trial.sites.contains_key(site)) {
        (true, true) => refuse(RefusalCode::SiteAlreadyActive, "/site"),
        (false, false) => refuse(RefusalCode::SiteUnknown, "/site"),
        _ => Ok(()),
    }
}

fn check_subject(trial: &Trial, event: &Event, references: &dyn References) -> Result<(), Refusal> {
    if event.kind.scope() != Scope::Subject {
        return Ok(());
    }
    let Some(subject) = &event.subject else { return Ok(()) };
    match trial.subject(subject) {
        // What a site stated is amended there, also when the subject has moved on.
        Some(known) if known.is_transferred() && event.amends.is_some() => {}
        // And signed there: the records that are named are that site's.
        Some(known) if known.is_transferred() && event.kind == EventKind::Signature => {}
        Some(known) if Some(&known.site) != event.site.as_ref() => {
            return refuse(RefusalCode::SubjectOfAnotherSite, "/subject");
        }
        None if !introduces_subject(event) => return refuse(RefusalCode::SubjectUnknown, "/subject"),
        _ => {}
    }
    if let Some(amends) = &event.amends {
        check_amendment(trial, event, amends, references)?;
    }
    if let Some(follows) = &event.follows {
        // Where a subject has moved, one site carries on from what the other stated.
        let is_transferred = trial.subject(subject).is_some_and(Subject::is_transferred);
        referenced(event, follows.seq, follows.hash, "/follows", !is_transferred, references)?;
    }
    Ok(())
}

/// Whether an event can be the first about its subject: an enrollment, what comes before it, or a screen failure.
fn introduces_subject(event: &Event) -> bool {
    match &event.data {
        Data::Enrollment(_) | Data::Screening(_) | Data::Consent(_) => true,
        Data::Disposition(data) => data.reason == DispositionReason::ScreenFailure,
        _ => false,
    }
}

fn check_amendment(
    trial: &Trial,
    event: &Event,
    amends: &Amends,
    references: &dyn References,
) -> Result<(), Refusal> {
    let amended = referenced(event, amends.seq, amends.hash, "/amends", true, references)?;
    if !amended.is_imported && entitlement(event.actor.role, event.kind) == Entitlement::Imports {
        return refuse(RefusalCode::ImportUnmarked, "/amends");
    }
    if amended.organisation != event.actor.organisation {
        return refuse(RefusalCode::OtherOrganisation, "/amends");
    }
    if let Some(latest) = trial.lineage.superseded_by(amends.seq) {
        let detail = format!("the record is amended by the one at position {latest}");
        return Err(Refusal::new(RefusalCode::StaleAmendment, "/amends/seq", detail));
    }
    if amended.is_void && amends.effect == Effect::Void {
        return refuse(RefusalCode::AlreadyVoid, "/amends/effect");
    }
    Ok(())
}

fn referenced(
    event: &Event,
    seq: Position,
    hash: RecordHash,
    pointer: &str,
    same_site: bool,
    references: &dyn References,
) -> Result<Referenced, Refusal> {
    let Some(found) = references.record(seq) else {
        return refuse(RefusalCode::AmendedUnknown, &format!("{pointer}/seq"));
    };
    if found.hash != hash {
        return refuse(RefusalCode::AmendedDiffers, &format!("{pointer}/hash"));
    }
    let is_elsewhere = same_site && found.site != event.site;
    if found.kind != event.kind || is_elsewhere || found.subject != event.subject {
        return refuse(RefusalCode::AmendedDiffers, pointer);
    }
    Ok(found)
}

/// Roles a signer may grant and revoke: a principal investigator those of the own sites; the sponsor all others, and a
/// site's principal investigator while the site has none (its first, or after the last one's key is gone).
fn may_delegate(trial: &Trial, signer: &Grant, role: Role, sites: &[SiteId], at: Instant) -> bool {
    match signer.role {
        Role::PrincipalInvestigator => {
            role.is_of_a_site() && !sites.is_empty() && sites.iter().all(|site| signer.sites.contains(site))
        }
        Role::Sponsor if role == Role::PrincipalInvestigator => {
            let is_held = |site: &SiteId| {
                trial.keys.values().any(|grant| {
                    grant.role == Role::PrincipalInvestigator
                        && grant.sites.contains(site)
                        && grant.is_in_force(at)
                })
            };
            !sites.is_empty() && !sites.iter().any(is_held)
        }
        Role::Sponsor => !role.is_of_a_site(),
        _ => false,
    }
}

fn check_granting(trial: &Trial, signer: &Grant, data: &KeyGranted, at: Instant) -> Result<(), Refusal> {
    let Ok(public_key) = PublicKey::from_text(&data.public_key) else {
        return refuse(RefusalCode::GrantMalformed, "/data/public_key");
    };
    if is_granted(trial, public_key) {
        return refuse(RefusalCode::GrantKeyRepeated, "/data/public_key");
    }
    if data.role.is_of_a_site() == data.sites.is_empty() {
        return refuse(RefusalCode::GrantMalformed, "/data/sites");
    }
    if data.sites.iter().any(|site| !trial.sites.contains_key(site)) {
        return refuse(RefusalCode::SiteUnknown, "/data/sites");
    }
    if let (Some(from), Some(until)) = (data.valid_from, data.valid_until)
        && until <= from
    {
        return refuse(RefusalCode::GrantMalformed, "/data/valid_until");
    }
    if !may_delegate(trial, signer, data.role, &data.sites, at) {
        return refuse(RefusalCode::GrantNotEntitled, "/data/role");
    }
    // Nobody's record is amended by another organisation: a site must not act in another's name.
    if signer.role == Role::PrincipalInvestigator && data.organisation != signer.organisation {
        return refuse(RefusalCode::GrantNotEntitled, "/data/organisation");
    }
    check_possession(trial, data.holder.as_str(), public_key, &data.possession)
}

fn is_granted(trial: &Trial, key: PublicKey) -> bool {
    trial.keys.contains_key(&key.id()) || trial.service_keys.contains_key(&key.id())
}

/// Whether a key may not become one of the registry's own: the log's key promises more than a receipt's, and each is kept
/// apart.
fn is_taken(trial: &Trial, key: PublicKey) -> bool {
    is_granted(trial, key) || trial.log_keys.get(key.id()).is_some()
}

fn check_possession(trial: &Trial, holder: &str, key: PublicKey, possession: &str) -> Result<(), Refusal> {
    let message = chain::key::possession_message(trial.genesis, holder, key);
    match chain::Signature::from_text(possession) {
        Some(proof) if key.verify(&message, &proof).is_ok() => Ok(()),
        _ => refuse(RefusalCode::GrantWithoutPossession, "/data/possession"),
    }
}

fn check_service_key(trial: &Trial, data: &ServiceKeyGranted) -> Result<(), Refusal> {
    let malformed = || {
        let detail = "expected a log's verifier key, named as the service";
        Refusal::new(RefusalCode::GrantMalformed, "/data/verifier_key", detail)
    };
    let verifier_key = VerifierKey::from_text(&data.verifier_key).map_err(|_| malformed())?;
    let Service::Receipts = data.service;
    let log = VerifierKey::from_text(&trial.log_key).map_err(|_| malformed())?;
    if verifier_key.name() != chain::receipt::key_name(log.name()) {
        return Err(malformed());
    }
    if is_taken(trial, verifier_key.key()) {
        return refuse(RefusalCode::GrantKeyRepeated, "/data/verifier_key");
    }
    check_possession(trial, verifier_key.name(), verifier_key.key(), &data.possession)
}

fn check_log_key(trial: &Trial, data: &LogKeyChanged) -> Result<(), Refusal> {
    let malformed = || {
        let detail = "expected a log's verifier key, named as the log";
        Refusal::new(RefusalCode::GrantMalformed, "/data/verifier_key", detail)
    };
    let verifier_key = VerifierKey::from_text(&data.verifier_key).map_err(|_| malformed())?;
    let log = VerifierKey::from_text(&trial.log_key).map_err(|_| malformed())?;
    if verifier_key.name() != log.name() {
        return Err(malformed());
    }
    if is_taken(trial, verifier_key.key()) {
        return refuse(RefusalCode::GrantKeyRepeated, "/data/verifier_key");
    }
    check_possession(trial, verifier_key.name(), verifier_key.key(), &data.possession)
}

/// Of a key that is no person's: whether a sponsor revokes it, and it is not revoked yet.
fn check_revoking_service(signer: &Grant, revoked_at: Option<Position>) -> Result<(), Refusal> {
    match (signer.role, revoked_at) {
        (_, Some(_)) => refuse(RefusalCode::RevokedAlready, "/data/key"),
        (Role::Sponsor, None) => Ok(()),
        _ => refuse(RefusalCode::GrantNotEntitled, "/data/key"),
    }
}

fn check_revoking(
    trial: &Trial,
    signer: &Grant,
    event: &Event,
    data: &KeyRevoked,
    at: Instant,
) -> Result<(), Refusal> {
    if let Some(service) = trial.service_keys.get(&data.key) {
        return check_revoking_service(signer, service.revoked_at);
    }
    let Some(revoked) = trial.keys.get(&data.key) else {
        let Some(log_key) = trial.log_keys.get(data.key) else {
            return refuse(RefusalCode::RevokedUnknown, "/data/key");
        };
        check_revoking_service(signer, log_key.revoked_at)?;
        if trial.log_keys.is_last(data.key) {
            return refuse(RefusalCode::RevokesLastLogKey, "/data/key");
        }
        return Ok(());
    };
    if revoked.revoked_at.is_some() {
        return refuse(RefusalCode::RevokedAlready, "/data/key");
    }
    if revoked.role == Role::Sponsor && data.key == event.key {
        return refuse(RefusalCode::RevokesItself, "/data/key");
    }
    // A principal investigator whom the site's own named is the site's to revoke; one whom a sponsor named, the sponsor's
    // too.
    let may = if signer.role == Role::Sponsor && revoked.role == Role::PrincipalInvestigator {
        trial.keys.get(&revoked.granted_by).is_some_and(|grant| grant.role == Role::Sponsor)
    } else {
        may_delegate(trial, signer, revoked.role, &revoked.sites, at)
    };
    if may { Ok(()) } else { refuse(RefusalCode::GrantNotEntitled, "/data/key") }
}

/// The rule set this program judges by.
pub const RULE_SET: u32 = 1;

fn check_opening(event: &Event, data: &TrialOpened) -> Result<(), Refusal> {
    if event.log != RecordHash::ZERO {
        return refuse(RefusalCode::LogDiffers, "/log");
    }
    if data.rule_set != RULE_SET {
        return refuse(RefusalCode::OpeningMalformed, "/data/rule_set");
    }
    if chain::note::VerifierKey::from_text(&data.log_key).is_err() {
        return refuse(RefusalCode::OpeningMalformed, "/data/log_key");
    }
    let mut ids: Vec<KeyId> = Vec::new();
    for (index, sponsor) in data.sponsor_keys.iter().enumerate() {
        let pointer = format!("/data/sponsor_keys/{index}");
        let Ok(key) = PublicKey::from_text(&sponsor.public_key) else {
            return refuse(RefusalCode::OpeningMalformed, &pointer);
        };
        if ids.contains(&key.id()) {
            return refuse(RefusalCode::GrantKeyRepeated, &pointer);
        }
        ids.push(key.id());
    }
    let Some(signer) =
        data.sponsor_keys.iter().zip(&ids).find(|(_, id)| **id == event.key).map(|(key, _)| key)
    else {
        return refuse(RefusalCode::KeyUnknown, "/key");
    };
    if event.actor.role != Role::Sponsor
        || event.actor.id != signer.holder
        || event.actor.organisation != signer.organisation
    {
        return refuse(RefusalCode::ActorDiffers, "/actor");
    }
    Ok(())
}
