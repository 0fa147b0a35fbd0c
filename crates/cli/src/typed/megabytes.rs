/// Reads an amount of memory in MB: `4096`, or as container tools have it, `512m`, `4g`.
///
/// # Errors
/// When it is anything else, or nothing, with a sentence that says what to write.
pub(crate) fn megabytes(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, scale) = match (lower.strip_suffix('m'), lower.strip_suffix('g')) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 1024),
        _ => (lower, 1),
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| plain).ok_or("write it like 4096 (MB), 512m or 4g")?;
    match number.checked_mul(scale) {
        Some(0) => Err("it must be more than nothing".to_owned()),
        Some(megabytes) => Ok(megabytes),
        None => Err("there is no such amount of memory".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::megabytes;

    #[test]
    fn memory_is_counted_in_megabytes() {
        let read: Vec<_> = ["4096", "512m", "4g", "2GB", "1G"].map(megabytes).into_iter().collect();
        assert_eq!(read, [Ok(4096), Ok(512), Ok(4096), Ok(2048), Ok(1024)]);
        for odd in ["", "0", "0g", "abc", "-1", "1.5g", "4t", "m", "18446744073709551615g", "+4"] {
            assert!(megabytes(odd).is_err(), "{odd}");
        }
    }
}
