//! Bytes to whole lines, and the longest line.

use memchr::{memchr, memrchr};

/// How many of the bytes are whole lines, their ends included.
pub(crate) fn whole(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or(0, |end| end + 1)
}

/// Cuts the lines of a block to `max` bytes and gives how many there were to cut.
///
/// A line that is too long leaves some window of `max + 1` bytes without a line end: looking for the last end in each window finds
/// it without looking at every line.
pub(crate) fn cut(block: &mut Vec<u8>, max: usize) -> u64 {
    let mut start = 0;
    while block.len() - start > max + 1 {
        match memrchr(b'\n', &block[start..=start + max]) {
            Some(end) => start += end + 1,
            None => return rewrite(block, max),
        }
    }
    // The last line may lack its end: then it can be one byte longer than the windows see.
    if block.len() - start > max && whole(&block[start..]) == 0 { rewrite(block, max) } else { 0 }
}

fn rewrite(block: &mut Vec<u8>, max: usize) -> u64 {
    let mut kept = Vec::with_capacity(block.len());
    let mut count = 0;
    let mut rest = block.as_slice();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(memchr(b'\n', rest).unwrap_or(rest.len()));
        let (end, after) = after.split_at(after.len().min(1));
        if line.len() > max {
            kept.extend_from_slice(&line[..max]);
            kept.push(b'\n');
            count += 1;
        } else {
            kept.extend_from_slice(line);
            kept.extend_from_slice(end);
        }
        rest = after;
    }
    *block = kept;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_end_behind_the_last_line_end() {
        assert_eq!(whole(b""), 0);
        assert_eq!(whole(b"ab"), 0);
        assert_eq!(whole(b"a\nb"), 2);
        assert_eq!(whole(b"a\nb\n"), 4);
    }

    #[test]
    fn cutting_agrees_with_looking_at_every_line() {
        let lengths = [0, 1, 2, 3, 4, 5, 6, 9, 20];
        for max in 1..7 {
            for first in lengths {
                for second in lengths {
                    for third in lengths {
                        for end in ["\n", ""] {
                            let text = format!("{}\n{}\n{}{end}", "a".repeat(first), "b".repeat(second), "c".repeat(third));
                            let mut block = text.clone().into_bytes();
                            let count = cut(&mut block, max);
                            let mut expected = Vec::new();
                            let mut long = 0;
                            for line in text.split_inclusive('\n') {
                                let body = line.trim_end();
                                expected.extend_from_slice(&body.as_bytes()[..body.len().min(max)]);
                                if body.len() > max || line.ends_with('\n') {
                                    expected.push(b'\n');
                                }
                                long += u64::from(body.len() > max);
                            }
                            assert_eq!((block, count), (expected, long), "{text:?} cut at {max}");
                        }
                    }
                }
            }
        }
    }
}
