//! Evidence of model requests: from an exchange to a compressed record without secrets, and back.
//!
//! A trial's evidence is a row of gzip members, one for each request, so `zcat` reads it as one text with a line for
//! each. A member is appended in one piece and never synced (the transcript is the durable record of what was said): a
//! crash can tear the last one, and whoever reads goes on at the next. All are marked, so that it can be found.
//!
//! Secrets are taken out before anything is compressed: by value, and whatever has the shape of a key.

mod index;

use std::io::{Read, Write};

use bench_core::evidence::{self, Asker, Evidence, FORMAT, without_keys};
use bench_core::setting::is_secret_name;
use chrono::{DateTime, Utc};
use flate2::bufread::GzDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use reqwest::header::HeaderMap;
use url::Url;

use crate::durations::millis;
use crate::env::Secrets;
use crate::model::exchange::{Ended, Exchange};

pub use self::index::Index;

/// What the name of the file adds to the trial's.
pub const SUFFIX: &str = "evidence.jsonl.gz";

/// How a member begins; four bytes of time and two of no interest follow, then [`MARK`].
const MAGIC: [u8; 4] = [0x1f, 0x8b, 0x08, 0x04];
/// An extra field of the gzip header, by which a member is found behind a torn one.
const MARK: [u8; 12] = *b"BE\x08\x00evidence";
/// Where the mark stands: behind the fixed header and two bytes of length.
const MARK_AT: usize = 12;

/// Which request it was, beyond what the exchange knows.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) trial_attempt: u32,
    pub(crate) turn: u32,
    /// Who asked, if a judge was asked.
    pub(crate) judge: Option<Asker>,
}

/// An exchange as it may be written down.
fn cleaned(exchange: Exchange, place: Place, secrets: &Secrets) -> Evidence {
    let clean = |text: &str| without_keys(&secrets.redact(text)).into_owned();
    Evidence {
        format: FORMAT,
        trial_attempt: place.trial_attempt,
        turn: place.turn,
        judge: place.judge.map(|asker| Asker {
            name: clean(&asker.name),
            ..asker
        }),
        attempt: exchange.attempt,
        sent_at: DateTime::<Utc>::from(exchange.sent_at),
        url: clean(&address(exchange.url)),
        request_headers: headers(&exchange.request_headers, &clean),
        request: clean(&String::from_utf8_lossy(&exchange.request)),
        status: exchange.status,
        headers: headers(&exchange.headers, &clean),
        body: clean(&String::from_utf8_lossy(&exchange.body)),
        head_after_ms: exchange.head_after.map(millis),
        took_ms: millis(exchange.took),
        ended: match exchange.ended {
            Ended::Replied => evidence::Ended::Replied,
            Ended::Failed(error) => evidence::Ended::Failed {
                error: clean(&error.to_string()),
            },
            Ended::GivenUp => evidence::Ended::GivenUp,
        },
    }
}

/// Without credentials, and without the values of parameters that are secret by name.
fn address(mut url: Url) -> String {
    // Refused for addresses that cannot have credentials.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    let hidden = |name: &str| is_secret_name(name) || name == "key";
    if url.query_pairs().any(|(name, _)| hidden(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(
            pairs
                .iter()
                .map(|(name, value)| (name, if hidden(name) { "secret" } else { value.as_str() })),
        );
    }
    url.to_string()
}

fn headers(map: &HeaderMap, clean: &dyn Fn(&str) -> String) -> Vec<(String, String)> {
    let secret =
        |name: &str| is_secret_name(name) || name.contains("cookie") || name.contains("authorization");
    let pairs = map.iter().map(|(name, value)| {
        let hidden = value.is_sensitive() || secret(name.as_str());
        let value = if hidden {
            "[secret]".to_owned()
        } else {
            clean(&String::from_utf8_lossy(value.as_bytes()))
        };
        (name.to_string(), value)
    });
    pairs.collect()
}

/// Makes members. What a compression needs is made once: it is 300 kB, more than most exchanges.
pub(crate) struct Members {
    /// Over a member that has its header.
    deflate: DeflateEncoder<Vec<u8>>,
}

impl Members {
    pub(crate) fn new() -> Self {
        Self {
            deflate: DeflateEncoder::new(header(), Compression::fast()),
        }
    }

    /// The member of an exchange. Takes as long as its bodies are large: about a millisecond for 100 kB.
    pub(crate) fn of(
        &mut self,
        exchange: Exchange,
        place: Place,
        secrets: &Secrets,
    ) -> std::io::Result<Vec<u8>> {
        let evidence = cleaned(exchange, place, secrets);
        let mut line = serde_json::to_vec(&evidence)?;
        line.push(b'\n');
        let mut sum = Crc::new();
        sum.update(&line);
        self.deflate.write_all(&line)?;
        let mut member = self.deflate.reset(header())?;
        member.extend(sum.sum().to_le_bytes());
        member.extend(sum.amount().to_le_bytes());
        Ok(member)
    }
}

/// The header of a member (RFC 1952): no time, an unknown system, the mark and its length.
fn header() -> Vec<u8> {
    const LENGTH: [u8; 2] = [12, 0];
    [&MAGIC[..], &[0, 0, 0, 0, 0, 255], &LENGTH, &MARK].concat()
}

/// Reads the evidence of a trial, record by record.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

/// A record that cannot be read: torn by a crash, or damaged since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the evidence is torn or damaged")]
pub struct Damaged;

impl<'a> Records<'a> {
    /// From the content of the file.
    pub fn of(content: &'a [u8]) -> Self {
        Self { rest: content }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Evidence, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut decoder = GzDecoder::new(self.rest);
        let mut line = Vec::new();
        let read = decoder.read_to_end(&mut line).ok();
        let evidence = read.and_then(|_| serde_json::from_slice(&line).ok());
        let behind = decoder.into_inner();
        if let Some(evidence) = evidence {
            self.rest = behind;
            return Some(Ok(evidence));
        }
        let next = (1..self.rest.len()).find(|at| begins_a_member(&self.rest[*at..]));
        self.rest = next.map_or(&[], |at| &self.rest[at..]);
        Some(Err(Damaged))
    }
}

fn begins_a_member(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) && bytes.get(MARK_AT..).is_some_and(|rest| rest.starts_with(&MARK))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use reqwest::header::HeaderValue;

    use super::*;

    pub(super) fn exchange(body: &str) -> Exchange {
        let mut hidden = HeaderValue::from_static("Bearer x");
        hidden.set_sensitive(true);
        let mut exchange = Exchange::of_test("https://me:pass@h/v1/chat?key=k1&a=b".parse().unwrap(), body);
        exchange.sent_at = SystemTime::UNIX_EPOCH;
        exchange.request_headers.insert("x-own", hidden);
        exchange
            .headers
            .insert("set-cookie", HeaderValue::from_static("session=1"));
        exchange
            .headers
            .insert("x-request-id", HeaderValue::from_static("req_1"));
        exchange
    }

    pub(super) fn place(turn: u32) -> Place {
        Place {
            trial_attempt: 1,
            turn,
            judge: None,
        }
    }

    fn written(turn: u32, body: &str) -> Vec<u8> {
        Members::new()
            .of(exchange(body), place(turn), &Secrets::default())
            .unwrap()
    }

    #[test]
    fn nothing_secret_is_in_a_record() {
        let secrets = Secrets::default();
        secrets.add("canary-0123");
        let body = r#"{"error": "key canary-0123 and sk-abcdefghijklmnopqrst are wrong"}"#;
        let bytes = Members::new().of(exchange(body), place(2), &secrets).unwrap();
        let record = Records::of(&bytes).next().unwrap().unwrap();
        assert_eq!(record.url, "https://h/v1/chat?key=secret&a=b");
        assert_eq!(record.body, r#"{"error": "key [secret] and [secret] are wrong"}"#);
        assert_eq!(
            record.request_headers,
            [("x-own".to_owned(), "[secret]".to_owned())]
        );
        assert!(
            record
                .headers
                .contains(&("set-cookie".to_owned(), "[secret]".to_owned()))
        );
        assert!(
            record
                .headers
                .contains(&("x-request-id".to_owned(), "req_1".to_owned()))
        );
        assert_eq!((record.turn, record.attempt), (2, 1));
    }

    #[test]
    fn one_after_another_they_are_what_any_reader_of_gzip_reads() {
        let mut members = Members::new();
        let mut content = Vec::new();
        for turn in 1..=3 {
            let record = exchange(&"word ".repeat(turn as usize * 9));
            content.extend(members.of(record, place(turn), &Secrets::default()).unwrap());
        }
        let mut text = String::new();
        let mut reader = flate2::read::MultiGzDecoder::new(content.as_slice());
        reader.read_to_string(&mut text).unwrap();
        let turns = text
            .lines()
            .map(|line| serde_json::from_str::<Evidence>(line).unwrap().turn);
        assert_eq!(turns.collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_torn_record_hides_only_itself_wherever_it_is_torn() {
        let (first, second, third) = (
            written(1, "one"),
            written(2, &"two ".repeat(99)),
            written(3, "three"),
        );
        for cut in 0..second.len() {
            let content = [first.as_slice(), &second[..cut], &third].concat();
            let records: Vec<_> = Records::of(&content).collect();
            let turns: Vec<u32> = records.iter().flatten().map(|record| record.turn).collect();
            assert_eq!(turns, [1, 3], "cut after {cut} bytes");
            let content = [first.as_slice(), &second[..cut]].concat();
            let turns: Vec<u32> = Records::of(&content)
                .flatten()
                .map(|record| record.turn)
                .collect();
            assert_eq!(turns, [1], "cut after {cut} bytes at the end");
        }
        assert_eq!(Records::of(&[]).count(), 0);
    }
}
