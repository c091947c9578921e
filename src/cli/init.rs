//! `booking init`: says that this is a beginning. Nothing else makes a store, so that one that is
//! lost never reads as one that is empty.

use std::path::PathBuf;

use clap::Args;

use super::{
    Fault,
    config::{AwsArgs, StoreArgs, StoreName},
    healthcheck::role,
    out,
};
use crate::{
    bus::aws::Names,
    domain::RoleName,
    durability::Durability,
    metrics::RequestCount,
    store::dynamodb::DynamoDb,
    wiring::{self, begin, begin_tables, new_deployment},
};

/// `booking init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The role that begins [default: all four]
    #[arg(value_parser = role)]
    role: Option<RoleName>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Folder of the data, which is made if it is not there
    #[arg(long, env = "BOOKING_DATA", default_value = "data", value_name = "DIR")]
    data: PathBuf,
}

/// Begins, unless it has begun.
pub(super) async fn run(args: InitArgs) -> Result<(), Fault> {
    let roles: Vec<RoleName> = args.role.map_or_else(|| RoleName::ALL.into(), |it| Vec::from([it]));
    let deployment = new_deployment();
    let lines = match args.store.store {
        StoreName::Sqlite => {
            let made = begin(&args.data, &roles, deployment, Durability::PowerFailure)?;
            made.into_iter().map(|it| it.display().to_string()).collect()
        }
        StoreName::Dynamodb => tables(&args, &roles, deployment).await?,
        StoreName::Memory => {
            return Err(Fault::Config(
                "--store memory begins with each process: there is nothing to say".to_owned(),
            ));
        }
    };
    out(&format!("began deployment {deployment}:"))?;
    lines.iter().try_for_each(|it| out(&format!("  {it}")))
}

async fn tables(
    args: &InitArgs,
    roles: &[RoleName],
    deployment: uuid::Uuid,
) -> Result<Vec<String>, Fault> {
    let (config, names) = (wiring::aws_config().await?, Names::new(&args.aws.prefix));
    let mut tables = Vec::with_capacity(roles.len());
    for role in roles {
        let opened =
            DynamoDb::open(&config, &names.table(*role), *role, RequestCount::default()).await;
        tables.push((*role, opened.map_err(|it| wiring::table_fault(&it))?));
    }
    begin_tables(&tables, deployment).await?;
    Ok(tables.iter().map(|(_, table)| table.table().to_owned()).collect())
}
