//! One file of the journal: records in frames, of which each can be told from rot by itself.
//!
//! A frame is the file's salt, the length of its record, a checksum, the record. The salt is random and stands in the file's name:
//! a transaction cannot hold bytes that would be taken for a frame where the one around it has rotted. The checksum covers salt and
//! place, too.

use std::ops::Range;

use althing_crypto::{Encoding, sha256_concat};

use super::record::Record;

/// Salt, length, checksum.
const HEAD_BYTES: usize = 8 + 4 + 8;

/// What marks the frames of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(pub(super) u64);

impl Salt {
    /// Appends a frame; `offset` is where it will stand in the file.
    pub(super) fn frame(self, offset: u64, record: &Record, out: &mut Vec<u8>) {
        let body = record.encode();
        let len = u32::try_from(body.len()).expect("a record is far smaller");
        out.extend_from_slice(&self.0.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&self.checksum(offset, &body));
        out.extend_from_slice(&body);
    }

    fn checksum(self, offset: u64, body: &[u8]) -> [u8; 8] {
        let hash = sha256_concat(&[&self.0.to_be_bytes(), &offset.to_be_bytes(), body]);
        let mut checksum = [0; 8];
        checksum.copy_from_slice(&hash.as_bytes()[..8]);
        checksum
    }

    /// The record whose frame begins here, and where that frame ends.
    fn record_at(self, file: &[u8], start: usize) -> Option<(Record, usize)> {
        let (head, rest) = file.get(start..)?.split_at_checked(HEAD_BYTES)?;
        let (salt, head) = head.split_at(8);
        let (len, checksum) = head.split_at(4);
        if salt != self.0.to_be_bytes() {
            return None;
        }
        let len = usize::try_from(u32::from_be_bytes(len.try_into().ok()?)).ok()?;
        let body = rest.get(..len)?;
        if checksum != self.checksum(start as u64, body) {
            return None;
        }
        Some((Record::decode(body).ok()?, start + HEAD_BYTES + len))
    }

    /// Where the next frame may begin.
    fn next_mark(self, file: &[u8], from: usize) -> Option<usize> {
        let mark = self.0.to_be_bytes();
        file.get(from..)?.windows(mark.len()).position(|window| window == mark).map(|at| from + at)
    }

    /// Reads a file: hands out the records in their order, steps over what has rotted.
    pub(super) fn read(self, file: &[u8], mut each: impl FnMut(Record)) -> Contents {
        let mut contents = Contents { good: 0, lost: Vec::new() };
        let mut at = 0;
        while at < file.len() {
            let found = match self.record_at(file, at) {
                Some(found) => Some((at, found)),
                None => self.resync(file, at + 1),
            };
            let Some((start, (record, end))) = found else { break };
            if start > at {
                contents.lost.push(at as u64..start as u64);
            }
            each(record);
            at = end;
            contents.good = end as u64;
        }
        contents
    }

    fn resync(self, file: &[u8], from: usize) -> Option<(usize, (Record, usize))> {
        let mut from = from;
        while let Some(start) = self.next_mark(file, from) {
            if let Some(found) = self.record_at(file, start) {
                return Some((start, found));
            }
            from = start + 1;
        }
        None
    }
}

/// What a file was found to hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Where its last good record ends. What follows was not wholly written, if nothing says otherwise.
    pub(super) good: u64,
    /// What has rotted before that.
    pub(super) lost: Vec<Range<u64>>,
}

#[cfg(test)]
mod tests {
    use althing_consensus::Height;
    use althing_crypto::TxHash;

    use super::super::record::Kept;
    use super::*;

    const SALT: Salt = Salt(0x0123_4567_89ab_cdef);

    fn kept(bytes: Vec<u8>) -> Record {
        let tx = TxHash::of(&bytes);
        let client = "a".to_owned();
        Record::Kept(Kept { tx, bytes: bytes.into(), client, above: Height(0), ended: None })
    }

    fn file(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut starts) = (Vec::new(), Vec::new());
        for record in records {
            starts.push(file.len());
            SALT.frame(file.len() as u64, record, &mut file);
        }
        (file, starts)
    }

    fn read(file: &[u8]) -> (Vec<Record>, Contents) {
        let mut records = Vec::new();
        let contents = SALT.read(file, |record| records.push(record));
        (records, contents)
    }

    #[test]
    fn a_torn_tail_leaves_all_before_it() {
        let records = [kept(vec![1; 40]), kept(vec![2; 40]), Record::Followed(Height(7))];
        let (file, starts) = file(&records);
        for end in 0..=file.len() {
            let whole = starts.iter().skip(1).chain([&file.len()]).filter(|next| **next <= end).count();
            let (found, contents) = read(&file[..end]);
            assert_eq!((&found[..], &contents.lost[..]), (&records[..whole], &[][..]), "cut at {end}");
        }
    }

    #[test]
    fn rot_takes_the_record_that_it_hits_and_no_other() {
        let records = [kept(vec![1; 40]), kept(vec![2; 40]), kept(vec![3; 40])];
        let (mut file, starts) = file(&records);
        for at in starts[1]..starts[2] {
            file[at] ^= 0x20;
            let (found, contents) = read(&file);
            assert_eq!(found, [records[0].clone(), records[2].clone()], "rot at {at}");
            let lost = vec![Range { start: starts[1] as u64, end: starts[2] as u64 }];
            assert_eq!(contents, Contents { good: file.len() as u64, lost });
            file[at] ^= 0x20;
        }
    }

    #[test]
    fn a_frame_within_a_transaction_is_never_taken_for_one() {
        // Whoever writes it does not know the salt; and were it that of this file, then not the place.
        for salt in [Salt(1), SALT] {
            let mut inner = Vec::new();
            salt.frame(0, &Record::Followed(Height(99)), &mut inner);
            let records = [kept(vec![1; 40]), kept(inner), kept(vec![3; 40])];
            let (mut file, starts) = file(&records);
            file[starts[1] + 10] ^= 1;
            assert_eq!(read(&file).0, [records[0].clone(), records[2].clone()]);
        }
    }
}
