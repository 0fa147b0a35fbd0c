use std::fmt;

/// The order of the commands to one sandbox.
///
/// Whoever commands takes one later than any that it has seen of that sandbox, its own and others'. An engine
/// carries out a command only while it has accepted no later one: what was given up on and comes late, comes to
/// nothing. Two hosts that have seen the same never take the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation {
    number: u64,
    issuer: Issuer,
}

/// Who takes generations: one host, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Issuer(u32);

impl Generation {
    /// Before every command.
    pub const NONE: Self = Self { number: 0, issuer: Issuer(0) };

    /// The generation with this number by this issuer.
    #[must_use]
    pub const fn new(number: u64, issuer: Issuer) -> Self {
        Self { number, issuer }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }

    /// Who took it.
    #[must_use]
    pub fn issuer(self) -> Issuer {
        self.issuer
    }

    /// A later one.
    #[must_use]
    pub fn next(self, issuer: Issuer) -> Self {
        Self { number: self.number.saturating_add(1), issuer }
    }
}

impl Issuer {
    /// One with this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// One that no other host is likely to be.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u32(1..))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:08x}", self.number, self.issuer.0)
    }
}
