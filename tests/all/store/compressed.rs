//! Compressed data within other data: gzip (RFC 1952), zlib (RFC 1950) and bare deflate (RFC 1951), at any place.

use miniz_oxide::inflate::{TINFLStatus, decompress_slice_iter_to_slice};

/// Limit of inflated bytes of one stream.
const INFLATED_BYTES_MAX: usize = 1 << 18;
/// Fewer inflated bytes are chance: a secret is longer.
const INFLATED_BYTES_MIN: usize = 24;
/// A bare deflate stream has no mark at its start; longer files are not tried at every place, in bytes.
const BARE_BYTES_MAX: usize = 1 << 19;

/// One stream within other data.
pub struct Stream {
    /// `gzip`, `zlib` or `deflate`.
    pub kind: &'static str,
    pub place: usize,
    pub inflated: Vec<u8>,
}

/// All streams in `hay`. Those of gzip and zlib count if they are complete; of bare ones, the start suffices.
pub fn streams(hay: &[u8]) -> Vec<Stream> {
    let mut out = vec![0; INFLATED_BYTES_MAX];
    let mut found = Vec::new();
    for place in 0..hay.len() {
        let rest = &hay[place..];
        let (kind, body, has_header) = match rest {
            [0x1f, 0x8b, 8, ..] => match gzip_body(rest) {
                Some(body) => ("gzip", body, false),
                None => continue,
            },
            [first, second, ..]
                if first & 0x0f == 8
                    && first >> 4 <= 7
                    && (u16::from(*first) * 256 + u16::from(*second)).is_multiple_of(31) =>
            {
                ("zlib", rest, true)
            }
            _ if hay.len() <= BARE_BYTES_MAX => ("deflate", rest, false),
            _ => continue,
        };
        let inflated = decompress_slice_iter_to_slice(
            &mut out,
            std::iter::once(body),
            has_header,
            !has_header,
        );
        let length = match (inflated, kind) {
            (Ok(length), _) => length,
            // Too long, or without an end: the available part is inspected all the same.
            (Err(TINFLStatus::HasMoreOutput), _) => out.len(),
            (Err(_), _) => continue,
        };
        if length >= INFLATED_BYTES_MIN {
            found.push(Stream {
                kind,
                place,
                inflated: out[..length].to_vec(),
            });
        }
    }
    found
}

/// The data behind the header of a gzip member.
fn gzip_body(rest: &[u8]) -> Option<&[u8]> {
    let flags = *rest.get(3)?;
    let mut body = rest.get(10..)?;
    if flags & 4 != 0 {
        let length = usize::from(u16::from_le_bytes([*body.first()?, *body.get(1)?]));
        body = body.get(2 + length..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = body.iter().position(|byte| *byte == 0)?;
            body = &body[end + 1..];
        }
    }
    if flags & 2 != 0 {
        body = body.get(2..)?;
    }
    Some(body)
}

/// The same bytes, compressed in each of the three ways.
pub fn compressed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    let bare = compress_to_vec(bytes, 6);
    let mut gzip = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    gzip.extend_from_slice(b"a name\0");
    gzip.extend_from_slice(&bare);
    gzip.extend_from_slice(&[0; 8]);
    [
        ("gzip", gzip),
        ("zlib", compress_to_vec_zlib(bytes, 6)),
        ("deflate", bare),
    ]
}
