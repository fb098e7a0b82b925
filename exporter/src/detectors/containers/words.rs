//! What findings about containers say: exit codes, times and spans in words.

/// What a look cannot tell from somebody's `docker stop`: ended by INT, KILL or TERM.
pub(super) fn is_commanded_code(code: i64) -> bool {
    matches!(code, 130 | 137 | 143)
}

/// What a finding rests on.
pub(super) fn evidence(code: Option<i64>, last_words: Option<&str>) -> Vec<String> {
    let code = code.map(|code| format!("ended with {}", code_in_words(code)));
    let words = last_words.map(|words| format!("its log: {words}"));
    code.into_iter().chain(words).collect()
}

/// What an exit code says: 125 to 127 are the container engine's and the shell's, above 128 it is the signal's number.
pub(super) fn code_in_words(code: i64) -> String {
    let meaning = match code {
        125 => "Docker could not run it",
        126 => "its command cannot be executed",
        127 => "its command was not found",
        129 => "hung up",
        130 => "interrupted",
        131 => "quit",
        132 => "illegal instruction",
        134 => "aborted",
        135 => "bus error",
        136 => "arithmetic error",
        137 => "killed",
        139 => "segmentation fault",
        141 => "broken pipe",
        143 => "terminated",
        159 => "forbidden system call",
        _ => return format!("exit code {code}"),
    };
    format!("exit code {code} ({meaning})")
}

/// `once`, `3 times`.
pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// `5 minutes`, `90 seconds`.
pub(super) fn minutes(secs: u64) -> String {
    if secs.is_multiple_of(60) && secs > 60 { format!("{} minutes", secs / 60) } else { format!("{secs} seconds") }
}
