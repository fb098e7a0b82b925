//! Reads logs from beginning to end, as `replay` does: plain, `.gz`, `.zst` or stdin, in batches of whole lines.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;

use crate::sources::lines;

/// Bytes of a batch: enough to make calls rare, little enough to stay in the second cache beside all that is looked up for each line.
const BATCH_BYTES: usize = 96 << 10;
/// The longest line; what is longer is cut, as by the exporter.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Opens a log; `-` is stdin. `read` is told how many bytes of the file (compressed, if it is) were taken.
pub(super) fn open(path: &Path, read: impl Fn(u64) + 'static) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(Counted { inner: io::stdin().lock(), read }));
    }
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let file = Counted { inner: file, read };
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(BATCH_BYTES, file))),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(file).with_context(|| format!("open {}", path.display()))?),
        _ => Box::new(file),
    })
}

/// Hands over all lines in batches. `take` gets whole lines, how many of them were cut because they are too long, and the bytes that
/// they took up in the log; it hands back a buffer to use again.
pub(super) fn batches(mut log: impl Read, mut take: impl FnMut(Vec<u8>, u64, u64) -> anyhow::Result<Vec<u8>>) -> anyhow::Result<()> {
    // Both keep what they hold, so that hardly anything must be cleared before it is read into.
    let (mut buffer, mut spare) = (Vec::new(), Vec::new());
    // The beginning of a line whose end has not been read; the bytes of a line that is too long and left out.
    let (mut have, mut skipped, mut skipping) = (0, 0_u64, false);
    loop {
        buffer.resize(BATCH_BYTES, 0);
        let read = match log.read(&mut buffer[have..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context("read the log")?,
        };
        let mut filled = have + read;
        if skipping {
            let rest = memchr::memchr(b'\n', &buffer[..filled]).map_or(filled, |end| end + 1);
            skipping = rest == filled && !buffer[..filled].ends_with(b"\n") && read > 0;
            skipped += rest as u64;
            buffer.copy_within(rest..filled, 0);
            filled -= rest;
        }
        let mut end = if read == 0 { filled } else { lines::whole(&buffer[..filled]) };
        if end == 0 && filled == buffer.len() {
            // No end in a whole buffer: the line is cut here, and its rest skipped.
            end = filled;
            skipping = true;
        }
        if end > 0 {
            have = filled - end;
            spare.resize(BATCH_BYTES, 0);
            spare[..have].copy_from_slice(&buffer[end..filled]);
            std::mem::swap(&mut buffer, &mut spare);
            spare.truncate(end);
            let cut = lines::cut(&mut spare, MAX_LINE_BYTES);
            spare = take(std::mem::take(&mut spare), cut, end as u64 + std::mem::take(&mut skipped))?;
        } else {
            have = filled;
        }
        if read == 0 {
            if skipped > 0 {
                take(Vec::new(), 0, skipped)?;
            }
            return Ok(());
        }
    }
}

struct Counted<R, F> {
    inner: R,
    read: F,
}

impl<R: Read, F: Fn(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.read)(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most `step` bytes a read, as pipes and decoders do.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines_of(log: &[u8], step: usize) -> (Vec<Vec<u8>>, u64, u64) {
        let (mut all, mut cuts, mut bytes) = (Vec::new(), 0, 0);
        batches(Dribble(log, step), |batch, cut, taken| {
            all.extend(batch.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()));
            cuts += cut;
            bytes += taken;
            Ok(batch)
        })
        .unwrap();
        (all, cuts, bytes)
    }

    #[test]
    fn every_line_comes_once_however_the_bytes_come() {
        let log: Vec<u8> =
            (0..40_000).flat_map(|n| format!("line {n} {}\n", "x".repeat(n % 50)).into_bytes()).chain(*b"the last").collect();
        let expected: Vec<Vec<u8>> = log.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        for step in [1_000, 4_096, 131_072, usize::MAX] {
            let (lines, cuts, bytes) = lines_of(&log, step);
            assert!(lines == expected && cuts == 0 && bytes == log.len() as u64, "{step}");
        }
    }

    #[test]
    fn lines_that_are_too_long_are_cut_and_counted() {
        for length in [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1, 3 * BATCH_BYTES] {
            for end in ["\nafter\n", "\nafter", ""] {
                let log = format!("before\n{}{end}", "y".repeat(length));
                for step in [999, BATCH_BYTES] {
                    let (lines, cuts, bytes) = lines_of(log.as_bytes(), step);
                    assert_eq!(lines[0], b"before");
                    assert_eq!(lines[1].len(), MAX_LINE_BYTES, "{length} {end:?} {step}");
                    assert_eq!(lines.len(), if end.is_empty() { 2 } else { 3 }, "{length} {end:?} {step}");
                    assert_eq!((cuts, bytes), (u64::from(length > MAX_LINE_BYTES), log.len() as u64), "{length} {end:?} {step}");
                }
            }
        }
    }
}
