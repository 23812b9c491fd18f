//! `keys`: people's keys made, granted, listed and revoked.

use anyhow::Result;
use clinical::data::{KeyGranted, KeyRevoked};
use clinical::{EventKind, Statement};

use super::{Table, print};
use crate::access::Access;
use crate::cli::{KeysCommand, Place, WhichTrial};
use crate::keyfile::KeyFile;

pub(super) async fn run(command: KeysCommand) -> Result<u8> {
    match command {
        KeysCommand::New { holder, organisation, role, zone, out } => {
            let key = KeyFile::new(holder, organisation, role, zone);
            key.write(&out)?;
            let public = key.secret.public();
            print(&format!(
                "wrote {} (readable by you alone: keep it so, and never share it)\n\
                 holder      {}\nrole        {}\npublic key  {}\nkey id      {}\n\
                 next: `trialbook keys request --key {} --genesis HEX` makes the request to be granted it",
                out.display(),
                key.actor.id,
                key.actor.role.as_str(),
                public.to_text(),
                public.id(),
                out.display(),
            ))?;
        }
        KeysCommand::Request { key, genesis, sites } => {
            let key = KeyFile::read(&key)?;
            let statement = grant_statement(&key, genesis, &sites);
            print(&serde_json::to_string(&statement)?)?;
        }
        KeysCommand::List { json, which, place } => list(json, &which, &place).await?,
        KeysCommand::Revoke { key, reason, suspected_since } => {
            let data = KeyRevoked { key, reason, suspected_since };
            print(&serde_json::to_string(&statement(EventKind::KeyRevoked, &data))?)?;
        }
    }
    Ok(0)
}

/// Lists the delegation log: every key with its grant and its revocation.
async fn list(json: bool, which: &WhichTrial, place: &Place) -> Result<()> {
    let access = Access::open(place, false, false)?;
    let trial = access.trial(which).await?;
    let mut keys = access.registry.trial(&trial).await?.keys;
    keys.sort_by_key(|key| (key.granted_at, key.key));
    if json {
        return print(&serde_json::to_string(&keys)?);
    }
    let mut table = Table::new(["key id", "holder", "role", "sites", "granted by", "revoked by"]);
    for key in &keys {
        let sites: Vec<_> = key.sites.iter().map(ToString::to_string).collect();
        table.row([
            key.key.to_string(),
            key.holder.to_string(),
            key.role.as_str().to_owned(),
            sites.join(" "),
            key.granted_at.to_string(),
            key.revoked_at.map(|seq| seq.to_string()).unwrap_or_default(),
        ]);
    }
    print(&table.to_string())
}

/// The statement by which somebody entitled grants `key`, with the key's proof of possession.
pub(crate) fn grant_statement(
    key: &KeyFile,
    genesis: chain::RecordHash,
    sites: &[clinical::SiteId],
) -> Statement {
    let public = key.secret.public();
    let message = chain::key::possession_message(genesis, key.actor.id.as_str(), public);
    let data = KeyGranted {
        holder: key.actor.id.clone(),
        organisation: key.actor.organisation.clone(),
        possession: key.secret.sign(&message).to_text(),
        public_key: public.to_text(),
        role: key.actor.role,
        sites: sites.to_vec(),
        valid_from: None,
        valid_until: None,
    };
    statement(EventKind::KeyGranted, &data)
}

/// A statement about no subject.
pub(crate) fn statement<T: serde::Serialize>(kind: clinical::EventKind, data: &T) -> Statement {
    // These types have text keys and no floats: they always become an object.
    let data =
        serde_json::to_value(data).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
    Statement {
        amends: None,
        confirmed: None,
        data,
        follows: None,
        kind,
        occurred_on: None,
        site: None,
        subject: None,
        taken_from: None,
    }
}
