//! Grafana's dashboards, written from the exporter's own list of metrics: a metric that is renamed, and a rate of what is no counter, do not
//! compile; an unknown label ends the generator, and so fails every test.
//!
//! [`dashboards`] says what is shown, one file each, in the words of [`panels`] (how a question is answered), [`promql`] and [`logql`] (what
//! is asked) and [`links`] (where a number leads). [`frame`] is what all of them share: variables, annotations, links. [`model`] is the JSON
//! that Grafana reads (Classic model, schema version 42). [`foreign`] are the metrics of others.

pub mod dashboards;
pub mod foreign;
pub mod frame;
pub mod links;
pub mod logql;
pub mod model;
pub mod panels;
pub mod promql;
