//! The head of a request as bytes: its end, and the faults that hyper would let through.
//!
//! hyper parses every head. This code finds the end, strictly (RFC 9112, 2.2), and rejects faults visible in line ends
//! and request line.

use std::ops::Range;

use super::rejection::Rejection;
use super::settings::{HEAD_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX};

/// Progress in a head, so that no byte is read twice.
#[derive(Default)]
pub struct HeadProgress {
    searched: usize,
    line_start: usize,
    lines: usize,
    has_length: bool,
    has_encoding: bool,
    /// Lines with an `Upgrade` header, from first byte to behind the line feed.
    upgrades: Vec<Range<usize>>,
}

/// The result of a scan.
#[derive(Debug, PartialEq, Eq)]
pub enum HeadScan {
    /// The end has not come yet.
    More,
    /// A head of this many bytes.
    Head(usize),
    /// A request that the transport answers itself.
    Rejected(Rejection),
}

impl HeadProgress {
    /// Scans the bytes received since the last call; `bytes` always starts with the head.
    pub fn look(&mut self, bytes: &[u8]) -> HeadScan {
        loop {
            let rest = &bytes[self.searched..];
            let Some(offset) = memchr::memchr(b'\n', rest) else {
                self.searched = bytes.len();
                return self.unfinished(bytes);
            };
            let end = self.searched + offset;
            if end == self.line_start || bytes[end - 1] != b'\r' {
                return HeadScan::Rejected(Rejection::malformed("A line does not end with CR LF."));
            }
            let line = &bytes[self.line_start..end - 1];
            let start = std::mem::replace(&mut self.line_start, end + 1);
            self.searched = end + 1;
            if self.searched > HEAD_BYTES_MAX {
                return HeadScan::Rejected(TOO_LARGE);
            }
            if line.is_empty() {
                if self.lines > 0 {
                    return HeadScan::Head(end + 1);
                }
                // Old clients send one empty line before a request (RFC 9112, 2.2).
                if end > 1 {
                    return HeadScan::Rejected(Rejection::malformed(
                        "The request line is missing.",
                    ));
                }
                continue;
            }
            let checked = match self.lines {
                0 => request_line(line),
                _ => self.header(line, start..end + 1),
            };
            if let Err(rejection) = checked {
                return HeadScan::Rejected(rejection);
            }
            self.lines += 1;
            if self.lines > 1 + HEADERS_MAX {
                return HeadScan::Rejected(TOO_MANY);
            }
        }
    }

    /// Rejects a second body length (RFC 9112, 6.1 and 6.3). It has to be read from the bytes: hyper silently drops a
    /// `Content-Length` beside a `Transfer-Encoding`, or equal to the one before it.
    fn header(&mut self, line: &[u8], place: Range<usize>) -> Result<(), Rejection> {
        let end = line
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(line.len());
        let name = line[..end].trim_ascii();
        if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrades.push(place);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.has_encoding = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.has_length {
                return Err(Rejection::malformed(
                    "The request has more than one Content-Length header.",
                ));
            }
            self.has_length = true;
        }
        if self.has_length && self.has_encoding {
            return Err(Rejection::malformed(
                "Content-Length and Transfer-Encoding exclude each other.",
            ));
        }
        Ok(())
    }

    /// Removes the `Upgrade` headers from a head of `length` bytes at the start of `bytes`. Returns the new length. A
    /// server without upgrades ignores the header (RFC 9110, 7.8). For hyper, an answer that leaves part of the body
    /// unread is a completed upgrade, which it never sends.
    pub fn without_upgrades(&mut self, bytes: &mut Vec<u8>, mut length: usize) -> usize {
        for line in self.upgrades.drain(..).rev() {
            length -= line.len();
            bytes.drain(line);
        }
        length
    }

    /// Returns whether the head has an `Upgrade` header.
    pub fn has_upgrades(&self) -> bool {
        !self.upgrades.is_empty()
    }

    /// Checks the limits that apply before the end of the line has come.
    fn unfinished(&self, bytes: &[u8]) -> HeadScan {
        if self.lines == 0 {
            let line = &bytes[self.line_start..];
            if line
                .first()
                .is_some_and(|&first| first != b'\r' && !is_token(first))
            {
                return HeadScan::Rejected(Rejection::malformed("This is not HTTP."));
            }
            if line.len() > LINE_BYTES_MAX + 1 {
                return HeadScan::Rejected(LINE_TOO_LONG);
            }
        }
        if bytes.len() >= HEAD_BYTES_MAX {
            return HeadScan::Rejected(TOO_LARGE);
        }
        HeadScan::More
    }
}

const TOO_LARGE: Rejection = Rejection::new(431, "The head of the request is longer than 16 KB.");
const TOO_MANY: Rejection = Rejection::new(431, "The request has more than 100 headers.");
const LINE_TOO_LONG: Rejection = Rejection::new(414, "The request line is longer than 8 KB.");

/// Method, target and version (RFC 9112, 3), each with a single space between.
fn request_line(line: &[u8]) -> Result<(), Rejection> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LINE_TOO_LONG);
    }
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Rejection::malformed(
            "The request line is not a method, a target and a version.",
        ));
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(Rejection::malformed("The method is not a word."));
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        _ if version.starts_with(b"HTTP/") => {
            return Err(Rejection::new(505, "Only HTTP 1.1 and 1.0 are supported."));
        }
        _ => return Err(Rejection::malformed("The version is not one of HTTP.")),
    }
    if !is_known(method) {
        return Err(Rejection::new(405, "This method is not supported."));
    }
    check_target(target)
}

/// The allowed methods: HTTP's own without TRACE and CONNECT, and `WebDAV`'s, which a proxy forwards when it verifies a
/// request.
fn is_known(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET"
            | b"HEAD"
            | b"POST"
            | b"PUT"
            | b"PATCH"
            | b"DELETE"
            | b"OPTIONS"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"MKCOL"
            | b"COPY"
            | b"MOVE"
            | b"LOCK"
            | b"UNLOCK"
            | b"REPORT"
            | b"SEARCH"
            | b"ACL"
            | b"BIND"
            | b"UNBIND"
            | b"REBIND"
            | b"MKCALENDAR"
            | b"ORDERPATCH"
            | b"VERSION-CONTROL"
            | b"CHECKOUT"
            | b"CHECKIN"
            | b"UNCHECKOUT"
            | b"MKWORKSPACE"
            | b"UPDATE"
            | b"LABEL"
            | b"MERGE"
            | b"BASELINE-CONTROL"
            | b"MKACTIVITY"
            | b"MKREDIRECTREF"
            | b"UPDATEREDIRECTREF"
            | b"LINK"
            | b"UNLINK"
            | b"QUERY"
    )
}

/// A target in origin form (RFC 9112, 3.2.1) that has only one interpretation: a proxy in front and the routes behind
/// must read it the same way.
fn check_target(target: &[u8]) -> Result<(), Rejection> {
    let mut parts = target.splitn(2, |&byte| byte == b'?');
    let path = parts.next().unwrap_or_default();
    let query = parts.next().unwrap_or_default();
    if path.first() != Some(&b'/') {
        return Err(Rejection::malformed(
            "The target of the request must begin with a slash.",
        ));
    }
    if !path.iter().copied().all(is_plain_path) {
        return Err(Rejection::malformed(
            "The path has a character that no path of this server contains.",
        ));
    }
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if segment == b"." || segment == b".." || (segment.is_empty() && !last) {
            return Err(Rejection::malformed(
                "The path has an empty segment, or one that consists of dots.",
            ));
        }
    }
    let visible = |&byte: &u8| byte.is_ascii_graphic() && byte != b'#';
    if !query.iter().all(visible) {
        return Err(Rejection::malformed(
            "The query has a character that must be percent-encoded.",
        ));
    }
    Ok(())
}

/// RFC 9110, 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// RFC 3986, 3.3, without percent-encoding.
const fn is_plain_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result when the bytes arrive in these pieces.
    fn found_in_pieces(bytes: &[u8], ends: &[usize]) -> HeadScan {
        let mut scan = HeadProgress::default();
        for &end in ends {
            let found = scan.look(&bytes[..end.min(bytes.len())]);
            if found != HeadScan::More {
                return found;
            }
        }
        scan.look(bytes)
    }

    #[test]
    fn head_ends_after_the_empty_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut bytes = head.to_vec();
        bytes.extend_from_slice(b"body\r\n\r\n");
        assert_eq!(
            HeadProgress::default().look(&bytes),
            HeadScan::Head(head.len())
        );
        assert_eq!(
            HeadProgress::default().look(&head[..head.len() - 1]),
            HeadScan::More
        );
    }

    #[test]
    fn carriage_return_does_not_count_toward_the_limit() {
        let line = format!("GET /{} HTTP/1.1", "a".repeat(LINE_BYTES_MAX - 14));
        assert_eq!(line.len(), LINE_BYTES_MAX);
        assert_eq!(
            HeadProgress::default().look(line.as_bytes()),
            HeadScan::More
        );
        let ending = format!("{line}\r");
        assert_eq!(
            HeadProgress::default().look(ending.as_bytes()),
            HeadScan::More
        );
        let longer = format!("{line}xx");
        assert_eq!(
            HeadProgress::default().look(longer.as_bytes()),
            HeadScan::Rejected(LINE_TOO_LONG)
        );
    }

    proptest! {
        /// The result does not depend on the pieces in which a head arrives. An accepted head ends with an empty line,
        /// and each of its lines ends with CR LF.
        #[test]
        fn head_in_pieces_gives_the_same_result(
            lines in proptest::collection::vec("[ -~\r\t]{0,12}(\r\n|\r\n|\n|\r)", 0..6),
            first in "(GET|POST|TRACE|) ?/[a-z./%]{0,6} ?HTTP/1.[0-2](\r\n|\n)",
            mut ends in proptest::collection::vec(0_usize..120, 0..8),
        ) {
            let text = format!("{first}{}\r\n", lines.concat());
            let bytes = text.as_bytes();
            ends.sort_unstable();
            let complete = HeadProgress::default().look(bytes);
            let pieces = found_in_pieces(bytes, &ends);
            // A head with several faults may be rejected for either of them.
            let both_rejected = matches!((&pieces, &complete), (HeadScan::Rejected(_), HeadScan::Rejected(_)));
            prop_assert!(both_rejected || pieces == complete, "{pieces:?}, {complete:?}");
            if let HeadScan::Head(length) = complete {
                let head = &text[..length];
                prop_assert!(head.ends_with("\r\n\r\n"));
                prop_assert_eq!(head.matches('\n').count(), head.matches("\r\n").count());
                prop_assert_eq!(head.find("\r\n\r\n"), Some(length - 4));
            }
        }
    }
}
