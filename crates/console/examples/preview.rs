//! Serves the pages over the tests' made-up registry, to look at: `cargo run -p console --example preview`.
//!
//! With two files, the outcome and the safety report as JSON, it shows those.

#[path = "../tests/support/mod.rs"]
mod support;

use support::Answers;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut answers = Answers::default();
    let mut files = std::env::args().skip(1);
    if let (Some(outcomes), Some(safety)) = (files.next(), files.next()) {
        answers.outcomes = serde_json::from_slice(&std::fs::read(outcomes)?).ok();
        answers.safety = serde_json::from_slice(&std::fs::read(safety)?).ok();
    }
    let comparison = console::Comparison {
        trial: answers.trials[0].parse().map_err(std::io::Error::other)?,
        source: "Figures of the abstract beside those computed from these records up to 2011-06-30."
            .to_owned(),
        rows: [("Survival", "82/87 (94%)", "82/87", true), ("Relapse ever", "20/87 (23%)", "19/87", false)]
            .map(|(figure, published, computed, agrees)| console::ComparisonRow {
                figure: figure.to_owned(),
                published: published.to_owned(),
                computed: computed.to_owned(),
                agrees,
            })
            .to_vec(),
    };
    let settings = console::Settings {
        demo_cutoff: None,
        comparison: Some(comparison),
        verify_hint: Some("trialbook verify ./trialbook-data --genesis 9f2c00e1".to_owned()),
        ..console::Settings::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:7979").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, answers.router(settings)).await
}
