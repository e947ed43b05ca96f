//! Frames of the socket protocol: each message behind its length, an unsigned varint.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read},
    time::Duration,
};

use prost::Message;
use tendermint_proto::v0_38::abci::{Request, Response, request, response};

use super::{fault::Fault, stream::Stream};

/// The longest frame that either side may send, in bytes: as CometBFT has it.
pub(super) const MAX_FRAME: usize = 100 << 20;
/// How long the rest of a frame may take to begin, once its beginning has come.
const REST: Duration = Duration::from_secs(5);
/// What is set aside for a frame before its bytes have come.
const FIRST_BUFFER: usize = 64 << 10;

/// The frames of a request, and of the request to answer it at once.
pub(super) fn request(request: request::Value) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for value in [request, request::Value::Flush(Default::default())] {
        let request = Request { value: Some(value) };
        request.encode_length_delimited(&mut bytes).map_err(|error| Fault::Broken(error.to_string()))?;
    }
    Ok(bytes)
}

/// Waits for the next response as long as it takes; once it has begun, the rest must follow. `None` is a response of a kind that is not
/// in this version.
pub(super) fn receive(reader: &mut BufReader<Stream>) -> Result<Option<response::Value>, Fault> {
    if reader.fill_buf()?.is_empty() {
        return Err(Fault::Ended);
    }
    reader.get_ref().set_timeouts(Some(REST), None)?;
    let response = body(reader);
    reader.get_ref().set_timeouts(None, None)?;
    response
}

fn body(reader: &mut BufReader<Stream>) -> Result<Option<response::Value>, Fault> {
    let claimed = length(reader)?;
    let len = usize::try_from(claimed).ok().filter(|len| *len <= MAX_FRAME);
    let len = len.ok_or(Fault::TooLong { len: claimed, max: MAX_FRAME })?;
    // A length that is only claimed must not be allocated for.
    let mut bytes = Vec::with_capacity(len.min(FIRST_BUFFER));
    let read = reader.take(len as u64).read_to_end(&mut bytes);
    read.map_err(|error| stalled(error, format!("{} of {len} bytes", bytes.len())))?;
    if bytes.len() < len {
        return Err(Fault::Ended);
    }
    let no_response = |error: prost::DecodeError| Fault::NoResponse { len, reason: error.to_string() };
    Ok(Response::decode(&*bytes).map_err(no_response)?.value)
}

/// An unsigned varint: seven bits a byte, the lowest first.
fn length(reader: &mut BufReader<Stream>) -> Result<u64, Fault> {
    let mut len = 0_u64;
    for digit in 0..10 {
        let mut byte = [0];
        match reader.read(&mut byte) {
            Ok(0) => return Err(Fault::Ended),
            Ok(_) => {}
            Err(error) => return Err(stalled(error, format!("{digit} bytes of its length"))),
        }
        let bits = u64::from(byte[0] & 0x7f);
        if bits.checked_shl(7 * digit).map(|shifted| shifted >> (7 * digit)) != Some(bits) {
            return Err(Fault::NoLength);
        }
        len |= bits << (7 * digit);
        if byte[0] < 0x80 {
            return Ok(len);
        }
    }
    Err(Fault::NoLength)
}

fn stalled(error: io::Error, what: String) -> Fault {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Fault::Half { what, patience: REST },
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream};

    use tendermint_proto::v0_38::abci::{ResponseEcho, ResponseFlush};

    use super::*;

    /// What is read of these bytes, behind which the connection ends.
    fn read(bytes: &[u8]) -> Vec<Result<Option<response::Value>, Fault>> {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        drop(theirs);
        let mut reader = BufReader::new(Stream::Unix(ours));
        let mut found = Vec::new();
        loop {
            found.push(receive(&mut reader));
            if found.last().unwrap().is_err() {
                return found;
            }
        }
    }

    fn frame(value: response::Value) -> Vec<u8> {
        Response { value: Some(value) }.encode_length_delimited_to_vec()
    }

    #[test]
    fn frames_follow_one_another_and_end_with_the_connection() {
        let echo = response::Value::Echo(ResponseEcho { message: "x".repeat(100_000) });
        let flush = response::Value::Flush(ResponseFlush {});
        let bytes = [frame(echo.clone()), frame(flush.clone()), vec![0]].concat();
        let found = read(&bytes);
        assert_eq!(found, [Ok(Some(echo)), Ok(Some(flush)), Ok(None), Err(Fault::Ended)]);
        for cut in [1, 2, 3, 50_000, 100_005] {
            assert_eq!(read(&bytes[..cut]), [Err(Fault::Ended)], "after {cut} bytes");
        }
    }

    #[test]
    fn what_is_no_frame_is_named() {
        let too_long = |len| [Err(Fault::TooLong { len, max: MAX_FRAME })];
        assert_eq!(read(&[0x81, 0x80, 0x80, 0x32, 0]), too_long((100 << 20) + 1));
        assert_eq!(read(&[[0xff; 9].as_slice(), &[1]].concat()), too_long(u64::MAX));
        assert_eq!(read(&[0xff; 10]), [Err(Fault::NoLength)]);
        assert_eq!(read(&[[0xff; 9].as_slice(), &[2]].concat()), [Err(Fault::NoLength)]);
        let [Err(fault)] =
            &read(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")[..]
        else {
            panic!("one fault")
        };
        assert!(matches!(fault, Fault::NoResponse { len: 72, .. }), "{fault}");
        assert!(fault.to_string().ends_with("is it an ABCI application that listens there?"), "{fault}");
    }
}
