//! What a rule is: the class of an attack, its name, what it means.

use crate::event::{Attack, AttackClass};

/// Where in a request something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Parameter,
    Path,
    Body,
    Referer,
    UserAgent,
    Request,
}

/// A rule: its class, its name with each place (in the order of [`Place`]), and what it means.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) class: AttackClass,
    pub(super) why: [&'static str; 6],
    pub(super) meaning: &'static str,
}

/// Each rule is there once.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Rule {
    #[inline]
    pub(super) const fn at(&'static self, place: Place) -> Found {
        Found { rule: self, place }
    }
}

/// A rule that fits, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) rule: &'static Rule,
    place: Place,
}

impl Found {
    /// As it is told.
    pub(super) const fn attack(self) -> Attack {
        Attack { class: self.rule.class, why: self.rule.why[self.place as usize], meaning: self.rule.meaning }
    }
}

/// Writes a rule: class, name, meaning. Of one that goes by the answer alone, no place of the request is named.
macro_rules! rule {
    ($class:ident, answered $name:literal, $meaning:literal) => {
        crate::classify::rules::Rule {
            class: crate::event::AttackClass::$class,
            why: [concat!("answered with ", $name); 6],
            meaning: $meaning,
        }
    };
    ($class:ident, $name:literal, $meaning:literal) => {
        crate::classify::rules::Rule {
            class: crate::event::AttackClass::$class,
            why: [
                concat!($name, " in a parameter"),
                concat!($name, " in the path"),
                concat!($name, " in the body"),
                concat!($name, " in the Referer"),
                concat!($name, " in the User-Agent"),
                concat!($name, " in the request line"),
            ],
            meaning: $meaning,
        }
    };
}
pub(super) use rule;

/// The more important of two findings, the first of equals.
#[inline]
pub(super) fn stronger(one: Option<Found>, other: Option<Found>) -> Option<Found> {
    match (one, other) {
        (Some(first), Some(second)) if second.rule.class < first.rule.class => other,
        (Some(_), _) => one,
        (None, _) => other,
    }
}
