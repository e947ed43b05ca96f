use tokio::io::AsyncReadExt;

use super::*;

/// What is read of these bytes, however they are cut.
async fn read(bytes: &[u8]) -> String {
    let whole = read_cut(bytes, bytes.len()).await;
    for cut in 0..bytes.len().min(300) {
        assert_eq!(read_cut(bytes, cut).await, whole, "cut at {cut}");
    }
    whole
}

async fn read_cut(bytes: &[u8], cut: usize) -> String {
    let (head, tail) = bytes.split_at(cut);
    let mut quotes = Quotes::new(head.chain(tail));
    let (mut all, mut some) = (Vec::new(), [0; 7]);
    loop {
        match quotes.read(&mut some).await.unwrap() {
            0 => return String::from_utf8(all).unwrap(),
            n => all.extend(&some[..n]),
        }
    }
}

#[tokio::test]
async fn the_line_of_each_request_is_changed_and_no_body() {
    let line = "GET /?a=\"b<c>\" HTTP/1.1\r\n";
    let changed = "GET /?a=%22b%3Cc%3E%22 HTTP/1.1\r\n";
    for between in [
        "Host: \"x\"\r\n\r\n",
        "\r\n",
        "\n",
        "\r\n\r\n\r\n",
        "content-LENGTH:  17 \r\nHost: x\r\n\r\n{\"a\":\"\n<b>\r\n\r\n\"}",
        "Transfer-Encoding: chunked\r\n\r\n5;\"x\"\r\n\"ab\r\n\r\n1\r\n<\r\n0\r\n\"t\": >\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let bytes = format!("{line}{between}{line}{between}{line}");
        let expected = format!("{changed}{between}{changed}{between}{changed}");
        assert_eq!(read(bytes.as_bytes()).await, expected, "{between:?}");
    }
}

#[tokio::test]
async fn all_that_follows_a_change_of_the_protocol_passes() {
    let bytes = "GET /websocket HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n\"<\r\n\r\n\">";
    assert_eq!(read(bytes.as_bytes()).await, bytes);
    // So long that its end is not looked at here, and is by the server.
    let long = format!("Content-Length: {}17", "0".repeat(60));
    for odd in [
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: 99999999999999999999",
        "Content-Length: -1",
        &long,
    ] {
        let bytes = format!("POST / HTTP/1.1\r\n{odd}\r\n\r\n\"");
        assert_eq!(read(bytes.as_bytes()).await, bytes);
    }
}

#[tokio::test]
async fn a_long_line_is_changed_in_pieces() {
    let line = "\"".repeat(3 * CHUNK);
    assert_eq!(read_cut(line.as_bytes(), 1).await, "%22".repeat(3 * CHUNK));
}
