//! How a command reaches the registry: in this process, or at the server that holds the data directory.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use api::{Client, Registry};
use clinical::TrialId;

use crate::cli::{Place, WhichTrial};
use crate::data::Data;
use crate::deployment::{Deployment, Sealing};
use crate::reach;

/// A registry within reach.
pub(crate) struct Access {
    pub(crate) registry: Arc<dyn Registry>,
    /// `None` where a server holds the data.
    pub(crate) deployment: Option<Deployment>,
}

impl Access {
    /// Opens the registry at `place`, which must exist unless `create`. A command that records has the log sealed, if no
    /// server does.
    pub(crate) fn open(place: &Place, create: bool, seal: bool) -> anyhow::Result<Self> {
        if let Some(server) = &place.server {
            let http = reach::client(server, &place.credentials)?.no_proxy();
            return Self::remote(http, server);
        }
        let data = Data::new(&place.data);
        if create {
            data.create()?;
        } else if !data.exists() {
            bail!("there is no registry at {}", data.root().display());
        }
        match data.lock()? {
            None => {
                let address = data.address()?;
                let http = reach::local_client(&address, data.owner_token().as_deref())?;
                Self::remote(http, &address)
            }
            Some(lock) => {
                let deployment = Deployment::open(data, lock)?;
                if seal {
                    deployment.seal(Sealing::default());
                }
                Ok(Self { registry: Arc::new(deployment.clone()), deployment: Some(deployment) })
            }
        }
    }

    fn remote(http: reqwest::ClientBuilder, server: &str) -> anyhow::Result<Self> {
        let http = http.build().with_context(|| format!("cannot reach {server}"))?;
        let client = Client::new(http, server);
        Ok(Self { registry: Arc::new(client), deployment: None })
    }

    /// The trial that is meant.
    pub(crate) async fn trial(&self, which: &WhichTrial) -> anyhow::Result<TrialId> {
        if let Some(trial) = &which.trial {
            return Ok(trial.clone());
        }
        let trials = self.registry.trials().await?.trials;
        match trials.as_slice() {
            [one] => Ok(one.trial.clone()),
            [] => bail!("there is no trial here yet"),
            several => {
                let ids: Vec<_> = several.iter().map(|view| view.trial.as_str()).collect();
                bail!("which trial? give --trial with one of {}", ids.join(", "))
            }
        }
    }

    /// Waits until what is read covers what was recorded; only a registry in this process has to be waited for, one
    /// that serves says how far it is.
    pub(crate) fn settle(&self, trial: &TrialId) {
        if let Some(deployment) = &self.deployment {
            deployment.settle(trial, std::time::Duration::from_mins(1));
        }
    }
}
