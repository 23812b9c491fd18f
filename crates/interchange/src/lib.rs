//! Reads what other systems speak (SDTM tables in XPT files) and states it as events.
