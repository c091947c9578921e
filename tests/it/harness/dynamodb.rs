//! The real DynamoDB Local: one for all tests of a run, ended with the run; and the tables in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::OnceLock,
};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection},
};
use booking::{
    audit::{self, Evidence},
    aws::Names,
    domain::{RoleName, decision::Key, ids::BookingId, status::Record},
    gateway::simulated,
    metrics::RequestCount,
    runtime::StoredRow,
    store::{Store, dynamodb::DynamoDb},
    wiring::{begin_tables, new_deployment, receipts_folder},
};

use serde_json::Value;

use super::{
    emulator::{Emulator, config},
    unique,
};

const SCRIPT: &str = "dynamodb.py";

/// A DynamoDB that answers.
pub struct DynamoDbLocal(Emulator);

impl std::ops::Deref for DynamoDbLocal {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.0
    }
}

impl DynamoDbLocal {
    /// The one of this run. Uses AWS_ENDPOINT_URL_DYNAMODB if it is set.
    pub fn running() -> &'static DynamoDbLocal {
        static RUNNING: OnceLock<DynamoDbLocal> = OnceLock::new();
        RUNNING.get_or_init(|| DynamoDbLocal(Emulator::of_run("AWS_ENDPOINT_URL_DYNAMODB", SCRIPT)))
    }

    /// Another one, ended when dropped. For a test that treats it badly.
    pub fn start() -> DynamoDbLocal {
        DynamoDbLocal(Emulator::start(SCRIPT))
    }

    /// What the SDKs need to talk to it.
    pub async fn config(&self) -> SdkConfig {
        config(&self.endpoint).await
    }

    /// What a `booking` process needs to keep its rows in it; for the queues it needs more.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("BOOKING_STORE", "dynamodb".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.endpoint.clone()),
        ]
    }
}

/// The four tables of one prefix.
pub struct Tables {
    pub names: Names,
    pub config: SdkConfig,
}

impl Tables {
    /// Makes them under a prefix of their own.
    pub async fn make() -> Tables {
        Tables::make_in(DynamoDbLocal::running(), &unique("t")).await
    }

    /// Makes them, as terraform/ and `booking init` do in an account.
    pub async fn make_in(dynamodb: &DynamoDbLocal, prefix: &str) -> Tables {
        Tables::make_at(dynamodb.config().await, prefix).await
    }

    /// The same wherever a configuration leads.
    pub async fn make_at(config: SdkConfig, prefix: &str) -> Tables {
        let tables = Tables::bare_at(config, prefix).await;
        let mut opened = Vec::new();
        for role in RoleName::ALL {
            opened.push((role, tables.open(role).await));
        }
        begin_tables(&opened, new_deployment()).await.unwrap();
        tables
    }

    /// Makes them, as terraform/ does: nobody has begun them.
    pub async fn bare_in(dynamodb: &DynamoDbLocal, prefix: &str) -> Tables {
        Tables::bare_at(dynamodb.config().await, prefix).await
    }

    async fn bare_at(config: SdkConfig, prefix: &str) -> Tables {
        let client = Client::new(&config);
        let names = Names::new(prefix);
        for role in RoleName::ALL {
            make(&client, &names.table(role), &definitions()[role.as_str()]).await;
        }
        Tables { names, config }
    }

    /// Makes them as terraform/ did before there were lists by flight and day.
    pub async fn make_without_departures() -> Tables {
        let config = DynamoDbLocal::running().config().await;
        let (client, names) = (Client::new(&config), Names::new(&unique("t")));
        let mut planned = definitions();
        let status = planned.get_mut("status").unwrap();
        let keep = |of: &mut Value, names: &[&str]| {
            let list = of.as_array_mut().unwrap();
            list.retain(|it| names.contains(&it["name"].as_str().unwrap()));
        };
        keep(&mut status["attribute"], &["at_ms", "key", "open_phase", "phase"]);
        keep(&mut status["global_secondary_index"], &["newest", "stalest"]);
        for role in RoleName::ALL {
            make(&client, &names.table(role), &planned[role.as_str()]).await;
        }
        let tables = Tables { names, config };
        let opened = [(RoleName::Status, tables.open(RoleName::Status).await)];
        begin_tables(&opened, new_deployment()).await.unwrap();
        tables
    }

    /// A role's rows, as its service opens them.
    pub async fn open(&self, role: RoleName) -> DynamoDb {
        self.open_counted(role, RequestCount::default()).await
    }

    pub async fn open_counted(&self, role: RoleName, count: RequestCount) -> DynamoDb {
        DynamoDb::open(&self.config, &self.names.table(role), role, count).await.unwrap()
    }

    /// What the four services wrote down about these bookings, by their keys: nothing is scanned.
    /// The seats are those that status heard of.
    pub async fn evidence(&self, ids: &[BookingId], data: &Path) -> Evidence {
        // Who asked twice under one id is one booking.
        let ids: BTreeSet<&BookingId> = ids.iter().collect();
        let bookings: Vec<String> = ids.iter().map(|it| format!("booking/{it}")).collect();
        let records = self.known(RoleName::Status, bookings.clone()).await;
        let mut stored = BTreeMap::new();
        for role in [RoleName::Seats, RoleName::Payment, RoleName::Receipt] {
            let mut keys = bookings.clone();
            if role == RoleName::Seats {
                keys.extend(seats(&records));
            }
            stored.insert(role, self.known(role, keys).await);
        }
        stored.insert(RoleName::Status, records);
        let keys = ids.into_iter().map(simulated::key).collect();
        let ledger = simulated::movements(self.known(RoleName::Payment, keys).await).unwrap();
        Evidence::gather(
            |it| Ok(stored[&it].clone()),
            ledger,
            audit::letters(&receipts_folder(data)).unwrap(),
        )
        .unwrap()
    }

    async fn known(&self, role: RoleName, keys: Vec<String>) -> Vec<(String, String)> {
        let rows = self.open(role).await.read(keys.clone()).await.unwrap();
        keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?.body))).collect()
    }
}

/// The keys of all seats that these records of status name.
fn seats(records: &[(String, String)]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (_, body) in records {
        let kept: StoredRow<Record> = serde_json::from_str(body).unwrap();
        for seating in kept.row.timeline().into_iter().filter_map(|it| it.seating.as_ref()) {
            keys.extend(seating.seats.iter().map(|it| Key::seat(seating, *it).to_string()));
        }
    }
    keys
}

/// The tables as terraform/ plans them, without a prefix, by role: a copy in tables.json, which
/// `access` holds against the plan.
pub fn definitions() -> BTreeMap<String, Value> {
    serde_json::from_str(include_str!("tables.json")).unwrap()
}

/// Creates a table as it is planned.
async fn make(client: &Client, table: &str, planned: &Value) {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let list = |name: &str| planned[name].as_array().cloned().unwrap_or_default();
    let key = |of: &Value, name: &str, of_type| {
        let attribute = text(of, name);
        let key = KeySchemaElement::builder().attribute_name(attribute).key_type(of_type);
        key.build().unwrap()
    };
    let mut create = client
        .create_table()
        .table_name(table)
        .billing_mode(text(planned, "billing_mode").as_str().into())
        .key_schema(key(planned, "hash_key", KeyType::Hash));
    for it in list("attribute") {
        let attribute = AttributeDefinition::builder()
            .attribute_name(text(&it, "name"))
            .attribute_type(text(&it, "type").as_str().into());
        create = create.attribute_definitions(attribute.build().unwrap());
    }
    for it in list("global_secondary_index") {
        let kind = text(&it, "projection_type").as_str().into();
        let index = GlobalSecondaryIndex::builder()
            .index_name(text(&it, "name"))
            .key_schema(key(&it, "hash_key", KeyType::Hash))
            .key_schema(key(&it, "range_key", KeyType::Range))
            .projection(Projection::builder().projection_type(kind).build());
        create = create.global_secondary_indexes(index.build().unwrap());
    }
    create.send().await.unwrap();
}
