//! The kernel's tables of sockets (`/proc/net/tcp` and the like), read to their end and not beyond: each read that finds the end makes the
//! kernel look through all places for connections that it has, which takes milliseconds on a machine with much memory, however few
//! there are. Up to two of three such looks are spared here.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The kernel hands out whole lines, as many as fit into a page of memory or into what is asked for: less than that is the end.
const PAGE_BYTES: usize = 4096;
/// No line is longer.
const LINE_BYTES: usize = 256;

/// One of the tables.
pub(super) struct SocketTable<R> {
    table: R,
    is_over: bool,
}

impl SocketTable<File> {
    /// Opens a table.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        Ok(Self { table: File::open(file)?, is_over: false })
    }
}

impl<R: Read> Read for SocketTable<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_over {
            return Ok(0);
        }
        let length = self.table.read(into)?;
        self.is_over = length + LINE_BYTES < into.len().min(PAGE_BYTES);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Hands out lines as the kernel does, and counts how often it is asked.
    struct Kernel {
        lines: usize,
        reads: usize,
    }

    impl Read for Kernel {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.reads += 1;
            let lines = (into.len().min(PAGE_BYTES) / 150).min(self.lines);
            self.lines -= lines;
            into[..lines * 150].fill(b'x');
            Ok(lines * 150)
        }
    }

    #[test]
    fn nobody_asks_for_more_than_the_end() {
        for (lines, expected) in [(1, 1), (24, 1), (26, 2), (27, 2), (28, 2), (54, 3), (100, 4)] {
            let mut table = SocketTable { table: Kernel { lines, reads: 0 }, is_over: false };
            let mut text = Vec::with_capacity(100_000);
            table.read_to_end(&mut text).unwrap();
            assert_eq!((text.len(), table.table.reads), (lines * 150, expected), "{lines} lines");
        }
    }

    /// With as many connections as fill several pages, and reads of any length.
    #[test]
    fn a_table_is_read_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ours = format!(" 0100007F:{:04X} ", address.port());
        let mut connections = Vec::new();
        for count in [0, 1, 26, 27, 28, 60, 200] {
            while connections.len() < count {
                let near = TcpStream::connect(address).unwrap();
                connections.push((near, listener.accept().unwrap().0));
            }
            for capacity in [0, 300, 4_096, 8_192, 100_000] {
                let mut table = SocketTable::open(Path::new("/proc/self/net/tcp")).unwrap();
                let mut text = Vec::with_capacity(capacity);
                table.read_to_end(&mut text).unwrap();
                let text = String::from_utf8(text).unwrap();
                // The listener, and both ends of each connection.
                assert_eq!(text.matches(&ours).count(), 1 + 2 * count, "{count} connections, {capacity} bytes");
                assert!(text.lines().all(|line| line.len() < LINE_BYTES));
            }
        }
    }
}
