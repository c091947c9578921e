//! The keys and indexes of a table, for `booking check`. It needs the permission
//! `dynamodb:DescribeTable`, which only operators have, so a service must never call it.

use std::{collections::BTreeMap, sync::Arc};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeDefinition, KeySchemaElement, KeyType};

use super::{
    arn, client,
    index::{INDEXES, Index, NEEDED},
    row::KEY,
};
use crate::{
    aws::{Right, Told, is_denial},
    domain::RoleName,
    metrics::RequestCount,
    store::StoreError,
};

/// The keys of a table and of its indexes, as text such as `key S` or `phase S, at_ms N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The keys of the table.
    pub keys: String,
    /// The keys of each index, by its name.
    pub indexes: BTreeMap<String, String>,
}

impl Layout {
    /// What the table of `role` must have. A table may have further indexes.
    #[must_use]
    pub fn of(role: RoleName) -> Layout {
        let index = |it: Index| {
            let keys = format!("{} S, {} {}", it.hash, it.sort.attribute(), it.sort.kind());
            (it.name.to_owned(), keys)
        };
        let lists = role == RoleName::Status;
        Layout {
            keys: format!("{KEY} S"),
            indexes: INDEXES.into_iter().filter(|_| lists).map(index).collect(),
        }
    }

    /// Whether status does not start if its table lacks this index.
    #[must_use]
    pub fn is_needed_to_start(index: &str) -> bool {
        NEEDED.iter().any(|it| it.name == index)
    }

    /// What the table in the account has; `None` when it does not exist.
    ///
    /// # Errors
    /// When DynamoDB does not answer, or denies the request.
    pub async fn look(config: &SdkConfig, table: &str) -> Result<Option<Layout>, StoreError> {
        let client = client::client(config, RequestCount::default());
        let described = match client.describe_table().table_name(table).send().await {
            Ok(it) => it.table,
            Err(it)
                if it.as_service_error().is_some_and(|it| it.is_resource_not_found_exception()) =>
            {
                return Ok(None);
            }
            Err(it) => {
                let place = table.to_owned();
                let told = Told::of(&it);
                let refused = told.code().filter(|it| client::REFUSALS.contains(it));
                let problem = match refused {
                    _ if told.is_setting() => told.to_string(),
                    Some(said) if is_denial(Some(said)) => {
                        let region = config.region().map(ToString::to_string).unwrap_or_default();
                        let (action, resource) = ("dynamodb:DescribeTable", arn(&region, table));
                        format!("{}: {told}", Right { action, resource }.missing())
                    }
                    Some(_) => format!("DynamoDB says {told}"),
                    None => {
                        let (operation, source) = ("describe the table", Arc::new(told));
                        return Err(StoreError::Failed { operation, place, source });
                    }
                };
                return Err(StoreError::Unusable { place, problem });
            }
        };
        Ok(described.map(|it| {
            let types = it.attribute_definitions.unwrap_or_default();
            let indexes = it.global_secondary_indexes.unwrap_or_default().into_iter();
            let index = |it: aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
                let keys = keys(&it.key_schema.unwrap_or_default(), &types);
                (it.index_name.unwrap_or_default(), keys)
            };
            Layout {
                indexes: indexes.map(index).collect(),
                keys: keys(&it.key_schema.unwrap_or_default(), &types),
            }
        }))
    }
}

/// The keys with their types, the hash key first.
fn keys(schema: &[KeySchemaElement], types: &[AttributeDefinition]) -> String {
    let mut keys: Vec<&KeySchemaElement> = schema.iter().collect();
    keys.sort_by_key(|it| *it.key_type() != KeyType::Hash);
    let typed = |it: &KeySchemaElement| {
        let name = it.attribute_name();
        let of = types.iter().find(|it| it.attribute_name() == name);
        format!("{name} {}", of.map_or("?", |it| it.attribute_type().as_str()))
    };
    keys.into_iter().map(typed).collect::<Vec<_>>().join(", ")
}
