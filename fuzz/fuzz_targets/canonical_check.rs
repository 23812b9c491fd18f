//! What is accepted as canonical is what would be written of it, byte for byte.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if chain::canonical::check(bytes).is_ok() {
        let value = serde_json::from_slice(bytes).expect("canonical JSON is JSON");
        assert_eq!(chain::canonical::canonicalize(&value).as_deref(), Ok(bytes));
    }
});
