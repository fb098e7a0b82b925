//! What happens to logs, one test each. The list is the specification.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use hostwarden::sources::Start;

use crate::rig::Rig;

/// A source of `a.log` that has read `one` and committed.
fn reading_a_log() -> Rig {
    let mut rig = Rig::new("a.log", Start::End);
    rig.poll();
    rig.append("a.log", "one\n");
    assert_eq!(rig.poll(), "one\n");
    rig.commit();
    rig
}

/// As above, and six bytes more were seen but neither read nor committed as read.
fn behind_in_a_log() -> Rig {
    let mut rig = reading_a_log();
    rig.append("a.log", "half a line");
    assert_eq!(rig.poll(), "");
    rig.commit();
    rig
}

// First sight.

#[test]
fn first_sight_begins_at_the_end_or_at_the_beginning() {
    for (start, expected) in [(Start::End, "two\n"), (Start::Beginning, "one\ntwo\n")] {
        let mut rig = Rig::new("a.log", start);
        rig.append("a.log", "one\n");
        let mut text = rig.poll();
        rig.append("a.log", "two\n");
        text += &rig.poll();
        assert_eq!(text, expected);
        assert_eq!(rig.engine.rotations, 0);
    }
}

#[test]
fn the_end_is_behind_the_last_whole_line() {
    let mut rig = Rig::new("a.log", Start::End);
    rig.append("a.log", &format!("one\n{}tw", "x".repeat(200_000)));
    assert_eq!(rig.poll(), "");
    rig.config.max_line_bytes = 1000;
    rig.append("a.log", "o\n");
    assert_eq!(rig.poll(), format!("{}\n", "x".repeat(1000)), "the line that was begun is not torn");
}

#[test]
fn later_files_are_read_whole_even_if_nothing_was_there_before() {
    for pattern in ["logs/a.log", "logs/*.log"] {
        let mut rig = Rig::new(pattern, Start::End);
        assert_eq!(rig.poll(), "");
        assert!(!rig.engine.status.up);
        assert!(rig.engine.status.caught_up, "a missing file holds nothing up");
        assert!(rig.engine.status.problem.as_ref().unwrap().ends_with("no such file or directory"));
        fs::create_dir(rig.path("logs")).unwrap();
        rig.append("logs/a.log", "one\n");
        assert_eq!(rig.poll(), "one\n");
        assert!(rig.engine.status.up);
        assert_eq!(rig.engine.status.problem, None);
    }
}

#[test]
fn files_that_appeared_while_we_were_down_are_read_whole() {
    let mut rig = Rig::new("*.log", Start::End);
    rig.append("a.log", "one\n");
    rig.poll();
    rig.append("b.log", "two\n");
    rig.restart();
    assert_eq!(rig.poll(), "two\n");
}

#[test]
fn another_pattern_is_a_first_sight_except_for_known_files() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.append("b.log", "old\n");
    rig.config.pattern = rig.config.pattern.replace("a.log", "*.log");
    rig.restart();
    assert_eq!(rig.poll(), "two\n");
}

#[test]
fn what_could_not_be_examined_was_there_all_the_time() {
    // Permissions do not stop root; a link to itself stops everybody.
    for pattern in ["logs/a.log", "logs/*.log"] {
        let mut rig = Rig::new(pattern, Start::End);
        rig.link("logs", "logs");
        rig.poll();
        assert!(!rig.engine.status.up);
        assert!(rig.engine.status.caught_up);
        rig.remove("logs");
        fs::create_dir(rig.path("logs")).unwrap();
        rig.append("logs/a.log", "one\n");
        assert_eq!(rig.poll(), "");
        rig.append("logs/a.log", "two\n");
        rig.append("logs/b.log", "");
        assert_eq!(rig.poll(), "two\n");
    }
}

#[test]
fn a_folder_whose_logs_cannot_be_opened_is_down_and_an_empty_one_is_not() {
    let mut rig = Rig::new("*.log", Start::End);
    rig.poll();
    assert!(rig.engine.status.up);
    assert!(rig.engine.status.problem.as_ref().unwrap().ends_with("no file is there yet"), "perhaps it is mistyped");
    rig.link("a.log", "a.log");
    rig.poll();
    assert!(!rig.engine.status.up);
    assert!(rig.engine.status.problem.as_ref().unwrap().starts_with("open "));
    rig.append("b.log", "one\n");
    rig.poll();
    assert!(rig.engine.status.up, "one that can be read is enough");
    assert!(rig.engine.status.problem.is_some());
}

#[test]
fn a_file_that_cannot_be_opened_for_a_while_is_weather() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.restart();
    let inode_keeper = File::open(rig.path("a.log")).unwrap();
    rig.rename("a.log", "b");
    rig.link("a.log", "a.log");
    rig.poll();
    assert!(!rig.engine.status.up);
    assert!(rig.engine.status.problem.as_ref().unwrap().starts_with("open "));
    rig.remove("a.log");
    rig.rename("b", "a.log");
    drop(inode_keeper);
    rig.append("a.log", "three\n");
    rig.poll();
    assert_eq!((rig.engine.read_bytes, rig.engine.lost_bytes, rig.engine.rotations), (14, 0, 0));
}

// Rotation.

#[test]
fn rename_and_create() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "three\n");
    assert_eq!(rig.poll(), "two\nthree\n");
    assert_eq!(rig.engine.rotations, 1);
    rig.append("a.log.1", "late\n");
    rig.append("a.log", "four\n");
    assert_eq!(rig.poll(), "late\nfour\n");
    assert_eq!(rig.settle(), "");
    assert_eq!((rig.engine.lost_bytes, rig.engine.rotations), (0, 1));
}

#[test]
fn a_last_line_without_its_end_is_waited_for_and_then_told() {
    let mut rig = reading_a_log();
    rig.append("a.log", "unfin");
    assert_eq!(rig.poll(), "");
    assert_eq!(rig.engine.status.lag_bytes, 5);
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "two\n");
    assert_eq!(rig.poll(), "two\n");
    rig.pass(9);
    rig.append("a.log.1", "ished");
    assert_eq!(rig.poll(), "");
    rig.pass(9);
    assert_eq!(rig.poll(), "", "it grew nine seconds ago");
    rig.pass(1);
    assert_eq!(rig.poll(), "unfinished<end>\n");
    assert_eq!(rig.engine.status.lag_bytes, 0);
}

#[test]
fn very_late_writes_are_read_and_never_twice() {
    let mut rig = reading_a_log();
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "two\n");
    rig.settle();
    rig.append("a.log.1", "very late\n");
    assert_eq!(rig.poll(), "very late\n");
    rig.settle();
    rig.restart();
    rig.append("a.log.1", "later still\n");
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "three\n");
    assert_eq!(rig.settle(), "later still\nthree\n");
    rig.pack("a.log.2", "gz");
    rig.restart();
    assert_eq!(rig.settle(), "");
}

#[test]
fn several_rotations_between_two_looks() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    for text in ["three\n", "four\n", "five\n"] {
        rig.rename_if_there("a.log.2", "a.log.3");
        rig.rename_if_there("a.log.1", "a.log.2");
        rig.rename("a.log", "a.log.1");
        rig.append("a.log", text);
    }
    assert_eq!(rig.poll(), "two\nthree\nfour\nfive\n");
    assert_eq!((rig.engine.rotations, rig.engine.lost_bytes), (3, 0));
}

#[test]
fn several_rotations_while_we_were_down_with_the_old_ones_packed() {
    for ending in ["gz", "zst"] {
        let mut rig = reading_a_log();
        rig.append("a.log", "two\n");
        rig.rename("a.log", "a.log.3");
        rig.append("a.log.2", "three\n");
        rig.append("a.log.1", "four\n");
        rig.append("a.log", "five\n");
        rig.pack("a.log.3", ending);
        rig.pack("a.log.2", ending);
        rig.restart();
        assert_eq!(rig.poll(), "two\nthree\nfour\nfive\n");
        assert_eq!((rig.engine.rotations, rig.engine.lost_bytes), (3, 0));
        rig.commit();
        rig.crash();
        assert_eq!(rig.settle(), "");
    }
}

#[test]
fn rotated_by_date() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.rename("a.log", "a.log-20261120");
    rig.append("a.log-20261121", "three\n");
    rig.append("a.log", "four\n");
    rig.restart();
    assert_eq!(rig.poll(), "two\nthree\nfour\n");
}

#[test]
fn what_lay_beside_the_log_before_is_never_read() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log.2", "ancient\n");
    rig.append("a.log.1", "old\n");
    rig.append("a.log", "one\n");
    assert_eq!(rig.poll(), "one\n");
    rig.restart();
    rig.rename("a.log.2", "a.log.3");
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "two\n");
    assert_eq!(rig.poll(), "two\n");
    rig.remove("a.log");
    rig.append("a.log", "three\n");
    rig.restart();
    assert_eq!(rig.settle(), "three\n");
}

#[test]
fn a_file_beside_its_archive_is_read_once() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.rename("a.log", "a.log.1");
    rig.copy("a.log.1", "a.log.1x");
    rig.pack("a.log.1x", "gz");
    rig.rename("a.log.1x.gz", "a.log.1.gz");
    rig.append("a.log", "three\n");
    rig.restart();
    assert_eq!(rig.poll(), "two\nthree\n");
    rig.remove("a.log.1");
    rig.restart();
    assert_eq!(rig.settle(), "");
}

// Copy and truncate.

#[test]
fn copytruncate_with_everything_read() {
    let mut rig = reading_a_log();
    rig.copy("a.log", "a.log.1");
    rig.truncate("a.log");
    rig.append("a.log", "two\n");
    assert_eq!(rig.settle(), "two\n");
    assert_eq!((rig.engine.rotations, rig.engine.lost_bytes), (1, 0));
}

#[test]
fn copytruncate_with_an_unread_rest_reads_it_from_the_copy() {
    for (down, packed) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut rig = reading_a_log();
        rig.append("a.log", "two\nthree\n");
        rig.copy("a.log", "a.log.1");
        rig.truncate("a.log");
        rig.append("a.log", "four\n");
        if packed {
            rig.pack("a.log.1", "gz");
        }
        if down {
            rig.restart();
        }
        assert_eq!(rig.settle(), "two\nthree\nfour\n", "{down} {packed}");
        assert_eq!((rig.engine.rotations, rig.engine.lost_bytes, rig.engine.read_bytes), (1, 0, 19));
    }
}

#[test]
fn copytruncate_refilled_beyond_our_place() {
    let mut rig = reading_a_log();
    rig.truncate("a.log");
    rig.append("a.log", "something much longer than what was there\n");
    assert_eq!(rig.settle(), "something much longer than what was there\n");
    assert_eq!(rig.engine.rotations, 1);
}

#[test]
fn truncated_without_a_copy_counts_what_was_seen_and_is_lost() {
    for down in [false, true] {
        let mut rig = behind_in_a_log();
        rig.truncate("a.log");
        rig.append("a.log", "two\n");
        if down {
            rig.restart();
        }
        assert_eq!(rig.settle(), "two\n");
        assert_eq!((rig.engine.rotations, rig.engine.lost_bytes, rig.engine.read_bytes), (1, 11, 8), "{down}");
    }
}

#[test]
fn a_copy_made_too_early_has_no_more_than_it_has() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.copy("a.log", "a.log.1");
    rig.append("a.log", "three\nfour");
    rig.share = 1;
    rig.restart();
    // Seen to the end, but read only so far.
    rig.config.max_line_bytes = 3;
    rig.restart();
    assert!(rig.turn());
    assert_eq!(rig.engine.text, "two\n");
    rig.truncate("a.log");
    rig.settle();
    assert_eq!((rig.engine.read_bytes, rig.engine.lost_bytes), (8, 10));
}

#[test]
fn a_copy_that_is_longer_than_what_we_read_and_a_writer_in_between() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.copy("a.log", "a.log.1");
    rig.append("a.log", "three\n");
    assert_eq!(rig.poll(), "two\nthree\n");
    rig.truncate("a.log");
    rig.append("a.log", "four\n");
    assert_eq!(rig.settle(), "four\n", "the copy holds nothing new");
    rig.rename("a.log.1", "a.log.2");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "five\n");
    rig.restart();
    assert_eq!(rig.settle(), "five\n", "and is known for ever");
    assert_eq!(rig.engine.lost_bytes, 0);
}

#[test]
fn an_empty_file_that_was_filled_and_copied_away_between_two_looks() {
    let mut rig = reading_a_log();
    rig.copy("a.log", "a.log.1");
    rig.truncate("a.log");
    rig.poll();
    rig.append("a.log", "two\n");
    rig.rename("a.log.1", "a.log.2");
    rig.copy("a.log", "a.log.1");
    rig.truncate("a.log");
    rig.append("a.log", "three\n");
    assert_eq!(rig.settle(), "two\nthree\n");
}

#[test]
fn zeros_before_the_log_are_no_log() {
    // A writer that does not append goes on at its old place in the truncated file. The hole is larger than what could be read through.
    let mut rig = reading_a_log();
    rig.truncate("a.log");
    let file = File::options().write(true).open(rig.path("a.log")).unwrap();
    file.write_all_at(b"two\n", 1 << 40).unwrap();
    rig.touch(&file);
    let batches = rig.engine.batches;
    assert_eq!(rig.poll(), "two\n");
    assert!(rig.engine.batches < batches + 5);
    file.write_all_at(b"three\n", (1 << 40) + 1_000_000).unwrap();
    assert_eq!(rig.poll(), "three\n", "nor are zeros within it");
    assert_eq!((rig.engine.read_bytes, rig.engine.lost_bytes, rig.engine.status.lag_bytes), (14, 0, 0));
    rig.restart();
    file.write_all_at(b"four\n", (1 << 40) + 1_000_006).unwrap();
    assert_eq!(rig.settle(), "four\n");
}

// Deletion.

#[test]
fn deleted_and_created_anew() {
    let mut rig = reading_a_log();
    rig.append("a.log", "two\n");
    rig.remove("a.log");
    rig.append("a.log", "three\n");
    assert_eq!(rig.settle(), "two\nthree\n", "the deleted file was still open");
    assert_eq!((rig.engine.rotations, rig.engine.lost_bytes), (1, 0));
}

#[test]
fn deleted_and_created_anew_with_the_same_inode_number_while_we_were_down() {
    // A file system that uses numbers again gives the same one; one that does not tests the same with another.
    let mut rig = behind_in_a_log();
    drop(std::mem::replace(&mut rig.source, Rig::new("x", Start::End).source));
    rig.remove("a.log");
    rig.append("a.log", "something else, and more of it\n");
    rig.restart();
    assert_eq!(rig.settle(), "something else, and more of it\n");
    assert_eq!((rig.engine.rotations, rig.engine.lost_bytes), (1, 11));
}

#[test]
fn deleted_for_good_while_we_were_down() {
    let mut rig = behind_in_a_log();
    rig.restart();
    rig.remove("a.log");
    assert_eq!(rig.poll(), "");
    assert_eq!(rig.engine.lost_bytes, 0, "perhaps a file system is not mounted yet");
    assert!(rig.engine.status.caught_up);
    assert_eq!(rig.settle(), "");
    assert_eq!(rig.engine.lost_bytes, 11);
    rig.restart();
    assert_eq!(rig.settle(), "");
    assert_eq!(rig.engine.lost_bytes, 11, "counted once");
}

#[test]
fn a_directory_that_is_mounted_late_is_not_read_again() {
    let mut rig = Rig::new("logs/a.log", Start::Beginning);
    fs::create_dir(rig.path("logs")).unwrap();
    rig.append("logs/a.log", "one\n");
    rig.poll();
    rig.restart();
    rig.rename("logs", "elsewhere");
    rig.settle();
    rig.rename("elsewhere", "logs");
    rig.append("logs/a.log", "two\n");
    assert_eq!(rig.settle(), "two\n");
    assert_eq!(rig.engine.lost_bytes, 0);
}

// Names.

#[test]
fn a_link_that_is_turned_and_turned_back() {
    let mut rig = Rig::new("current.log", Start::Beginning);
    rig.append("blue.txt", "one\n");
    rig.link("blue.txt", "current.log");
    assert_eq!(rig.poll(), "one\n");
    rig.append("blue.txt", "two\n");
    rig.append("green.txt", "three\n");
    rig.link("green.txt", "current.log");
    assert_eq!(rig.poll(), "two\nthree\n", "the old target first, to its end");
    rig.settle();
    rig.restart();
    rig.append("blue.txt", "four\n");
    rig.link("blue.txt", "current.log");
    assert_eq!(rig.settle(), "four\n");
}

#[test]
fn a_link_that_was_turned_while_we_were_down() {
    let mut rig = Rig::new("current/a.log", Start::Beginning);
    for (release, text) in [("1", "one\n"), ("2", "three\n")] {
        fs::create_dir(rig.path(release)).unwrap();
        rig.append(&format!("{release}/a.log"), text);
    }
    rig.link("1", "current");
    assert_eq!(rig.poll(), "one\n");
    rig.append("1/a.log", "two\n");
    rig.link("2", "current");
    rig.restart();
    assert_eq!(rig.settle(), "two\nthree\n");
}

#[test]
fn a_known_file_under_another_name_is_the_same_file() {
    let mut rig = Rig::new("*.log", Start::Beginning);
    rig.append("a.log", "one\n");
    assert_eq!(rig.poll(), "one\n");
    rig.rename("a.log", "b.log");
    rig.append("b.log", "two\n");
    assert_eq!(rig.poll(), "two\n");
    rig.link("b.log", "c.log");
    rig.restart();
    assert_eq!(rig.poll(), "");
    rig.append("b.log", "three\n");
    assert_eq!(rig.poll(), "three\n");
    assert_eq!(rig.engine.status.files, 1);
}

#[test]
fn rotated_names_are_not_live_under_a_glob() {
    let mut rig = Rig::new("*", Start::Beginning);
    for name in ["a.log.1", "a.log-20261121", "a.log.gz", "a.log.2.zst", "a.log.bz2", "a.log.xz", "a.log.old"] {
        rig.append(name, "old\n");
    }
    rig.append("a.log", "one\n");
    assert_eq!(rig.poll(), "one\n");
    assert_eq!(rig.engine.status.files, 1);
    let mut rig = Rig::new("a.log.1", Start::Beginning);
    rig.append("a.log.1", "one\n");
    assert_eq!(rig.poll(), "one\n", "but a path is meant");
}

#[test]
fn only_files_hold_logs() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    for kind in ["directory", "named pipe"] {
        match kind {
            "directory" => fs::create_dir(rig.path("a.log")).unwrap(),
            _ => rustix::fs::mknodat(rustix::fs::CWD, rig.path("a.log"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap(),
        }
        assert_eq!(rig.poll(), "");
        assert!(rig.engine.status.problem.as_ref().unwrap().ends_with(&format!("a.log: not a file but a {kind}")));
        assert!(rig.engine.status.caught_up && !rig.engine.status.up);
        rig.rename("a.log", kind);
    }
    rig.append("a.log", "one\n");
    assert_eq!(rig.poll(), "one\n");
    assert_eq!(rig.engine.status.problem, None);
}

// Lines.

#[test]
fn lines_that_are_too_long_are_cut_and_survive_a_crash_in_their_middle() {
    let mut rig = reading_a_log();
    rig.append("a.log", &"x".repeat(300_000));
    assert_eq!(rig.poll(), "");
    assert_eq!(rig.engine.cut_lines, 0, "not before it has ended");
    rig.commit();
    rig.crash();
    rig.append("a.log", &format!("{}\ntwo\n{}\nthree", "y".repeat(300_000), "z".repeat(1001)));
    assert_eq!(rig.poll(), format!("{}\ntwo\n{}\n", "x".repeat(1000), "z".repeat(1000)));
    assert_eq!((rig.engine.cut_lines, rig.engine.read_bytes), (2, 4 + 600_001 + 4 + 1002));
    rig.append("a.log", &"3".repeat(2000));
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "four\n");
    assert_eq!(rig.settle(), format!("four\nthree{}\n", "3".repeat(995)));
    assert_eq!((rig.engine.cut_lines, rig.engine.read_bytes), (3, 4 + 600_001 + 4 + 1002 + 2005 + 5));
}

#[test]
fn lines_in_archives_are_cut_too() {
    let mut rig = reading_a_log();
    rig.append("a.log", &format!("{}\ntwo\nthree", "x".repeat(500_000)));
    rig.rename("a.log", "a.log.1");
    rig.pack("a.log.1", "zst");
    rig.append("a.log", "four\n");
    rig.restart();
    assert_eq!(rig.settle(), format!("{}\ntwo\nthree<end>\nfour\n", "x".repeat(1000)));
    assert_eq!((rig.engine.cut_lines, rig.engine.read_bytes), (1, 4 + 500_001 + 4 + 5 + 5));
}

#[test]
fn a_broken_archive_gives_what_it_has_and_the_rest_is_lost() {
    let mut rig = reading_a_log();
    let text: String = (0..20_000_u32).map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761))).collect();
    rig.append("a.log", &text);
    rig.share = 70_000;
    rig.restart();
    rig.turn();
    let read = rig.engine.text.len();
    assert!(read > 4 && read < text.len());
    rig.engine.text.clear();
    rig.restart();
    rig.rename("a.log", "a.log.1");
    rig.pack("a.log.1", "gz");
    let packed = fs::read(rig.path("a.log.1.gz")).unwrap();
    fs::write(rig.path("a.log.1.gz"), &packed[..packed.len() * 3 / 4]).unwrap();
    rig.append("a.log", "two\n");
    let rest = rig.settle();
    let (rest, two) = rest.split_at(rest.len() - 4);
    assert_eq!(two, "two\n");
    let rest = rest.trim_end_matches("<end>\n");
    assert!(text[read..].starts_with(rest) && rest.len() > 10_000);
    assert_eq!(rig.engine.lost_bytes, (text.len() - read - rest.len()) as u64);
    assert_eq!(rig.engine.read_bytes + rig.engine.lost_bytes, 4 + text.len() as u64 + 4);
}

// Fairness and limits.

#[test]
fn a_busy_file_does_not_starve_the_others() {
    let mut rig = Rig::new("*.log", Start::Beginning);
    rig.share = 1000;
    rig.restart();
    rig.append("a.log", &"aaaaaaaaa\n".repeat(1000));
    rig.append("b.log", "bbb\n");
    rig.append("c.log", "ccc\n");
    let turns = (0..100_000).take_while(|_| rig.turn() && !(rig.engine.text.contains("bbb") && rig.engine.text.contains("ccc"))).count();
    assert!(turns < 5, "{turns}");
    assert!(!rig.engine.status.caught_up);
    rig.poll();
    assert!(rig.engine.status.caught_up);
    assert_eq!(rig.engine.read_bytes, 10_008);
}

#[test]
fn status_is_told_only_when_it_changed() {
    let mut rig = reading_a_log();
    let batches = rig.engine.batches;
    for _ in 0..10 {
        rig.pass(1);
        rig.poll();
    }
    assert_eq!(rig.engine.batches, batches);
    assert_eq!(rig.engine.status.files, 1);
}

#[test]
fn nothing_goes_on_when_nobody_listens() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.share = 100;
    rig.restart();
    rig.append("a.log", &"line\n".repeat(10_000));
    let mut batches = 0;
    let poll = rig.source.poll(rig.now, &mut |_| {
        batches += 1;
        false
    });
    assert_eq!((batches, poll.more), (1, false));
}

#[test]
fn finished_files_are_forgotten_in_the_end() {
    let mut rig = reading_a_log();
    for number in 0..100 {
        rig.remove("a.log");
        rig.append("a.log", &format!("{number}\n"));
        rig.pass(11);
        rig.poll();
    }
    rig.settle();
    assert!(rig.engine.bookmarks.len() <= 65, "{}", rig.engine.bookmarks.len());
    assert_eq!((rig.engine.rotations, rig.engine.lost_bytes), (100, 0));
}
