//! Names that give SQL away: functions that wait or read files, procedures of the system, catalogues.

/// Functions that make the database wait, by themselves or as a side effect.
pub(super) fn is_delay(word: &[u8]) -> bool {
    word == b"sleep" || is_telling_function(word)
}

/// Procedures of SQL Server that run commands or change settings.
pub(super) fn is_system_procedure(word: &[u8]) -> bool {
    let name = memchr::memrchr(b'.', word).map_or(word, |at| &word[at + 1..]);
    name.starts_with(b"xp_") && name.len() > 5
        || matches!(name, b"sp_executesql" | b"sp_oacreate" | b"sp_password" | b"sp_makewebtask" | b"sp_configure" | b"sp_addlogin")
}

/// Where databases list their tables and users (MySQL, PostgreSQL, Oracle, SQL Server, SQLite, Firebird, DB2).
pub(super) fn is_catalogue(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"information_schema.",
        b"mysql.user",
        b"mysql.db",
        b"pg_catalog.",
        b"pg_shadow",
        b"pg_user.",
        b"sqlite_master",
        b"sqlite_schema",
        b"sysibm.",
        b"sysobjects",
        b"syscolumns",
        b"sysdatabases",
        b"master..",
        b"master.dbo",
        b"master.sys",
        b"all_tab_columns",
        b"user_tab_columns",
        b"dba_users",
        b"rdb$",
        b"msysaccessobjects",
        b"sys.objects",
        b"sys.databases",
    ];
    NAMES.iter().any(|name| word.starts_with(name))
}

/// Functions that nobody types into a form: they wait, fail on purpose, or reach the files and network of the database's machine.
pub(super) fn is_telling_function(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"benchmark",
        b"pg_sleep",
        b"load_file",
        b"extractvalue",
        b"updatexml",
        b"randomblob",
        b"regexp_substring",
        b"xmltype",
        b"utl_inaddr.",
        b"utl_http.",
        b"httpuritype",
        b"dbms_",
        b"user_lock.sleep",
        b"ctxsys.",
        b"json_extract",
        b"json_depth",
        b"generate_series",
        b"make_set",
        b"elt",
        b"row_count",
        b"found_rows",
        b"pg_read_file",
        b"lo_import",
        b"load_extension",
        b"openrowset",
        b"opendatasource",
        b"fn_varbintohexstr",
        b"geometrycollection",
        b"multipoint",
        b"polygon",
        b"linestring",
        b"gtid_subset",
        b"exp(~",
        b"name_const",
        b"sys_context",
        b"bfilename",
        b"dblink",
        b"pg_ls_dir",
        b"xmlagg",
        b"current_setting",
        b"quote_literal",
        b"cdb_",
        b"sys.fn_",
    ];
    let prefix = |name: &&&[u8]| word == **name || (name.ends_with(b".") || name.ends_with(b"_")) && word.starts_with(name);
    NAMES.iter().any(|name| prefix(&name))
}
