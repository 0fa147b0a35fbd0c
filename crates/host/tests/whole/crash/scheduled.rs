//! What hosts that are killed know of schedules: one that stays and is changed, and many that are due at once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::victim::Victim;

/// What is known of the schedules of one sandbox.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    /// What the one that stays can be: its time, or that it is absent.
    staying: Vec<Option<String>>,
    /// Those that come once and were acknowledged, until it was seen that they were carried out.
    owed: BTreeSet<String>,
    /// All of those that were asked for.
    asked: BTreeSet<String>,
}

/// Something was not answered: the host was killed.
pub(super) struct Unanswered;

impl Schedules {
    pub(super) fn none() -> Self {
        Self { staying: vec![None], ..Self::default() }
    }

    /// Makes, changes or deletes the one that stays.
    pub(super) async fn change(&mut self, victim: &Victim, name: &str) -> Result<(), Unanswered> {
        let value = format!("{} 0 1 1 *", fastrand::u8(0..60));
        let (all, one) = (all(name), format!("{}/stays", all(name)));
        let (next, method, path) = match &self.staying[0] {
            None => (Some(value.clone()), "POST", &all),
            Some(_) if fastrand::bool() => (Some(value.clone()), "PUT", &one),
            Some(_) => (None, "DELETE", &one),
        };
        self.staying.push(next.clone());
        let schedule = json!({"id": "stays", "type": "cron", "value": value, "input": {"command": "true"}});
        let (status, said) = victim.ask(method, path, &schedule).await.ok_or(Unanswered)?;
        assert_eq!(status, 200, "{method} {path}: {said}");
        self.staying = vec![next];
        Ok(())
    }

    /// Makes one that is due at once, or while no host runs.
    pub(super) async fn make_due(
        &mut self,
        victim: &Victim,
        name: &str,
        word: &str,
    ) -> Result<(), Unanswered> {
        self.asked.insert(word.to_owned());
        let after = if fastrand::bool() { "0s" } else { "1s" };
        let input = json!({"command": format!("echo {word} >> due")});
        let schedule = json!({"id": word, "type": "sleep", "value": after, "input": input});
        let (status, said) = victim.ask("POST", &all(name), &schedule).await.ok_or(Unanswered)?;
        assert_eq!(status, 200, "{schedule}: {said}");
        self.owed.insert(word.to_owned());
        Ok(())
    }

    /// Looks whether what was acknowledged is there or was carried out, and nothing twice.
    pub(super) async fn look(&mut self, victim: &Victim, name: &str, round: usize) {
        let staying = loop {
            // What is carried out at this moment stands in neither.
            let schedules = listed(victim, &all(name)).await;
            let executed = words(&listed(victim, &executions(name)).await, "scheduleId");
            let there = words(&schedules, "id");
            assert!(distinct(&executed), "round {round}: {name} was handed one twice: {executed:?}");
            if self.owed.iter().all(|word| there.contains(word) || executed.contains(word)) {
                self.owed.retain(|word| !executed.contains(word));
                let staying = schedules.iter().find(|schedule| schedule["id"] == "stays");
                break staying.map(|schedule| schedule["value"].as_str().unwrap().to_owned());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(
            self.staying.contains(&staying),
            "round {round}: {name} has {staying:?}, and can have {self:?}"
        );
        self.staying = vec![staying];
        let ran = victim.run(name, "cat due 2>/dev/null || true").await.unwrap();
        let ran: Vec<String> = ran.lines().map(str::to_owned).collect();
        assert!(distinct(&ran), "round {round}: {name} ran one twice: {ran:?}");
        let is_asked = |word: &&String| !self.asked.contains(*word);
        let strange: Vec<_> = ran.iter().filter(is_asked).collect();
        assert!(strange.is_empty(), "round {round}: {name} ran what another was asked for: {strange:?}");
    }
}

fn all(name: &str) -> String {
    format!("/v0/sandboxes/{name}/schedules")
}

fn executions(name: &str) -> String {
    format!("/v0/sandboxes/{name}/schedule-executions")
}

async fn listed(victim: &Victim, path: &str) -> Vec<Value> {
    let (status, said) = victim.ask("GET", &format!("{path}?limit=1000"), &Value::Null).await.unwrap();
    assert_eq!(status, 200, "{said}");
    said["data"].as_array().unwrap().clone()
}

fn words(all: &[Value], key: &str) -> Vec<String> {
    all.iter().map(|it| it[key].as_str().unwrap().to_owned()).collect()
}

fn distinct(words: &[String]) -> bool {
    words.iter().collect::<BTreeSet<_>>().len() == words.len()
}
