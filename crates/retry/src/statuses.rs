use http::StatusCode;

/// A set of statuses from 400 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusSet([u64; 4]);

impl StatusSet {
    /// No status at all.
    pub const NONE: Self = Self([0; 4]);

    /// What a gateway answers while a sandbox resumes: 425, 429, 502, 503, 504.
    pub const TRANSIENT: Self = Self::NONE.with(425).with(429).with(502).with(503).with(504);

    /// This set and `status`. A status that is no error (below 400 or above 599) changes nothing: what is
    /// no error is always delivered.
    #[must_use]
    pub const fn with(mut self, status: u16) -> Self {
        if status >= 400 && status <= 599 {
            let at = (status - 400) as usize;
            self.0[at / 64] |= 1 << (at % 64);
        }
        self
    }

    /// This set but for `status`.
    #[must_use]
    pub const fn without(mut self, status: u16) -> Self {
        if status >= 400 && status <= 599 {
            let at = (status - 400) as usize;
            self.0[at / 64] &= !(1 << (at % 64));
        }
        self
    }

    /// Whether `status` is in it.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        match status.as_u16().checked_sub(400) {
            Some(at @ 0..=199) => self.0[usize::from(at) / 64] >> (at % 64) & 1 == 1,
            _ => false,
        }
    }
}

impl Default for StatusSet {
    fn default() -> Self {
        Self::TRANSIENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_statuses_are_transient_and_no_other() {
        let transient: Vec<u16> = (100..=999)
            .filter(|code| StatusSet::TRANSIENT.contains(StatusCode::from_u16(*code).unwrap()))
            .collect();
        assert_eq!(transient, [425, 429, 502, 503, 504]);
    }

    #[test]
    fn a_set_grows_and_shrinks() {
        let set = StatusSet::TRANSIENT.with(520).without(429).with(200).with(600);
        let contains = |code| set.contains(StatusCode::from_u16(code).unwrap());
        assert!(contains(520) && !contains(429) && !contains(200) && !contains(600));
    }
}
