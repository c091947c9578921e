//! `booking init`: creates the stores of a new deployment. No other command creates one, so that a
//! lost store is never taken for an empty one; this command must never touch a store that exists.

use clap::Args;

use super::{
    Fault,
    config::{AwsArgs, DataArgs, StoreArgs, StoreName},
    healthcheck::role,
    out,
    progress::Progress,
};
use crate::{
    aws::Names,
    domain::RoleName,
    durability::Durability,
    metrics::RequestCount,
    store::dynamodb::DynamoDb,
    wiring::{self, begin, begin_tables, new_deployment},
};

/// `booking init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Role whose store to create [default: all four roles]
    #[arg(value_parser = role)]
    role: Option<RoleName>,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Creates the stores, unless there is one already.
pub(super) async fn run(args: InitArgs) -> Result<(), Fault> {
    let roles: Vec<RoleName> = args.role.map_or_else(|| RoleName::ALL.into(), |it| Vec::from([it]));
    let deployment = new_deployment();
    let lines = match args.store.store {
        StoreName::Sqlite => {
            let made = begin(&args.data.folder, &roles, deployment, Durability::PowerFailure)?;
            made.into_iter().map(|it| it.display().to_string()).collect()
        }
        StoreName::Dynamodb => {
            let progress = Progress::new("begins the tables", false);
            progress.during(tables(&args, &roles, deployment)).await?
        }
        StoreName::Memory => {
            return Err(Fault::Config(
                "--store memory has nothing to create: it begins with each process".to_owned(),
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
