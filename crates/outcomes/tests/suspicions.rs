//! Records of a key that others may have had are named in the report.

mod support;

use support::Folder;

#[test]
fn records_of_a_suspected_key_are_listed_from_the_day_of_suspicion() {
    report_kit::records_of_a_suspected_key_are_listed::<Folder>();
}

#[test]
fn a_fold_restarted_in_between_lists_the_same() {
    report_kit::a_restarted_fold_lists_the_same_suspicions::<Folder>();
}
