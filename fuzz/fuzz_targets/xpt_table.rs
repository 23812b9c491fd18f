#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| interchange::hostile::xpt_table(bytes));
