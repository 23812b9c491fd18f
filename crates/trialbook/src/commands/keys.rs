//! `keys new`, `keys request`.

use anyhow::Result;
use clinical::Statement;
use clinical::data::KeyGranted;

use super::print;
use crate::cli::KeysCommand;
use crate::keyfile::KeyFile;

pub(super) fn run(command: KeysCommand) -> Result<u8> {
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
    }
    Ok(0)
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
    statement(clinical::EventKind::KeyGranted, &data)
}

/// A statement about no subject.
pub(crate) fn statement<T: serde::Serialize>(kind: clinical::EventKind, data: &T) -> Statement {
    // These types have text keys and no floats: they always become an object.
    let data =
        serde_json::to_value(data).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default();
    Statement { amends: None, data, follows: None, kind, occurred_on: None, site: None, subject: None }
}
