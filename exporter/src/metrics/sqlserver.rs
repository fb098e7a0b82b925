//! SQL Server: whether each instance answered, how long each stage took, its version, and why it failed.

use serde_json::{Value, json};

use super::Page;
use super::names::*;
use crate::sample::sqlserver::{Instance as Seen, Reason, STAGES};

/// The rows of all instances.
pub struct SqlServer {
    instances: Vec<Instance>,
}

struct Instance {
    name: String,
    seen: Option<Seen>,
    failures: [u64; Reason::ALL.len()],
}

impl SqlServer {
    /// For the instances of these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let instance = |name| Instance { name, seen: None, failures: [0; Reason::ALL.len()] };
        Self { instances: names.into_iter().map(instance).collect() }
    }

    /// Takes what was seen of one of them.
    pub fn take(&mut self, seen: Seen) {
        let Some(instance) = self.instances.iter_mut().find(|instance| instance.name == seen.name) else { return };
        if let Err(reason) = seen.version {
            let failures = Reason::ALL.iter().zip(&mut instance.failures);
            failures.filter(|(one, _)| **one == reason).for_each(|(_, failures)| *failures += 1);
        }
        instance.seen = Some(seen);
    }

    /// Forgets what is to be shown, but not what was counted.
    pub fn lose(&mut self) {
        self.instances.iter_mut().for_each(|instance| instance.seen = None);
    }

    /// Writes these rows.
    pub fn show(&self, page: &mut Page) {
        for Instance { name, seen, failures } in &self.instances {
            for (reason, number) in Reason::ALL.iter().zip(failures) {
                page.counter(&SQLSERVER_FAILURES, &[name, reason.as_str()], *number);
            }
            let Some(seen) = seen else { continue };
            page.gauge(&SQLSERVER_UP, &[name], f64::from(u8::from(seen.version.is_ok())));
            for (stage, took) in STAGES.into_iter().zip(seen.stages) {
                if let Some(took) = took {
                    page.gauge(&SQLSERVER_STAGE_DURATION, &[name, stage], took.as_secs_f64());
                }
            }
            if let Ok(version) = &seen.version {
                page.info(&SQLSERVER_INFO, &[name, version]);
            }
        }
    }

    /// For [`SqlServer::load`].
    pub fn save(&self) -> Value {
        let failures = |instance: &Instance| {
            let counts = Reason::ALL.iter().zip(instance.failures);
            let counts = counts.filter(|(_, number)| *number > 0).map(|(reason, number)| (reason.as_str().to_owned(), json!(number)));
            (instance.name.clone(), Value::Object(counts.collect()))
        };
        Value::Object(self.instances.iter().map(failures).collect())
    }

    /// Takes up what [`SqlServer::save`] gave, of the instances that there still are.
    pub fn load(&mut self, saved: &Value) {
        for instance in &mut self.instances {
            let counts = &saved[&instance.name];
            instance.failures = Reason::ALL.map(|reason| counts[reason.as_str()].as_u64().unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Exposition;
    use super::*;

    fn seen(name: &str, version: Result<&str, Reason>) -> Seen {
        Seen { name: name.to_owned(), stages: [None; 4], version: version.map(str::to_owned) }
    }

    fn text(rows: &SqlServer) -> String {
        let mut page = Page::default();
        rows.show(&mut page);
        page.render(Exposition::Text)
    }

    #[test]
    fn failures_are_counted_through_restarts() {
        let names = || ["shop".to_owned(), "crm".to_owned()];
        let mut rows = SqlServer::new(names());
        rows.take(seen("shop", Err(Reason::Timeout)));
        rows.take(seen("nobody", Err(Reason::Timeout)));
        let mut again = SqlServer::new(names());
        again.load(&rows.save());
        again.take(seen("shop", Err(Reason::Timeout)));
        again.take(seen("crm", Ok("1")));
        let page = text(&again);
        for row in [
            "failures_total{instance=\"shop\",reason=\"timeout\"} 2\n",
            "failures_total{instance=\"crm\",reason=\"timeout\"} 0\n",
            "up{instance=\"shop\"} 0.0\n",
            "up{instance=\"crm\"} 1.0\n",
            "info{instance=\"crm\",version=\"1\"} 1\n",
        ] {
            assert!(page.contains(&format!("hostwarden_sqlserver_{row}")), "{row}: {page}");
        }
        again.lose();
        assert!(!text(&again).contains("hostwarden_sqlserver_up{"));
    }
}
