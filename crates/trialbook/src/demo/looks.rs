//! Whom the demonstration may be looked at as: each role, and the staff of each site.

use anyhow::Result;
use api::{Holder, TokenRole};
use clinical::{SiteId, TrialId};

use super::SITES;
use crate::doorkeeper::Look;

/// The readers, in the order in which they are offered.
///
/// # Errors
/// A site's id is none.
pub(crate) fn looks(trial: &TrialId) -> Result<Vec<Look>> {
    let look = |id: String, label: String, role, site: Option<SiteId>| Look {
        holder: Holder { id: format!("demonstration {id}"), role, site, trial: Some(trial.clone()) },
        id,
        label,
    };
    let mut looks = Vec::new();
    for site in &SITES {
        let label = format!("coordinator of {}", site.id);
        looks.push(look(format!("site-{}", site.id), label, TokenRole::Site, Some(site.id.parse()?)));
    }
    for role in [TokenRole::Statistician, TokenRole::Inspector, TokenRole::Operator] {
        let mut found = look(role.to_string(), role.to_string(), role, None);
        // An operator runs the whole registry, an inspector looks at how it is run.
        found.holder.trial = found.holder.trial.filter(|_| role == TokenRole::Statistician);
        looks.push(found);
    }
    Ok(looks)
}
