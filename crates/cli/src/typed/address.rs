use std::net::SocketAddr;

/// Reads where to listen.
///
/// # Errors
/// When it is no address with a port.
pub(crate) fn address(typed: &str) -> Result<SocketAddr, String> {
    typed.parse().map_err(|_| "write it like 127.0.0.1:7878 or [::1]:7878".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_numbers_and_a_port() {
        for good in ["127.0.0.1:0", "0.0.0.0:7878", "[::1]:7878"] {
            assert_eq!(address(good).unwrap().to_string(), good);
        }
        for bad in ["", "7878", "localhost:7878", "127.0.0.1", "127.0.0.1:99999", "::1:7878"] {
            assert!(address(bad).unwrap_err().contains("127.0.0.1:7878"), "{bad}");
        }
    }
}
