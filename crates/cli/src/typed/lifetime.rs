/// Reads how long a sandbox lives, as the platform writes it: a whole number and a unit, `30m`, `24h`, `7d`.
///
/// # Errors
/// When it is anything else, with a sentence that says what to write.
pub(crate) fn lifetime(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['s', 'm', 'h', 'd', 'w']);
    let number = number.ok_or("write it like 30m, 24h or 7d")?;
    match number.parse::<u64>() {
        Ok(0) => Err("it must be longer than nothing".to_owned()),
        Ok(_) if number.bytes().all(|b| b.is_ascii_digit()) => Ok(text.to_owned()),
        _ => Err("write it like 30m, 24h or 7d".to_owned()),
    }
}

/// The same, or `never`.
///
/// # Errors
/// As [`lifetime`].
pub(crate) fn lifetime_or_never(text: &str) -> Result<String, String> {
    if text == "never" {
        Ok(text.to_owned())
    } else {
        lifetime(text).map_err(|what| format!("{what}, or never"))
    }
}

#[cfg(test)]
mod tests {
    use super::lifetime;

    #[test]
    fn a_lifetime_is_a_number_and_a_unit() {
        for text in ["30m", "24h", "7d", "1w", "90s"] {
            assert_eq!(lifetime(text).as_deref(), Ok(text));
        }
        for odd in ["abc", "10", "", "m", "0m", "-1h", "+1h", "1.5h", "1y", "99999999999999999999h", "1 h"] {
            assert!(lifetime(odd).is_err(), "{odd}");
        }
    }
}
