//! The file of a backup. Numbers are unsigned and big endian, whatever machine writes or reads them.
//!
//! ```text
//! "HEARTHBK"  format: 4  schema: 4  time in ms: 8  program's version: 1 + length
//! CRC-32 of all that: 4
//! any number of
//!   1  a tree of the store     name: 2 + length
//!   2  an entry of that tree   key: 4 + length   value: 4 + length
//!   3  a file                  name: 2 + length  content: 4 + length
//! 127  the end                 how many of the above: 8
//! SHA-256 of everything before it: 32
//! ```
//!
//! Nothing is compressed, so that a file is never much larger in memory or on the disk than it looks, and every length has a limit
//! that is checked before anything is read.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use super::names::is_file_name;
use crate::clock::Timestamp;

const MAGIC: &[u8; 8] = b"HEARTHBK";
/// The format that this program writes.
pub(super) const FORMAT: u32 = 1;
/// A key and its value together; the store takes no more.
const MAX_ENTRY: u32 = 64 * 1024;
/// A key, a certificate or the settings.
pub(super) const MAX_FILE: u32 = 1024 * 1024;
/// Trees and files together.
const MAX_NAMES: u64 = 4096;
const DIGEST: usize = 32;

const TREE: u8 = 1;
const ENTRY: u8 = 2;
const FILE: u8 = 3;
const END: u8 = 127;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The schema of the store's data.
    pub schema: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// The version of the Hearth that made it.
    pub made_by: String,
}

/// Why a file is no backup that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is something else.
    #[error("this is no backup of Hearth")]
    Foreign,
    /// It is a backup of a kind that this program doesn't know.
    #[error(
        "this backup has format {format}, which only a newer Hearth can read; this is Hearth {}, which reads formats up to {FORMAT}",
        env!("CARGO_PKG_VERSION")
    )]
    TooNew {
        /// The format.
        format: u32,
    },
    /// It ends too early.
    #[error("this backup is not whole: it ends too early")]
    Truncated,
    /// It was changed after it was made.
    #[error("this backup is damaged: {0}")]
    Changed(&'static str),
    /// It can't be read.
    #[error("the backup can't be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

/// One part of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A tree of the store begins.
    Tree(String),
    /// An entry of the tree that was named last.
    Entry {
        /// Its key.
        key: Vec<u8>,
        /// Its sealed value.
        value: Vec<u8>,
    },
    /// A file.
    File {
        /// Its path below the data directory, with `/` between the parts.
        name: String,
        /// All of it.
        content: Vec<u8>,
    },
}

/// Writes a backup.
pub(super) struct Sealer<W> {
    out: W,
    hash: Sha256,
    records: u64,
}

impl<W: Write> Sealer<W> {
    /// Begins with the header.
    pub(super) fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&FORMAT.to_be_bytes());
        head.extend_from_slice(&header.schema.to_be_bytes());
        head.extend_from_slice(&header.made_at.as_millis().to_be_bytes());
        let length = u8::try_from(header.made_by.len()).map_err(io::Error::other)?;
        head.push(length);
        head.extend_from_slice(header.made_by.as_bytes());
        head.extend_from_slice(&crc32fast::hash(&head).to_be_bytes());
        let mut sealer = Self { out, hash: Sha256::new(), records: 0 };
        sealer.write(&head)?;
        Ok(sealer)
    }

    /// A tree begins.
    pub(super) fn tree(&mut self, name: &str) -> io::Result<()> {
        self.begin(TREE)?;
        self.short(name)
    }

    /// An entry of the tree.
    pub(super) fn entry(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.begin(ENTRY)?;
        self.long(key)?;
        self.long(value)
    }

    /// A file.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.begin(FILE)?;
        self.short(name)?;
        self.long(content)
    }

    /// Ends with count and checksum.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write(&[END])?;
        let records = self.records.to_be_bytes();
        self.write(&records)?;
        self.out.write_all(&self.hash.finalize())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin(&mut self, kind: u8) -> io::Result<()> {
        self.records += 1;
        self.write(&[kind])
    }

    fn short(&mut self, text: &str) -> io::Result<()> {
        let length = u16::try_from(text.len()).map_err(io::Error::other)?;
        self.write(&length.to_be_bytes())?;
        self.write(text.as_bytes())
    }

    fn long(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.write(&length.to_be_bytes())?;
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads a backup.
pub(super) struct Unsealer<R> {
    input: R,
    hash: Sha256,
    records: u64,
    names: u64,
    ended: bool,
}

impl<R: Read> Unsealer<R> {
    /// Reads the header.
    pub(super) fn new(input: R) -> Result<(Header, Self), Damage> {
        let mut reader = Self { input, hash: Sha256::new(), records: 0, names: 0, ended: false };
        let mut head = vec![0; MAGIC.len()];
        match reader.input.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Damage::Foreign),
            other => other?,
        }
        if head != MAGIC {
            return Err(Damage::Foreign);
        }
        let mut fixed = [0; 4 + 4 + 8 + 1];
        reader.input.read_exact(&mut fixed)?;
        head.extend_from_slice(&fixed);
        let [f0, f1, f2, f3, s0, s1, s2, s3, time @ .., length] = fixed;
        let mut rest = vec![0; usize::from(length) + 4];
        reader.input.read_exact(&mut rest)?;
        let (made_by, crc) = rest.split_at(usize::from(length));
        head.extend_from_slice(made_by);
        if crc != crc32fast::hash(&head).to_be_bytes() {
            return Err(Damage::Changed("its header is not what was written"));
        }
        reader.hash.update(&head);
        reader.hash.update(crc);
        match u32::from_be_bytes([f0, f1, f2, f3]) {
            FORMAT => {}
            0 => return Err(Damage::Changed("there is no format 0")),
            format => return Err(Damage::TooNew { format }),
        }
        let is_plain = |byte: &u8| byte.is_ascii_graphic();
        let made_by = String::from_utf8(made_by.to_vec()).ok().filter(|text| text.bytes().all(|byte| is_plain(&byte)));
        let header = Header {
            schema: u32::from_be_bytes([s0, s1, s2, s3]),
            made_at: Timestamp::from_millis(u64::from_be_bytes(time)),
            made_by: made_by.ok_or(Damage::Changed("its header names no version"))?,
        };
        Ok((header, reader))
    }

    /// The next part; `None` once the end was reached and the checksum is right. Until then nothing of it may be trusted.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Damage> {
        if self.ended {
            return Ok(None);
        }
        let [kind] = self.array()?;
        let record = match kind {
            TREE => {
                self.count_name()?;
                Record::Tree(self.short()?)
            }
            ENTRY => {
                let key = self.long(MAX_ENTRY)?;
                Record::Entry { key, value: self.long(MAX_ENTRY)? }
            }
            FILE => {
                self.count_name()?;
                let name = self.short()?;
                if !is_file_name(&name) {
                    return Err(Damage::Changed("it holds a file that no Hearth would put there"));
                }
                Record::File { name, content: self.long(MAX_FILE)? }
            }
            END => return self.end().map(|()| None),
            _ => return Err(Damage::Changed("it holds something unknown")),
        };
        self.records += 1;
        Ok(Some(record))
    }

    fn end(&mut self) -> Result<(), Damage> {
        let told = u64::from_be_bytes(self.array()?);
        let hash = std::mem::take(&mut self.hash).finalize();
        let mut digest = [0; DIGEST];
        self.input.read_exact(&mut digest)?;
        if hash[..] != digest || told != self.records {
            return Err(Damage::Changed("its checksum does not match"));
        }
        if self.input.read(&mut [0])? != 0 {
            return Err(Damage::Changed("something follows its end"));
        }
        self.ended = true;
        Ok(())
    }

    fn count_name(&mut self) -> Result<(), Damage> {
        self.names += 1;
        if self.names > MAX_NAMES { Err(Damage::Changed("it holds too many names")) } else { Ok(()) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.hash.update(bytes);
        Ok(bytes)
    }

    fn short(&mut self) -> Result<String, Damage> {
        let length = u16::from_be_bytes(self.array()?);
        let bytes = self.bytes(usize::from(length))?;
        String::from_utf8(bytes).map_err(|_| Damage::Changed("a name in it is no text"))
    }

    fn long(&mut self, most: u32) -> Result<Vec<u8>, Damage> {
        let length = u32::from_be_bytes(self.array()?);
        if length > most {
            return Err(Damage::Changed("a part of it is larger than any can be"));
        }
        self.bytes(length as usize)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, Damage> {
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        self.hash.update(&bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { schema: 1, made_at: Timestamp::from_millis(1_700_000_000_000), made_by: String::from("0.1.0") }
    }

    fn sample() -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), &header()).unwrap();
        sealer.tree("users").unwrap();
        sealer.entry(b"key", b"value").unwrap();
        sealer.file("keys/access", &[7; 32]).unwrap();
        sealer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<(Header, Vec<Record>), Damage> {
        let (header, mut reader) = Unsealer::new(bytes)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next()? {
            records.push(record);
        }
        Ok((header, records))
    }

    /// A backup whose checksums are right, made of these bytes in place of its records.
    fn forged(records: &[u8], count: u64) -> Vec<u8> {
        let mut sealer = Sealer::new(Vec::new(), &header()).unwrap();
        sealer.write(records).unwrap();
        sealer.records = count;
        sealer.finish().unwrap()
    }

    #[test]
    fn what_was_sealed_is_read_again() {
        let (read_header, records) = read(&sample()).unwrap();
        assert_eq!(read_header, header());
        let file = Record::File { name: String::from("keys/access"), content: vec![7; 32] };
        let entry = Record::Entry { key: b"key".to_vec(), value: b"value".to_vec() };
        assert_eq!(records, [Record::Tree(String::from("users")), entry, file]);
    }

    #[test]
    fn byte_order_and_sizes_are_those_of_the_documentation() {
        let mut expected = b"HEARTHBK\0\0\0\x01\0\0\0\x01\0\0\x01\x8b\xcf\xe5\x68\0\x050.1.0".to_vec();
        expected.extend(crc32fast::hash(&expected).to_be_bytes());
        expected.extend(b"\x01\0\x05users\x02\0\0\0\x03key\0\0\0\x05value\x03\0\x0bkeys/access\0\0\0\x20");
        expected.extend([7; 32]);
        expected.extend(b"\x7f\0\0\0\0\0\0\0\x03");
        expected.extend(Sha256::digest(&expected));
        assert_eq!(sample(), expected);
    }

    #[test]
    fn f7_every_flipped_bit_is_found() {
        let whole = sample();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&damaged).is_err(), "bit {bit} was missed");
        }
    }

    #[test]
    fn f7_what_was_cut_or_goes_on_is_refused() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} bytes were enough");
        }
        assert!(matches!(read(&[&whole[..], b"x"].concat()), Err(Damage::Changed("something follows its end"))));
        assert!(matches!(read(b""), Err(Damage::Foreign)));
        assert!(matches!(read(b"PK\x03\x04 something else"), Err(Damage::Foreign)));
    }

    #[test]
    fn f7_lengths_beyond_the_limits_are_refused_before_anything_is_read() {
        for (kind, most) in [(ENTRY, MAX_ENTRY), (FILE, MAX_FILE)] {
            for length in [most + 1, u32::MAX] {
                let mut records = vec![kind];
                if kind == FILE {
                    records.extend(b"\0\x0bkeys/access");
                }
                records.extend(length.to_be_bytes());
                let error = read(&forged(&records, 1)).unwrap_err();
                assert!(matches!(error, Damage::Changed("a part of it is larger than any can be")), "{error}");
            }
        }
        let many = b"\x01\0\x01t".repeat(5000);
        assert!(matches!(read(&forged(&many, 5000)), Err(Damage::Changed("it holds too many names"))));
    }

    #[test]
    fn f7_names_that_lead_elsewhere_are_refused_although_the_checksum_is_right() {
        for name in [
            "../keys/access",
            "keys/../../x",
            "/etc/passwd",
            "keys",
            "store/db",
            "keys//a",
            "keys/.",
            "tls/a\0b",
            "settings.toml/x",
        ] {
            let mut records = vec![FILE];
            records.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
            records.extend(name.as_bytes());
            records.extend(0_u32.to_be_bytes());
            let error = read(&forged(&records, 1)).unwrap_err();
            assert!(matches!(error, Damage::Changed("it holds a file that no Hearth would put there")), "{name}: {error}");
        }
    }

    #[test]
    fn f7_another_format_is_refused_and_both_are_named() {
        let mut newer = sample();
        newer[11] = 9;
        let head = MAGIC.len() + 17 + 5;
        let crc = crc32fast::hash(&newer[..head]).to_be_bytes();
        newer[head..head + 4].copy_from_slice(&crc);
        let error = read(&newer).unwrap_err().to_string();
        assert!(error.contains("format 9") && error.contains("up to 1") && error.contains("0.1.0"), "{error}");
    }
}
