//! The people of the demonstration and their keys. The names are invented.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use clinical::{Role, SiteId};

use crate::keyfile::KeyFile;

/// A site of the demonstration.
pub(crate) struct DemoSite {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) zone: &'static str,
    /// Principal investigator, investigator, coordinator.
    people: [&'static str; 3],
}

/// The four sites: as many as the cohort names.
pub(crate) const SITES: [DemoSite; 4] = [
    DemoSite {
        id: "S01",
        name: "Synthetic Site 1",
        country: "CN",
        zone: "Asia/Shanghai",
        people: ["an.li", "bo.wang", "chun.zhao"],
    },
    DemoSite {
        id: "S02",
        name: "Synthetic Site 2",
        country: "CN",
        zone: "Asia/Shanghai",
        people: ["dan.sun", "en.wu", "fang.zhou"],
    },
    DemoSite {
        id: "S03",
        name: "Synthetic Site 3",
        country: "CN",
        zone: "Asia/Shanghai",
        people: ["gang.xu", "hui.ma", "ivy.lin"],
    },
    DemoSite {
        id: "S04",
        name: "Synthetic Site 4",
        country: "CN",
        zone: "Asia/Shanghai",
        people: ["jun.he", "kai.gao", "lan.deng"],
    },
];

impl DemoSite {
    /// Who holds a role of the site.
    pub(crate) fn holder(&self, role: Role) -> &'static str {
        self.people[SITE_ROLES.iter().position(|of_site| *of_site == role).unwrap_or(0)]
    }
}

const SITE_ROLES: [Role; 3] = [Role::PrincipalInvestigator, Role::Investigator, Role::Coordinator];

/// The organisation that a site's people act for.
fn organisation_of(site: &DemoSite) -> String {
    format!("{} Hospital", site.name)
}

/// Everyone with a key.
pub(crate) struct People {
    /// Two sponsor keys, since a sponsor key is revoked only by another.
    pub(crate) sponsors: [KeyFile; 2],
    /// Roles of no site.
    pub(crate) central: Vec<KeyFile>,
    /// By site and role.
    pub(crate) of_sites: BTreeMap<(SiteId, Role), KeyFile>,
}

impl People {
    /// Makes everyone's key and writes the key files into `dir`.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let make = |holder: &str, organisation: String, role, zone: &str| -> Result<KeyFile> {
            let key = KeyFile::new(holder.parse()?, organisation, role, zone.parse()?);
            key.write(&dir.join(format!("{holder}.key")))?;
            Ok(key)
        };
        let sponsor = |holder| make(holder, "Synthetic Sponsor".to_owned(), Role::Sponsor, "Asia/Shanghai");
        let mut of_sites = BTreeMap::new();
        for site in &SITES {
            for (holder, role) in site.people.iter().zip(SITE_ROLES) {
                let key = make(holder, organisation_of(site), role, site.zone)?;
                of_sites.insert((site.id.parse()?, role), key);
            }
        }
        let central = [
            ("mo.statistician", Role::Statistician),
            ("nan.monitor", Role::Monitor),
            ("ou.data-manager", Role::DataManager),
            ("pan.inspector", Role::Inspector),
        ];
        let central: Result<Vec<_>> = central
            .into_iter()
            .map(|(holder, role)| make(holder, "Synthetic Trial Office".to_owned(), role, "Asia/Shanghai"))
            .collect();
        Ok(Self { sponsors: [sponsor("sponsor.one")?, sponsor("sponsor.two")?], central: central?, of_sites })
    }

    /// The person of a role at a site.
    pub(crate) fn at(&self, site: &SiteId, role: Role) -> Result<&KeyFile> {
        self.of_sites
            .get(&(site.clone(), role))
            .with_context(|| format!("nobody at {site} is {}", role.as_str()))
    }

    /// How many keys there are.
    pub(crate) fn count(&self) -> usize {
        self.sponsors.len() + self.central.len() + self.of_sites.len()
    }
}
