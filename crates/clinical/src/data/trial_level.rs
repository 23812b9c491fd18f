//! Kinds about the trial itself, its sites and its keys.

use std::collections::BTreeMap;

use chain::{Instant, KeyId};
use serde::{Deserialize, Serialize};

use crate::authority::Role;
use crate::date::PartialDate;
use crate::definitions::Definitions;
use crate::id::{ActorId, SiteId, Zone};

/// `trial_opened`: the log's first record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialOpened {
    /// The definitions by which the trial's reports are made.
    pub definitions: Definitions,
    /// The log's verifier key, `name+<8 hex>+<base64>`; its name is the checkpoint origin.
    pub log_key: String,
    /// Which items this trial demands.
    pub profile: SchemaProfile,
    /// Number of the rule set by which events are judged.
    pub rule_set: u32,
    /// The planned visits.
    pub schedule: Vec<PlannedVisit>,
    /// Keys with the role sponsor. Two are advised: a sponsor key is revoked only by another.
    pub sponsor_keys: Vec<SponsorKey>,
    /// Whether every record is synthetic: then every page and report says so.
    pub synthetic: bool,
    /// The trial's title.
    pub title: String,
    /// The zone in which a data cut's date is meant when none is given.
    pub zone: Zone,
}

/// A visit of the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedVisit {
    /// Target day, counted from the day of first infusion (day 0); negative before it.
    pub day: i32,
    /// The visit's name, as `visit` events give it.
    pub name: String,
    /// Days after the target that still count.
    pub window_after: u32,
    /// Days before the target that already count.
    pub window_before: u32,
}

/// Which items a trial demands, by kind: JSON pointers into `data`. An item that is absent yields a finding; an item
/// `{"missing": reason}` does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaProfile {
    /// Kind → pointers.
    pub mandatory: BTreeMap<String, Vec<String>>,
}

/// A key that is a sponsor's from the first record on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SponsorKey {
    /// Who holds it.
    pub holder: ActorId,
    /// For which organisation.
    pub organisation: String,
    /// The public key, standard base64 of 32 bytes.
    pub public_key: String,
}

/// `site_activated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteActivated {
    /// ISO 3166-1 alpha-2 code of the country, such as `CN`.
    pub country: String,
    /// The site's name.
    pub name: String,
    /// The site's IANA time zone.
    pub zone: Zone,
}

/// `key_granted`: one line of the delegation log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyGranted {
    /// Who holds the key.
    pub holder: ActorId,
    /// The holder's organisation.
    pub organisation: String,
    /// The new key's signature that proves its holder has it.
    pub possession: String,
    /// The public key, standard base64 of 32 bytes.
    pub public_key: String,
    /// What the key is entitled to.
    pub role: Role,
    /// At which sites. Empty for roles that belong to no site.
    pub sites: Vec<SiteId>,
    /// From when on; `None`: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Instant>,
    /// Until when, exclusive; `None`: until revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Instant>,
}

/// `key_revoked`. Takes effect from its own position on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Which key.
    pub key: KeyId,
    /// Why.
    pub reason: RevocationReason,
    /// From when on the key may have been in other hands: reports flag its records since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspected_since: Option<PartialDate>,
}

/// `service_key_granted`. Names a key of the registry's own, which no person signs events with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceKeyGranted {
    /// The new key's signature that proves whoever asks for it has it.
    pub possession: String,
    /// What it signs.
    pub service: Service,
    /// The key, as a verifier key; its name is that of the service.
    pub verifier_key: String,
}

/// What a key of the registry's own signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Receipts. The name is the log's origin and `/receipts`.
    Receipts,
}

/// `log_key_changed`. Names a further key for the log's checkpoints: it signs every one that covers this record, and so
/// does each older key until a `key_revoked` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKeyChanged {
    /// The new key's signature that proves whoever keeps the log has it.
    pub possession: String,
    /// The key, as a verifier key; its name is the log's origin.
    pub verifier_key: String,
}

/// Why a key is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// The holder no longer has the task.
    Left,
    /// The holder has a new key.
    Replaced,
    /// The key is lost.
    Lost,
    /// Others may have the key.
    Compromised,
}
