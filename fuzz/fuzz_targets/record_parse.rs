//! A record that is read gives back the bytes it was read from; nothing else is read, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = chain::Record::parse(bytes) {
        assert_eq!(record.join(), bytes);
    }
});
