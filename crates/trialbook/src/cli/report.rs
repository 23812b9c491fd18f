//! The command line, as far as it is about reports and data cuts.

use std::path::PathBuf;

use api::AsOf;
use clap::{Args, Subcommand};
use clinical::{CutName, PartialDate};

use super::{Credentials, Place, ReportName, WhichTrial};

/// Of what a report is made, and how it is shown.
#[derive(Args)]
pub(crate) struct MakeReport {
    /// Count only what was recorded by then: a number of records, or the name of a data cut (default: all there is).
    #[arg(long, value_name = "RECORDS|CUT")]
    pub(crate) as_of: Option<AsOf>,
    /// Count only what happened up to this day (default: the cut's day, or that of the last record).
    #[arg(long, value_name = "DATE")]
    pub(crate) cutoff: Option<PartialDate>,
    /// List what has changed since this data cut; the safety report counts new events and subjects in columns beside.
    #[arg(long, value_name = "CUT")]
    pub(crate) since: Option<CutName>,
    /// Print the report's canonical JSON: the bytes a published hash is over. With --since, the list of changes.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the report as a page of its own, made of that JSON alone.
    #[arg(long, conflicts_with_all = ["json", "since"])]
    pub(crate) html: bool,
    #[command(flatten)]
    pub(crate) closed: Option<Closed>,
    #[command(flatten)]
    pub(crate) which: WhichTrial,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// What a closed report is made from.
#[derive(Args)]
#[group(multiple = true, requires_all = ["arms", "log"])]
pub(crate) struct Closed {
    /// Make the closed report, by arm, with this list of subjects, arms and keys: JSON, or CSV where its name ends so. Each
    /// entry is held against its commitment in the log. No registry is sent any of it.
    #[arg(long, value_name = "FILE", required = false)]
    pub(crate) arms: PathBuf,
    /// With --arms: the log that it is made from: a bundle, an archive, a data directory or a journal.
    #[arg(long, value_name = "PATH", required = false)]
    pub(crate) log: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum ReportCommand {
    /// The outcome report: flow, survival, remission, relapse.
    Outcomes(MakeReport),
    /// The safety report: adverse events, seriousness, relation, deaths.
    Safety(MakeReport),
    /// Make a report of a data cut, write it to a file with its page beside it, and record its hash in the log.
    Publish(Box<PublishReport>),
    /// Make a report anew from a log alone and compare it with a file byte for byte: 0 it follows from the records, 1 it
    /// does not or the records do not hold, 3 it cannot be decided.
    Reproduce(Box<ReproduceReport>),
}

/// What is published, and by whom.
#[derive(Args)]
pub(crate) struct PublishReport {
    /// Which report.
    pub(crate) kind: ReportName,
    /// The data cut it is made of.
    #[arg(long, value_name = "CUT")]
    pub(crate) cut: CutName,
    /// Count new events and subjects since this earlier data cut in columns beside (the safety report's).
    #[arg(long, value_name = "CUT", conflicts_with = "arms")]
    pub(crate) since: Option<CutName>,
    /// The statistician's key file.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where to write it; never overwritten. Its page goes beside it, with .html for .json.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) closed: Option<Closed>,
    #[command(flatten)]
    pub(crate) which: WhichTrial,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Which file, and from what.
#[derive(Args)]
pub(crate) struct ReproduceReport {
    /// The report, as it was published.
    pub(crate) file: PathBuf,
    /// The log: a bundle, an archive, a data directory or a journal, or a log's URL.
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) log: PathBuf,
    /// The report's page: that it is made of the report is checked, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Of a closed report: the list of subjects, arms and keys it was made with.
    #[arg(long, value_name = "FILE")]
    pub(crate) arms: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) given: verify::given::Given,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) which: WhichTrial,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

/// Of what a recall is.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RecallOf {
    /// A donor's pseudonym.
    #[arg(long, value_name = "PSEUDONYM")]
    pub(crate) donor: Option<String>,
    /// A lot of the product.
    #[arg(long, value_name = "LOT")]
    pub(crate) lot: Option<String>,
}

/// What is recalled, and how it is shown.
#[derive(Args)]
pub(crate) struct RecallOptions {
    #[command(flatten)]
    pub(crate) asked: RecallOf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) which: WhichTrial,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Subcommand)]
pub(crate) enum CutCommand {
    /// Record a data cut of all that is sealed: what is known, and up to which day it is counted.
    Create {
        /// Its name, given once, such as interim-1.
        name: CutName,
        /// Occurrences after this day are not counted.
        #[arg(long, value_name = "DATE")]
        cutoff: PartialDate,
        /// The statistician's or data manager's key file.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
    /// List the data cuts.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: WhichTrial,
        #[command(flatten)]
        place: Place,
    },
}
