//! A few kills, in every run of the tests.

use crash::{Options, soak};

#[test]
fn five_kills_in_the_middle_of_a_load_lose_and_double_nothing() {
    let totals = soak(Options { kills: 5, seed: 5 }, &|line| eprintln!("{line}")).unwrap();
    assert_eq!(totals.kills, 5);
    // A load that acknowledges nothing, or everything, would show nothing.
    assert!(totals.acknowledged > 0, "{totals}");
    assert!(totals.acknowledged < totals.submitted, "{totals}");
}
