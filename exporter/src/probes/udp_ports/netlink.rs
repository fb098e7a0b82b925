//! Questions to the kernel's nf_tables over netlink, and its answers. The `nft` command answers the same in half a second where this takes
//! microseconds, since it reads all tables first.
//!
//! Numbers are those of linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.

use std::io;

use netlink_sys::{Socket, SocketAddr};

const NETLINK_NETFILTER: isize = 12;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFPROTO_INET: u8 = 1;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Of a message, and of what nfnetlink puts before the attributes, in bytes.
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;
/// An attribute's length and type, in bytes.
const ATTRIBUTE_HEADER: usize = 4;
/// The kernel's own flags in an attribute's type.
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// The largest answer in one piece: the kernel sends no more than 32 KiB.
const MAX_DATAGRAM: usize = 64 << 10;
/// The most pieces of one answer: two hundred times what a full set of sources needs.
const MAX_DATAGRAMS: usize = 8_192;
/// How often a question is asked again whose answer was overtaken by a change.
const TRIES: usize = 5;

const EPERM: i32 = 1;
const ENOENT: i32 = 2;

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Rules,
    Elements,
    Objects,
}

impl List {
    /// `NFT_MSG_GET…`; the answers are `NFT_MSG_NEW…`, one less.
    const fn question(self) -> u16 {
        NFNL_SUBSYS_NFTABLES << 8
            | match self {
                Self::Rules => 7,
                Self::Elements => 13,
                Self::Objects => 19,
            }
    }
}

/// Why the kernel gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// We may not ask.
    #[error("the capability CAP_NET_ADMIN is needed")]
    NotPermitted,
    /// What was asked for is not there.
    #[error("it is gone")]
    Gone,
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<i32> for Failure {
    fn from(errno: i32) -> Self {
        match errno {
            EPERM => Self::NotPermitted,
            ENOENT => Self::Gone,
            other => Self::Io(io::Error::from_raw_os_error(other)),
        }
    }
}

/// A line to the kernel.
pub(super) struct Netlink {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Netlink {
    /// Opens it. The kernel answers while it is asked: nothing here ever waits.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(MAX_DATAGRAM), sequence: 0 })
    }

    /// Lists things of the family `inet`, as far as the attributes (texts only) say which, and folds them into one answer.
    pub(super) fn list<T: Default>(
        &mut self,
        list: List,
        which: &[(u16, &str)],
        mut add: impl FnMut(&mut T, Attributes<'_>),
    ) -> Result<T, Failure> {
        for _ in 0..TRIES {
            let mut answer = T::default();
            if self.ask(list, which, &mut |attributes| add(&mut answer, attributes))? {
                return Ok(answer);
            }
        }
        Err(io::Error::other("somebody changes the tables all the time").into())
    }

    /// Whether the answer is of one moment.
    fn ask(&mut self, list: List, which: &[(u16, &str)], add: &mut dyn FnMut(Attributes<'_>)) -> Result<bool, Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send_to(&question(list.question(), self.sequence, which), &SocketAddr::new(0, 0), 0)?;
        let mut is_whole = true;
        for _ in 0..MAX_DATAGRAMS {
            self.buffer.clear();
            let length = self.socket.recv(&mut self.buffer, 0)?;
            let datagram = self.buffer.get(..length).ok_or_else(|| io::Error::other("an answer is too long"))?;
            for message in Messages(datagram).filter(|message| message.sequence == self.sequence) {
                is_whole &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE => return Ok(is_whole),
                    NLMSG_ERROR => return Err(errno(message.payload).into()),
                    kind if kind == list.question() - 1 => {
                        add(Attributes(message.payload.get(FAMILY_HEADER..).unwrap_or_default()));
                    }
                    _ => {}
                }
            }
        }
        Err(io::Error::other("an answer does not end").into())
    }
}

/// The positive number of an error.
fn errno(payload: &[u8]) -> i32 {
    payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)).saturating_neg()
}

fn question(kind: u16, sequence: u32, which: &[(u16, &str)]) -> Vec<u8> {
    let mut message = vec![0; HEADER];
    message.extend([NFPROTO_INET, 0, 0, 0]);
    for (kind, text) in which {
        // Names are ours, and short.
        let length = u16::try_from(ATTRIBUTE_HEADER + text.len() + 1).unwrap_or(u16::MAX);
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(text.as_bytes());
        message.push(0);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &sequence.to_ne_bytes()].concat();
    message.iter_mut().zip(head).for_each(|(byte, head)| *byte = head);
    message
}

/// The messages of a datagram, as far as they are whole.
struct Messages<'a>(&'a [u8]);

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (head, _) = self.0.split_first_chunk::<HEADER>()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *head;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        let (kind, flags) = (u16::from_ne_bytes([k0, k1]), u16::from_ne_bytes([f0, f1]));
        Some(Message { kind, flags, sequence: u32::from_ne_bytes([s0, s1, s2, s3]), payload })
    }
}

/// Attributes one behind the other, as far as they are whole: type and content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let [l0, l1, k0, k1] = *self.0.first_chunk::<ATTRIBUTE_HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let content = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & ATTRIBUTE_TYPE, content))
    }
}

impl<'a> Attributes<'a> {
    /// The content of the first attribute of a type.
    pub(super) fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find_map(|(of, content)| (of == kind).then_some(content))
    }

    /// The attributes within the first one of a type.
    pub(super) fn within(self, kind: u16) -> Attributes<'a> {
        Attributes(self.find(kind).unwrap_or_default())
    }

    /// The attributes within all of a type.
    pub(super) fn each_within(self, kind: u16) -> impl Iterator<Item = Attributes<'a>> {
        self.filter(move |(of, _)| *of == kind).map(|(_, content)| Attributes(content))
    }

    /// A text without the zero behind it.
    pub(super) fn text(self, kind: u16) -> Option<&'a str> {
        let text = self.find(kind)?;
        std::str::from_utf8(text.strip_suffix(&[0]).unwrap_or(text)).ok()
    }

    /// A number of 64 bits; 0 if it is not there.
    pub(super) fn number(self, kind: u16) -> u64 {
        self.find(kind).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An attribute as the kernel writes it.
    pub(in super::super) fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(ATTRIBUTE_HEADER + content.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// What stands in a message, as if it had come.
    pub(in super::super) fn attributes(bytes: &[u8]) -> Attributes<'_> {
        Attributes(bytes)
    }

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let bytes = question(List::Objects.question(), 7, &[(1, "table"), (2, "set")]);
        let messages: Vec<Message<'_>> = Messages(&bytes).collect();
        let [message] = &messages[..] else { panic!("{}", messages.len()) };
        assert_eq!((message.kind, message.flags, message.sequence), (0x0a13, 0x301, 7));
        let found = Attributes(&message.payload[FAMILY_HEADER..]);
        assert_eq!((found.text(1), found.text(2), found.text(3)), (Some("table"), Some("set"), None));
    }

    #[test]
    fn attributes_lie_in_each_other() {
        let inner = [attribute(1, &1_500_u64.to_be_bytes()), attribute(2, &[1, 2])].concat();
        // The kernel marks what holds others.
        let bytes = [attribute(9, b"name\0"), attribute(4 | 0x8000, &inner), attribute(4, &inner)].concat();
        let found = Attributes(&bytes);
        assert_eq!((found.text(9), found.within(4).number(1), found.within(4).number(2)), (Some("name"), 1_500, 0));
        assert_eq!((found.each_within(4).count(), found.within(5).count()), (2, 0));
    }

    #[test]
    fn broken_answers_end_and_harm_nobody() {
        let whole = question(1, 1, &[(1, "abc"), (2, "d")]);
        for cut in 0..whole.len() {
            assert_eq!(Messages(&whole[..cut]).count(), 0);
        }
        for lengths in [0_u16, 1, 3, 5, 200, u16::MAX] {
            let mut bytes = attribute(1, b"abcdefgh");
            bytes[..2].copy_from_slice(&lengths.to_ne_bytes());
            assert!(Attributes(&bytes).count() <= 2, "{lengths}");
            let mut message = whole.clone();
            message[..4].copy_from_slice(&u32::from(lengths).to_ne_bytes());
            assert!(Messages(&message).count() <= 1, "{lengths}");
        }
        assert_eq!((errno(&[]), errno(&(-2_i32).to_ne_bytes()), errno(&i32::MIN.to_ne_bytes())), (0, 2, i32::MAX));
    }
}
