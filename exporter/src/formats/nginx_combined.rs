//! nginx `combined`.
