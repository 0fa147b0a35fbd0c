//! Header compression (RFC 7541): decodes whatever a client sends, encodes in the plainest way.

use std::collections::VecDeque;

use bytes::Bytes;

use super::huffman;

/// A header block that breaks the rules.
#[derive(Debug)]
pub(super) struct Malformed;

type Field = (Bytes, Bytes);

/// The size of the dynamic table, which no setting of ours changes.
const TABLE_SIZE: usize = 4096;

/// What the sum of a request's headers may be; a small block can refer to a large entry many times.
const MAX_LIST: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Decoder {
    table: VecDeque<Field>,
    size: usize,
    shrunk_by: usize,
}

impl Decoder {
    pub(super) fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, Malformed> {
        let mut input = Input { left: block };
        let mut fields = Vec::new();
        let mut total = 0;
        while let Some(first) = input.left.first().copied() {
            let field = if first & 0x80 != 0 {
                self.entry(input.integer(7)?)?
            } else if first & 0xe0 == 0x20 {
                self.resize(input.integer(5)?)?;
                continue;
            } else {
                let indexed = first & 0x40 != 0;
                let name = match input.integer(if indexed { 6 } else { 4 })? {
                    0 => input.string()?,
                    index => self.entry(index)?.0,
                };
                let field = (name, input.string()?);
                if indexed {
                    self.insert(field.clone());
                }
                field
            };
            total += cost(&field);
            if total > MAX_LIST {
                return Err(Malformed);
            }
            fields.push(field);
        }
        Ok(fields)
    }

    fn entry(&self, index: usize) -> Result<Field, Malformed> {
        let index = index.checked_sub(1).ok_or(Malformed)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok((Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes())));
        }
        self.table.get(index - STATIC.len()).cloned().ok_or(Malformed)
    }

    fn resize(&mut self, limit: usize) -> Result<(), Malformed> {
        self.shrunk_by = TABLE_SIZE.checked_sub(limit).ok_or(Malformed)?;
        self.evict();
        Ok(())
    }

    fn insert(&mut self, field: Field) {
        self.size += cost(&field);
        self.table.push_front(field);
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > TABLE_SIZE - self.shrunk_by {
            let Some(field) = self.table.pop_back() else { return };
            self.size -= cost(&field);
        }
    }
}

fn cost((name, value): &Field) -> usize {
    name.len() + value.len() + 32
}

struct Input<'a> {
    left: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.left.split_first().ok_or(Malformed)?;
        self.left = rest;
        Ok(*first)
    }

    fn integer(&mut self, prefix: u32) -> Result<usize, Malformed> {
        let mask = (1 << prefix) - 1;
        let mut value = usize::from(self.byte()? & mask);
        if value < usize::from(mask) {
            return Ok(value);
        }
        // Four bytes more are enough for any size that is allowed here.
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn string(&mut self) -> Result<Bytes, Malformed> {
        let huffman = self.left.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = self.integer(7)?;
        let (string, rest) = self.left.split_at_checked(length).ok_or(Malformed)?;
        self.left = rest;
        if huffman { huffman::decode(string).map(Bytes::from) } else { Ok(Bytes::copy_from_slice(string)) }
    }
}

/// Appends a header as a literal that is not indexed and not compressed. Any bytes can be sent so.
pub(super) fn encode(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for string in [name, value] {
        put_length(block, string.len());
        block.extend_from_slice(string);
    }
}

fn put_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        block.push(length as u8);
        return;
    };
    block.push(127);
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
}

const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(fields: &[Field]) -> Vec<(&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        fields.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn requests_of_the_rfc_decode_with_one_table() {
        let mut decoder = Decoder::default();
        let first = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
            0xff,
        ];
        let fields = decoder.decode(&first).unwrap();
        assert_eq!(pairs(&fields)[3], (":authority", "www.example.com"));
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        let fields = decoder.decode(&second).unwrap();
        assert_eq!(pairs(&fields)[3..], [(":authority", "www.example.com"), ("cache-control", "no-cache")]);
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let mut block = Vec::new();
        let long = "v".repeat(5000);
        encode(&mut block, b"x-long", long.as_bytes());
        encode(&mut block, b"x-empty", b"");
        let fields = Decoder::default().decode(&block).unwrap();
        assert_eq!(pairs(&fields), [("x-long", long.as_str()), ("x-empty", "")]);
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for block in [&[0x80][..], &[0xff; 12], &[0x40, 0x85, 1], &[0xfe], &[0x3f, 0xff, 0x7f], &[0x7f, 0xff]]
        {
            assert!(Decoder::default().decode(block).is_err());
        }
    }
}
