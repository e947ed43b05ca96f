//! Where the requests of an HTTP/1.1 connection begin and end. Byte by byte but for bodies whose length was told, and no more of it than
//! that takes: what is malformed is the HTTP server's to refuse.

/// Bytes of a header that are kept: enough for the names and values that say how long a body is.
const MAX_HEADER: usize = 64;

/// Follows the bytes of a connection.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    body: Body,
    /// The beginning of the header at hand, in lower case.
    header: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before a request or in its first line; `begun` once there is more than line ends.
    Line { begun: bool },
    /// In the headers.
    Head,
    /// In a body of which so much is left.
    Body(u64),
    /// In the line that begins a chunk, with its length as far as it was read. Whatever is not a digit ends it.
    ChunkLine { len: u64, ended: bool },
    /// In a chunk, and the line end behind it.
    Chunk(u64),
    /// Behind the last chunk; `empty` is a line in which nothing was yet.
    Trailer { empty: bool },
    /// Another protocol speaks, or HTTP will end the connection.
    Past,
}

/// What follows a request's head, as far as its headers have told.
#[derive(Debug, Clone, Copy)]
enum Body {
    Length(u64),
    Chunked,
    Past,
}

const BEFORE: State = State::Line { begun: false };

impl Default for Framing {
    fn default() -> Self {
        Self { state: BEFORE, body: Body::Length(0), header: Vec::new() }
    }
}

impl Framing {
    /// Whether no byte will be of a first line any more.
    pub(super) fn is_past_all(&self) -> bool {
        matches!(self.state, State::Past)
    }

    /// How many of the next bytes are surely of a body.
    pub(super) fn sure(&self) -> u64 {
        match self.state {
            State::Body(left) => left,
            _ => 0,
        }
    }

    /// Passes over bytes of a body: not more than are [`Self::sure`].
    pub(super) fn pass(&mut self, count: u64) {
        if let State::Body(left) = self.state {
            self.state = if count < left { State::Body(left - count) } else { BEFORE };
        }
    }

    /// Takes the next byte; tells whether it is of the first line of a request.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let in_line = matches!(self.state, State::Line { .. });
        self.state = match self.state {
            State::Line { begun: false } if byte == b'\r' || byte == b'\n' => BEFORE,
            State::Line { .. } if byte == b'\n' => {
                self.body = Body::Length(0);
                self.header.clear();
                State::Head
            }
            State::Line { .. } => State::Line { begun: true },
            State::Head => self.head(byte),
            State::Body(1) => BEFORE,
            State::Body(left) => State::Body(left - 1),
            State::ChunkLine { len, ended } => chunk_line(len, ended, byte),
            State::Chunk(1) => State::ChunkLine { len: 0, ended: false },
            State::Chunk(left) => State::Chunk(left - 1),
            State::Trailer { empty: true } if byte == b'\n' => BEFORE,
            State::Trailer { empty } => State::Trailer { empty: byte == b'\n' || empty && byte == b'\r' },
            State::Past => State::Past,
        };
        in_line
    }

    fn head(&mut self, byte: u8) -> State {
        match byte {
            b'\r' => {}
            b'\n' if self.header.is_empty() => {
                return match self.body {
                    Body::Length(0) => BEFORE,
                    Body::Length(len) => State::Body(len),
                    Body::Chunked => State::ChunkLine { len: 0, ended: false },
                    Body::Past => State::Past,
                };
            }
            b'\n' => {
                self.read_header();
                self.header.clear();
            }
            byte if self.header.len() < MAX_HEADER => self.header.push(byte.to_ascii_lowercase()),
            _ => {}
        }
        State::Head
    }

    fn read_header(&mut self) {
        let is_whole = self.header.len() < MAX_HEADER;
        let header = String::from_utf8_lossy(&self.header);
        let Some((name, value)) = header.split_once(':') else { return };
        let value = value.trim();
        self.body = match (name, self.body) {
            (_, Body::Past) | ("upgrade", _) => Body::Past,
            // The server reads what was cut off here: the two would not agree on where the body ends.
            ("transfer-encoding" | "content-length", _) if !is_whole => Body::Past,
            ("transfer-encoding", _) if value == "chunked" => Body::Chunked,
            // What else there may be before the chunks is no affair of clients here.
            ("transfer-encoding", _) => Body::Past,
            ("content-length", Body::Length(_)) => value.parse().map_or(Body::Past, Body::Length),
            (_, body) => body,
        };
    }
}

fn chunk_line(len: u64, ended: bool, byte: u8) -> State {
    match byte {
        b'\n' if len == 0 => State::Trailer { empty: true },
        // The line end behind a chunk's bytes is two.
        b'\n' => len.checked_add(2).map_or(State::Past, State::Chunk),
        _ => match (byte as char).to_digit(16).filter(|_| !ended) {
            Some(digit) => match len.checked_mul(16).and_then(|len| len.checked_add(digit.into())) {
                Some(len) => State::ChunkLine { len, ended },
                None => State::Past,
            },
            None => State::ChunkLine { len, ended: true },
        },
    }
}
