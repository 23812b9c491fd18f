//! The trial's vocabulary and rules: what an event may say, who may sign it, and what a trial in a given state makes of it.
