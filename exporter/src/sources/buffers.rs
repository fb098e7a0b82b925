//! Buffers that go round while much is read: whoever is done with the lines gives their memory back to the reader. Memory of this size
//! would else go back to the kernel with each batch, and come from there again.

use std::sync::{Arc, Mutex, PoisonError};

use super::CHUNK_BYTES;

/// Buffers that wait at most.
const MAX_WAITING: usize = 8;

/// What the reader and those who take its batches share: buffers of the usual size. Where longer lines are allowed than fit into these,
/// each batch has memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer for about so many bytes.
    pub(super) fn take(&self, bytes: usize) -> Vec<u8> {
        // What is written while nobody is behind is small, and should not hold a large one.
        let waiting = (bytes > CHUNK_BYTES / 2).then(|| self.waiting(Vec::pop)).flatten();
        waiting.unwrap_or_default()
    }

    /// Takes back a buffer that nobody needs any more.
    pub fn give(&self, mut buffer: Vec<u8>) {
        if (CHUNK_BYTES..=2 * CHUNK_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.waiting(|waiting| {
                if waiting.len() < MAX_WAITING {
                    waiting.push(buffer);
                }
            });
        }
    }

    /// Frees those that wait: for now there is not much to read. What is still on its way comes back later, to be freed by the next sweep.
    pub(super) fn free(&self) {
        self.waiting(|waiting| *waiting = Vec::new());
    }

    fn waiting<T>(&self, change: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_ones_go_round_and_only_while_they_are_needed() {
        let buffers = Buffers::default();
        let sizes = |buffers: &Buffers| buffers.0.lock().unwrap().iter().map(Vec::capacity).collect::<Vec<_>>();
        for bytes in [0, 100, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES] {
            let mut buffer = Vec::with_capacity(bytes);
            buffer.extend(std::iter::repeat_n(b'x', bytes.min(10)));
            buffers.give(buffer);
        }
        assert_eq!(sizes(&buffers), [CHUNK_BYTES]);
        assert_eq!(buffers.take(100).capacity(), 0);
        let taken = buffers.take(CHUNK_BYTES);
        assert_eq!((taken.len(), taken.capacity()), (0, CHUNK_BYTES));
        assert_eq!(buffers.take(CHUNK_BYTES).capacity(), 0);
        (0..2 * MAX_WAITING).for_each(|_| buffers.give(Vec::with_capacity(CHUNK_BYTES)));
        assert_eq!(sizes(&buffers), [CHUNK_BYTES; MAX_WAITING]);
        buffers.free();
        assert_eq!(sizes(&buffers), [0; 0]);
    }
}
