//! The command: `crash --kills N [--seed S] [--bin PATH]`. Status 1 if anything was lost, doubled or contradicted.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Kills a server in the middle of a load, again and again, and holds what it acknowledged against its log.
#[derive(Parser)]
struct Cli {
    /// How often the server is killed.
    #[arg(long, value_name = "N", default_value_t = 100)]
    kills: u32,
    /// Seed of the moments of the kills and of the sizes of the requests.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The binary; built beside this program where none is given.
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(binary) = cli.bin {
        e2e::use_trialbook(binary);
    }
    let say = |line: &str| println!("{line}");
    match crash::soak(crash::Options { kills: cli.kills, seed: cli.seed }, &say) {
        Ok(totals) => {
            println!("{totals}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
