//! The Huffman code of header compression (RFC 7541, appendix B), decoding only.

use std::sync::LazyLock;

use super::hpack::Malformed;

/// The length in bits of each byte's code. The code is canonical: within a length, codes count up in
/// the order of the bytes, so that the lengths are all there is to know.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LONGEST: usize = 30;

struct Level {
    first_code: u32,
    bytes: Vec<u8>,
}

/// For every length, the first code of it and the bytes that follow from there.
static LEVELS: LazyLock<Vec<Level>> = LazyLock::new(|| {
    let mut next_code = 0;
    (0..=LONGEST)
        .map(|length| {
            next_code <<= 1;
            let bytes: Vec<u8> = (0..=u8::MAX)
                .zip(LENGTHS)
                .filter(|(_, bits)| usize::from(*bits) == length)
                .map(|(byte, _)| byte)
                .collect();
            let first_code = next_code;
            next_code += bytes.len() as u32;
            Level { first_code, bytes }
        })
        .collect()
});

pub(super) fn decode(coded: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut decoded = Vec::with_capacity(coded.len() * 2);
    let mut code: u32 = 0;
    let mut length = 0;
    for bit in coded.iter().flat_map(|byte| (0..8).rev().map(move |shift| u32::from(byte >> shift & 1))) {
        code = code << 1 | bit;
        length += 1;
        let level = LEVELS.get(length).ok_or(Malformed)?;
        let index = code.checked_sub(level.first_code).map(|index| index as usize);
        if let Some(byte) = index.and_then(|index| level.bytes.get(index)) {
            decoded.push(*byte);
            code = 0;
            length = 0;
        }
    }
    // What is left over is padding: fewer than eight bits, all of them ones.
    if length < 8 && code == (1 << length) - 1 { Ok(decoded) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_decode() {
        let coded = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&coded).unwrap(), b"www.example.com");
        let coded = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
        assert_eq!(decode(&coded).unwrap(), b"custom-value");
    }

    #[test]
    fn padding_that_is_too_long_or_not_of_ones_is_refused() {
        assert!(decode(&[0xff]).is_err());
        assert!(decode(&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xfe]).is_err());
    }
}
