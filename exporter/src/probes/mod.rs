//! What is looked at on the machine itself, beside its logs: so far [`surroundings`].

pub mod surroundings;
