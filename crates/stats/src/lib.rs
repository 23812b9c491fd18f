//! Survival curves, cumulative incidence, exact intervals, rates and paired tests, each with its source.
