//! What happens to logs, one test each. The list is the specification.

use hostwarden::sources::Start;

use crate::rig::Rig;

/// A source of `a.log` that has read `one` and is caught up.
fn reading_a_log() -> Rig {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "one\n");
    assert_eq!(rig.poll(), "one\n");
    rig.commit();
    rig
}

#[test]
fn first_sight_begins_at_the_end_or_at_the_beginning() {
    for (start, expected) in [(Start::End, "two\n"), (Start::Beginning, "one\ntwo\n")] {
        let mut rig = Rig::new("a.log", start);
        rig.append("a.log", "one\n");
        let mut text = rig.poll();
        rig.append("a.log", "two\n");
        text += &rig.poll();
        assert_eq!(text, expected);
    }
}

#[test]
fn rename_and_create() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "three\n");
    assert_eq!(rig.poll(), "two\nthree\n");
    rig.append("a.log.1", "late\n");
    rig.append("a.log", "four\n");
    assert_eq!(rig.poll(), "late\nfour\n");
    assert_eq!(rig.engine.rotations, 1);
    assert_eq!(rig.settle(), "");
    assert_eq!(rig.engine.lost_bytes, 0);
}
