//! The services of a run, which die and are begun again.

use std::{collections::BTreeMap, path::Path};

use booking::domain::RoleName;

use crate::harness::{DynamoDbLocal, LocalStack, Machine, Service};

use super::*;

/// The services, each started again whenever it ends.
pub struct Cast<'a> {
    pub localstack: &'a LocalStack,
    pub dynamodb: Option<&'a DynamoDbLocal>,
    pub outside: Option<&'a Outside>,
    pub machine: Option<&'a Machine>,
    pub prefix: &'a str,
    pub data: &'a Path,
    pub services: BTreeMap<One, Service>,
    /// How many ended without being killed: an emulator that does not answer is a reason.
    pub restarts: usize,
}

impl Cast<'_> {
    /// Starts everyone.
    pub fn begin(&mut self) {
        for one in self.everyone() {
            self.restart(one);
        }
    }

    /// One of every role over files, two over tables.
    pub fn everyone(&self) -> Vec<One> {
        let replicas = if self.dynamodb.is_some() { 2 } else { 1 };
        let replicas = |role| (0..replicas).map(move |it| (role, it));
        RoleName::ALL.into_iter().flat_map(replicas).collect()
    }

    pub fn of(&mut self, one: One) -> &mut Service {
        self.services.get_mut(&one).expect("all of them run")
    }

    pub fn spawn(&self, (role, _): One) -> Service {
        Service::spawn(self.localstack, role, self.prefix, self.data, |it| {
            it.env("BOOKING_HOLD_LIMIT", HOLD_LIMIT);
            it.envs(self.outside.map(Outside::environment).unwrap_or_default());
            it.envs(self.machine.map(|_| ("BOOKING_INTEGRATION", "step-functions")));
            let Some(tables) = self.dynamodb else { return };
            // An emulated table is slower than a file by far, and eight services ask it at once.
            it.envs(tables.environment()).envs([
                ("BOOKING_IN_HAND", "4"),
                ("BOOKING_VISIBILITY", "8s"),
                ("BOOKING_EFFECT_TIMEOUT", "4s"),
            ]);
        })
    }

    /// SIGKILL, and another one at once.
    pub fn restart(&mut self, one: One) {
        drop(self.services.remove(&one)); // Child::kill is SIGKILL.
        self.services.insert(one, self.spawn(one));
    }

    /// What an orchestrator does for whoever ended by himself.
    pub fn tend(&mut self) {
        for one in self.everyone() {
            if self.of(one).has_ended() {
                self.restarts += 1;
                self.restart(one);
            }
        }
    }
}
