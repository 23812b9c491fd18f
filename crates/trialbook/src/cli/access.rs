//! The command line, as far as it is about who may reach what: tokens, accounts, certificates.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clinical::TrialId;

/// What a server elsewhere is shown, and how it is known.
#[derive(Args, Clone, Default)]
pub(crate) struct Credentials {
    /// The file with the token for the server; else `TRIALBOOK_TOKEN` is it. Sent over https only, but to this machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Believe servers whose certificates the authorities in this file (PEM) have signed, and no others.
    #[arg(long, value_name = "FILE", env = "TRIALBOOK_CA")]
    pub(crate) ca: Option<PathBuf>,
}

/// A certificate, for a server that speaks TLS.
#[derive(Args, Clone, Default)]
pub(crate) struct TlsOptions {
    /// The server's certificate (PEM), with those between it and an authority behind it.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

impl TlsOptions {
    /// Both files, if they are given.
    pub(crate) fn files(self) -> Option<crate::tls::Files> {
        let (certificate, key) = self.tls_cert.zip(self.tls_key)?;
        Some(crate::tls::Files { certificate, key })
    }
}

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once: of it nothing but its SHA-256 is kept.
    ///
    /// From the first token on, nobody reads the registry over HTTP without one.
    New {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
        #[command(flatten)]
        options: TokenOptions,
    },
    /// List the tokens, without the tokens themselves.
    List {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
    /// Make a token worthless, from now on.
    Revoke {
        /// Its id, as `token list` shows it.
        id: String,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
}

/// A new token.
#[derive(Args)]
pub(crate) struct TokenOptions {
    /// What its holder may read: site, statistician, inspector, operator or archive.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: api::TokenRole,
    /// The site, for the role site.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<clinical::SiteId>,
    /// The one trial it is for; may be left out for a site where there is only one trial.
    #[arg(long, value_name = "ID")]
    pub(crate) trial: Option<TrialId>,
    /// Whom it is given to, to tell it in the list.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// For how many days it is good; until it is revoked, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: Option<u32>,
    /// Take the token from this file instead of making one, so that several processes know the same; nothing changes where
    /// it is known already.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account that signs in to the pages with a name and a password.
    ///
    /// From the first account or token on, nobody reads the registry over HTTP without one.
    Add {
        /// Its name: lower-case letters, digits, dots, hyphens and underscores.
        name: String,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
        #[command(flatten)]
        options: AccountOptions,
    },
    /// List the accounts.
    List {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
    /// Make an account worthless and end its sessions, from now on.
    Remove {
        /// Its name.
        name: String,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
    /// End all sessions of a person who signed in with their organisation.
    ///
    /// They can sign in again as long as their organisation and the rules let them.
    SignOut {
        /// The person's name, as the organisation says it: without the organisation's host in brackets behind it.
        name: String,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
    /// Give an account another password and end its sessions.
    Passwd {
        /// Its name.
        name: String,
        /// The file with the password; else one is made and printed, once.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
    },
}

/// A new account.
#[derive(Args)]
pub(crate) struct AccountOptions {
    /// What its holder may read: site, statistician, inspector, operator or archive.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: api::TokenRole,
    /// The site, for the role site.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<clinical::SiteId>,
    /// The one trial it is for; may be left out for a site where there is only one trial.
    #[arg(long, value_name = "ID")]
    pub(crate) trial: Option<TrialId>,
    /// The file with its password, 15 characters or more; else one is made and printed, once.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}
