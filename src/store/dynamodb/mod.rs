//! One DynamoDB table for each role, shared by any number of replicas. Every read must be strongly
//! consistent, every write must be conditional on the version that was read, and no table may ever
//! be scanned.

mod client;
mod commit;
mod describe;
mod guard;
mod index;
mod list;
mod partition;
mod read;
mod row;
mod same;

use std::{error::Error, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::ConsumedCapacity,
};

pub use self::describe::Layout;
use self::same::Same;
use super::{Commit, Find, Identity, Page, Start, Store, StoreError, Versioned, Write};
use crate::{
    aws::{Right, Told, is_denial, partition},
    domain::RoleName,
    metrics::RequestCount,
};

/// The key of the row with the identity of the table.
const IDENTITY: &str = "identity";

/// The table of one role. Copies share the client.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
    table: String,
    arn: String,
    count: RequestCount,
    identity: Option<Identity>,
    same: Arc<Same>,
}

impl DynamoDb {
    /// Opens `table` for the rows of `role`, and counts every request in `count`. Checks that the
    /// table exists with the calls that the service makes anyway, so that it needs no further
    /// permission.
    ///
    /// # Errors
    /// When the table, or an index that the role needs, does not exist or may not be used, or when
    /// DynamoDB does not answer. The indexes by flight and day are not needed: a table of an
    /// earlier version does not have them.
    pub async fn open(
        config: &SdkConfig,
        table: &str,
        role: RoleName,
        count: RequestCount,
    ) -> Result<DynamoDb, StoreError> {
        let table = table.to_owned();
        let Some(region) = config.region().map(ToString::to_string) else {
            let problem = "no AWS region is set: set AWS_REGION, or a region in the AWS profile";
            return Err(StoreError::Unusable { place: table, problem: problem.to_owned() });
        };
        let arn = arn(&region, &table);
        let client = client::client(config, count.clone());
        let same = Arc::new(Same::new(None));
        let mut store = DynamoDb { client, table, arn, count, identity: None, same };
        store.probe(&region, role).await?;
        Ok(store)
    }

    /// Sets for how long after an answer the table is taken to be the same one. A table that is
    /// deleted and created again within this time is not noticed. Each check costs one read unit.
    #[must_use]
    pub fn trusting(self, trust: Duration) -> DynamoDb {
        DynamoDb { same: Arc::new(Same::new(Some(trust))), ..self }
    }

    /// The identity that the table had when it was opened; `None` when [`begin`](DynamoDb::begin)
    /// was never called for it.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The name of the table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Gives the table its identity.
    ///
    /// # Errors
    /// When the table has an identity already, or the identity cannot be written.
    pub async fn begin(&self, identity: &Identity) -> Result<(), StoreError> {
        let body = identity.to_text();
        let write = Write { key: IDENTITY.to_owned(), read_version: 0, body, listing: None };
        match self.write(vec![write]).await? {
            Commit::Done => Ok(()),
            Commit::Conflict => Err(StoreError::Unusable {
                place: self.table.clone(),
                problem: "it has begun already".to_owned(),
            }),
        }
    }

    /// Counts the capacity units that an operation consumed.
    fn took<'a>(
        &self,
        operation: &'static str,
        consumed: impl IntoIterator<Item = &'a ConsumedCapacity>,
    ) {
        for it in consumed {
            self.count.took(operation, it.capacity_units().unwrap_or_default());
        }
    }

    /// An error that says what was tried and in which table.
    fn failed(
        &self,
        operation: &'static str,
        source: impl Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::Failed { operation, place: self.table.clone(), source: Arc::new(source) }
    }

    /// The same for an error of DynamoDB. If a permission is missing, the error names it.
    fn not_done<E>(&self, operation: &'static str, right: Right, error: SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let told = Told::of(&error);
        let code = told.code().map(str::to_owned);
        if let Some(gone) = self.gone(code.as_deref()) {
            return gone;
        }
        let source = Arc::from(right.explain(code.as_deref(), told.into()));
        StoreError::Failed { operation, place: self.table.clone(), source }
    }

    /// The permission for a call on the table.
    fn right(&self, action: &'static str) -> Right {
        Right { action, resource: self.arn.clone() }
    }

    /// The permission for a query on an index.
    fn right_to_index(&self, index: index::Index) -> Right {
        let resource = format!("{}/index/{}", self.arn, index.name);
        Right { action: "dynamodb:Query", resource }
    }

    async fn probe(&mut self, region: &str, role: RoleName) -> Result<(), StoreError> {
        let right = self.right("dynamodb:GetItem");
        let answer = self.ask_for(IDENTITY).await;
        let answer = answer.map_err(|it| self.unusable(region, right, it))?;
        self.identity = self.identity_in(answer.item)?;
        // Only status lists rows. The other tables have no index.
        if role == RoleName::Status {
            for index in index::NEEDED {
                let right = self.right_to_index(index);
                self.ask_index(index).await.map_err(|it| self.unusable(region, right, it))?;
            }
        }
        Ok(())
    }

    fn identity_in(&self, item: Option<row::Item>) -> Result<Option<Identity>, StoreError> {
        let Some(mut item) = item else { return Ok(None) };
        let text = row::text(&mut item, row::BODY);
        match text.and_then(|it| Identity::parse(&it)) {
            Some(it) => Ok(Some(it)),
            None => Err(StoreError::Unusable {
                place: self.table.clone(),
                problem: "its row `identity` cannot be read: run the newer binary".to_owned(),
            }),
        }
    }

    /// The error for a table that could not be opened. If DynamoDB refuses the request, a person
    /// has to fix that; any other failure may be over in a moment.
    fn unusable<E>(&self, region: &str, right: Right, error: SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let told = Told::of(&error);
        if told.is_setting() {
            let problem = told.to_string();
            return StoreError::Unusable { place: self.table.clone(), problem };
        }
        let Some(said) = told.code().filter(|it| client::REFUSALS.contains(it)) else {
            return self.failed("find the rows", told);
        };
        if is_denial(Some(said)) {
            let problem = format!("{}: {told}", right.missing());
            return StoreError::Unusable { place: self.table.clone(), problem };
        }
        let problem = format!(
            "DynamoDB in {region} says {told} (was terraform/ applied with store = \"dynamodb\", and with this prefix, account and region?)"
        );
        StoreError::Unusable { place: self.table.clone(), problem }
    }
}

/// The ARN of a table, with `*` for the account, which is not known without another request.
fn arn(region: &str, table: &str) -> String {
    format!("arn:{}:dynamodb:{region}:*:table/{table}", partition(region))
}

impl Store for DynamoDb {
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.read_of_the_same(async {
            match keys.as_slice() {
                [] => Ok(Vec::new()),
                [key] => Ok(vec![self.one(key).await?]),
                _ => {
                    let found = self.many(&keys).await?;
                    Ok(keys.iter().map(|it| found.get(it).map(|it| it.versioned.clone())).collect())
                }
            }
        })
        .await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Commit, StoreError> {
        self.commit_to_the_same(self.write(writes)).await
    }

    async fn list(&self, find: Find, start: Start, limit: usize) -> Result<Page, StoreError> {
        self.read_of_the_same(self.find(&find, &start, limit)).await
    }
}
