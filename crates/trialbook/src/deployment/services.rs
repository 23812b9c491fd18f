//! What a process does of a registry's work.

/// The parts of a registry. All in one process, or each in one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may be here, each for itself")]
pub(crate) struct Services {
    /// Takes submissions and answers about records and subjects.
    pub(crate) registrar: bool,
    /// Signs checkpoints and hands out the log's archive.
    pub(crate) notary: bool,
    /// Makes the outcome report.
    pub(crate) outcomes: bool,
    /// Makes the safety report.
    pub(crate) safety: bool,
}

impl Services {
    pub(crate) const ALL: Self = Self { registrar: true, notary: true, outcomes: true, safety: true };
    pub(crate) const NONE: Self = Self { registrar: false, notary: false, outcomes: false, safety: false };
    pub(crate) const REGISTRAR: Self = Self { registrar: true, ..Self::NONE };
    pub(crate) const NOTARY: Self = Self { notary: true, ..Self::NONE };
    pub(crate) const OUTCOMES: Self = Self { outcomes: true, ..Self::NONE };
    pub(crate) const SAFETY: Self = Self { safety: true, ..Self::NONE };
}
