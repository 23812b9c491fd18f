//! The command line.

mod access;
mod evidence;
mod keys;
mod moving;
mod process;
mod report;

use std::net::SocketAddr;
use std::path::PathBuf;

use chain::note::VerifierKey;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clinical::{SubjectId, TrialId};

pub(crate) use access::{
    AccountCommand, AccountOptions, Credentials, TlsOptions, TokenCommand, TokenOptions,
};
pub(crate) use evidence::{
    CertifiedCopyOptions, ExportCommand, MirrorOptions, ProofCheck, ProveOptions, ReceiptsCommand,
    WitnessCommand,
};
pub(crate) use keys::{KeysCommand, ServiceKeyCommand, ServiceName};
pub(crate) use moving::{BackupOptions, Logs, MigrateOptions, RestoreOptions};
pub(crate) use process::{ConfigCommand, ProcessOptions};
pub(crate) use report::{
    Closed, CutCommand, MakeReport, PublishReport, RecallOptions, ReportCommand, ReproduceReport,
};

/// Trialbook: an audit-grade registry for multi-site clinical trials.
///
/// Sites submit signed events; the registry appends them to a hash-chained log that is never edited; reports are made
/// from the log alone; anyone with a copy can verify all of it offline.
///
/// Exit status: 0 done · 1 the evidence does not hold · 2 wrong usage · 3 could not be decided · 4 rejected ·
/// 5 not permitted · 6 conflict · 7 configuration or environment.
#[derive(Parser)]
#[command(name = "trialbook", version)]
pub(crate) struct Cli {
    /// The file with the passphrase of the key file, where that is under one; a new key file is put under it. Asked for on
    /// the terminal, if not given.
    #[arg(long, value_name = "FILE", global = true, env = "TRIALBOOK_PASSPHRASE_FILE", hide_env = true)]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the data is.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
    pub(crate) data: PathBuf,
    /// Talk to the registry at this address instead of a data directory.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(crate) server: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

/// Which trial.
#[derive(Args, Clone)]
pub(crate) struct WhichTrial {
    /// The trial; may be left out where there is only one.
    #[arg(long, value_name = "ID")]
    pub(crate) trial: Option<TrialId>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a complete, synthetic trial of 87 subjects: keys, events, reports, verification, console.
    Demo {
        /// Where to keep it.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data")]
        data: PathBuf,
        /// Stop after printing; status 0 only if every figure agrees, every edge case is as expected and the log is intact.
        #[arg(long)]
        exit: bool,
        /// Where the console listens.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878")]
        listen: SocketAddr,
    },
    /// Serve HTTP and the console for a data directory.
    Serve {
        /// The data directory.
        #[arg(long, value_name = "DIR", default_value = "./trialbook-data", env = "TRIALBOOK_DATA")]
        data: PathBuf,
        /// Where to listen. Beyond loopback it needs TLS, a token or an account (`trialbook token new`, `trialbook account add`), and the name it is reached by.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878", env = "TRIALBOOK_LISTEN")]
        listen: SocketAddr,
        #[command(flatten)]
        tls: TlsOptions,
        /// A name that the server is reached by, beside those of this machine; may be given several times.
        #[arg(long = "host", value_name = "NAME")]
        hosts: Vec<String>,
        /// Let people sign in with their organisation (OpenID Connect), as this file says
        /// (docs/guide/configuration.md).
        #[arg(long, value_name = "FILE", env = "TRIALBOOK_OIDC")]
        oidc: Option<PathBuf>,
        /// A witness policy (C2SP tlog-policy): which witnesses are asked to cosign, and how many have to.
        #[arg(long, value_name = "FILE", env = "TRIALBOOK_POLICY")]
        policy: Option<PathBuf>,
        /// Believe witnesses whose certificates the authorities in this file (PEM) have signed, and no others.
        #[arg(long, value_name = "FILE", env = "TRIALBOOK_CA")]
        ca: Option<PathBuf>,
        /// Write logs as JSON.
        #[arg(long)]
        log_json: bool,
        /// Send spans to this OpenTelemetry collector, OTLP over HTTP, such as <http://127.0.0.1:4318>.
        #[arg(long, value_name = "URL", env = "TRIALBOOK_TELEMETRY_OTLP")]
        otlp: Option<String>,
    },
    /// Take submissions, as a process of its own on logs that are kept on NATS.
    Registrar(ProcessOptions),
    /// Seal logs and sign their checkpoints, as a process of its own on logs that are kept on NATS.
    Notary(ProcessOptions),
    /// Make a report, as a process of its own on logs that are kept on NATS.
    Projector {
        /// Which report.
        report: ReportName,
        #[command(flatten)]
        options: ProcessOptions,
    },
    /// Serve the pages over the processes that answer.
    Console(ProcessOptions),
    /// Ask a process of a registry, or a witness, whether it is ready. Status 0 if it is, 7 if not.
    Health {
        /// Its address.
        url: String,
        /// Believe a process whose certificate the authorities in this file (PEM) have signed, and no other.
        #[arg(long, value_name = "FILE", env = "TRIALBOOK_CA")]
        ca: Option<PathBuf>,
    },
    /// Show how a service would be configured.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Copy logs from files to NATS, or back, and show that both hold the same.
    ///
    /// Status 7 if they do not, or one of them cannot be read.
    Migrate(Box<MigrateOptions>),
    /// Copy logs and subjects' wrapped text keys into a new directory, beside whoever writes.
    Backup(Box<BackupOptions>),
    /// Put a backup where nothing is, or only a beginning of it, and show that both hold the same.
    Restore(Box<RestoreOptions>),
    /// People's keys: make them, ask for their grant, list and revoke them.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// The registry's own keys, of its log and of its receipts: make the next one, and list them.
    ServiceKey {
        #[command(subcommand)]
        command: ServiceKeyCommand,
    },
    /// Say who may read what over HTTP: tokens with a role, made, listed, revoked. Needs no restart of a server.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Accounts that sign in to the pages with a name and a password: made, listed, removed. Needs no restart of a server.
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Open a new trial: signs a `trial_opened` statement and makes the log's key.
    Open {
        /// The statement, JSON; `-` reads standard input.
        file: PathBuf,
        /// A sponsor's key file; the key is made one of the trial's sponsor keys.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The new trial's id.
        #[arg(long, value_name = "ID")]
        trial: TrialId,
        /// Host (and path) that the log's name begins with; the log is named HOST/TRIAL.
        #[arg(long, value_name = "HOST", default_value = "localhost")]
        origin: String,
        /// The log's first key, made with `service-key first` where the log will be sealed, if that is not here.
        #[arg(long, value_name = "VKEY", value_parser = evidence::log_key, conflicts_with = "origin")]
        log_key: Option<VerifierKey>,
        #[command(flatten)]
        place: Place,
    },
    /// Sign statements with a key file, encrypt their free text, and submit them.
    Submit {
        /// One statement (JSON) or many, one a line; `-` reads standard input.
        file: PathBuf,
        /// The signer's key file.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Show exactly what would be signed, with texts in clear beside; submit nothing.
        #[arg(long)]
        dry_run: bool,
        /// Wait until what was recorded is under a signed checkpoint, or until as many witnesses as the policy asks for have
        /// cosigned it. Status 3 if it is recorded and that has not come in time.
        #[arg(long, value_name = "UNTIL", conflicts_with = "dry_run")]
        wait: Option<WaitUntil>,
        /// With --wait: for so long at most.
        #[arg(long, value_name = "SECONDS", default_value = "60", requires = "wait")]
        wait_at_most: u64,
        /// Keep each receipt in a file in this directory.
        #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
        receipts: Option<PathBuf>,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// Sign statements with a key file and encrypt their free text, without submitting them.
    ///
    /// What it writes is for `POST /v1/trials/TRIAL/events`, or for the console's page that takes signed statements.
    Sign {
        /// One statement (JSON) or many, one a line; `-` reads standard input.
        file: PathBuf,
        /// The signer's key file.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where to write what is signed, one line a statement; never overwritten. Standard output, if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// Bring in data from other systems.
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Make a report from the log, publish it, or make it anew from a copy.
    Report {
        #[command(subcommand)]
        command: ReportCommand,
    },
    /// Tell from a donor or a lot to whom it was given, when, by which records, and what befell them since. Status 4 if no
    /// record names it.
    Recall(RecallOptions),
    /// Record and list data cuts: up to which record and which day an analysis looks.
    Cut {
        #[command(subcommand)]
        command: CutCommand,
    },
    /// Show one record.
    Show {
        /// Its position.
        seq: u64,
        /// Open its free text with this key file, if its holder is entitled to it.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// Show a subject's audit trail: who, when, what changed from what to what, why.
    Trail {
        /// The subject.
        #[arg(long, value_name = "ID")]
        subject: SubjectId,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// List records that are to be looked at.
    Findings {
        /// Print JSON, one record a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// Hand out the log in files.
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Write one zip file with a site's own part of the log: casebooks and delegation log for people, the records with their
    /// proofs, and a cover sheet.
    ///
    /// Opens without this program. Status 5 if the key may not certify a copy of this site, or open its texts.
    CertifiedCopy(Box<CertifiedCopyOptions>),
    /// Prove that a record is in the log: ask for the proof, or check one without the registry.
    ///
    /// Of a check: status 0 if the record is in the log, 1 if the proof does not hold, 2 if the file is no proof.
    Prove(Box<ProveOptions>),
    /// Keep a copy of a log that follows it, and say so when the log no longer continues what was copied.
    ///
    /// Ends with status 1, and keeps both signed sides under DIR, when the log contradicts itself.
    Mirror(Box<MirrorOptions>),
    /// Cosign the checkpoints of logs for whoever asks (C2SP tlog-witness).
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Witness {
        #[command(subcommand)]
        command: Option<WitnessCommand>,
        /// The witness's key file, made with `witness new-key`.
        #[arg(long, value_name = "FILE", required_unless_present = "config")]
        key: Option<PathBuf>,
        /// Where the last checkpoint of each log is kept. Must never be restored from a backup.
        #[arg(long, value_name = "FILE", required_unless_present = "config")]
        state: Option<PathBuf>,
        /// The verifier key of a log to witness; may be given several times, also for two keys of one log.
        #[arg(long = "log", value_name = "VKEY", value_parser = evidence::log_key, required_unless_present = "config")]
        logs: Vec<VerifierKey>,
        /// Take all of this from a configuration file instead (docs/guide/configuration.md).
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "state", "logs", "listen", "tls_cert"])]
        config: Option<PathBuf>,
        /// Where to listen; beyond loopback it needs TLS.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7979")]
        listen: SocketAddr,
        #[command(flatten)]
        tls: TlsOptions,
    },
    /// Hold receipts against the log.
    Receipts {
        #[command(subcommand)]
        command: ReceiptsCommand,
    },
    /// Verify a log from its files, trusting nothing but what is given here.
    Verify {
        /// A data directory, a trial's directory in it, a journal directory; or an archive's directory, a bundle, a site's
        /// certified copy, or the directory it was unpacked into; or a log's address, of which a copy is fetched and verified.
        dir: PathBuf,
        #[command(flatten)]
        given: verify::given::Given,
        /// How much to check.
        #[arg(long, value_enum, default_value_t, value_name = "DEPTH")]
        depth: verify::Depth,
        /// Let findings of conduct count for the exit status.
        #[arg(long)]
        strict: bool,
        /// Hold each published report against its file in this directory: by its hash, by its cut, and, if it is open and of
        /// this version, made anew from the records.
        #[arg(long, value_name = "DIR")]
        reports: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Say how the registry fares, and what to do about what is not well.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// What `submit` waits for.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum WaitUntil {
    /// The log has signed a checkpoint that covers it.
    Sealed,
    /// And as many witnesses as the policy asks for have cosigned it.
    Witnessed,
}

#[derive(Subcommand)]
pub(crate) enum ImportCommand {
    /// Import CDISC SDTM tables (XPT version 5): DM, DS, EX, SV, VS, LB, AE.
    Sdtm {
        /// The directory with the tables.
        dir: PathBuf,
        /// The trial to import into; opened with its sites where it does not exist.
        #[arg(long, value_name = "ID")]
        trial: TrialId,
        /// The data manager's key file; made where none is given.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Definitions of the trial, as JSON of the form of an opening's `definitions`; shipped ones where none are given. A
        /// trial that is open already keeps its own.
        #[arg(long, value_name = "FILE")]
        definitions: Option<PathBuf>,
        /// Print the list of what was not imported as JSON, one a line, to this file.
        #[arg(long, value_name = "FILE")]
        not_imported: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

/// Which report.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ReportName {
    /// Outcomes: flow, survival, remission, relapse.
    Outcomes,
    /// Safety: adverse events, seriousness, relation, deaths.
    Safety,
}
