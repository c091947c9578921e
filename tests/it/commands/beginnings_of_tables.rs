//! A table that nobody has begun never reads as one that is empty.

use std::time::Duration;

use booking::{
    domain::RoleName,
    store::{Find, Start, Store, StoreError, Write, dynamodb::DynamoDb},
    wiring::{begin_tables, new_deployment},
};

use crate::harness::{DynamoDbLocal, Folder, LocalStack, Tables, skipped, unique};

use super::beginnings::{NOBODY, at, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_nobody_has_begun_is_refused_also_one_that_was_made_anew() {
    if skipped("dynamodb") {
        return;
    }
    let (dynamodb, folder, prefix) = (DynamoDbLocal::running(), Folder::new(), unique("t"));
    let tables = Tables::bare_in(dynamodb, &prefix).await;
    let run = |args: &[&str]| {
        let mut command = at(LocalStack::environment_of(NOBODY), args, folder.path());
        let output = command.envs(dynamodb.environment()).env("BOOKING_PREFIX", &prefix).output();
        let output = output.unwrap();
        (output.status.code(), said(&output))
    };
    for role in RoleName::ALL {
        let (code, text) = run(&[role.as_str()]);
        assert_eq!(code, Some(78), "{text}");
        assert!(text.contains(&tables.names.table(role)), "{text}");
        let command = format!("booking init {role} --store dynamodb --prefix {prefix}");
        assert!(text.contains(&command), "{text}");
    }
    // What a version without identities wrote is taken over as it is.
    let write = Write {
        key: "booking/b-1".to_owned(),
        read_version: 0,
        body: "{}".to_owned(),
        listing: None,
    };
    tables.open(RoleName::Seats).await.commit(vec![write]).await.unwrap();
    let (code, text) = run(&["init"]);
    assert_eq!(code, Some(0), "{text}");
    let kept = tables.open(RoleName::Seats).await.read(vec!["booking/b-1".to_owned()]).await;
    assert!(kept.unwrap()[0].is_some(), "rows are kept");
    for role in RoleName::ALL {
        let (code, text) = run(&[role.as_str()]);
        assert_eq!(code, Some(75), "it got as far as its queue: {text}");
    }
    let (code, text) = run(&["init", "seats"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("nothing was touched"), "{text}");

    let client = aws_sdk_dynamodb::Client::new(&tables.config);
    for role in RoleName::ALL {
        let table = tables.names.table(role);
        client.delete_table().table_name(&table).send().await.unwrap();
    }
    let again = Tables::bare_in(dynamodb, &prefix).await;
    let (code, text) = run(&["seats"]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("the table was lost and made anew: restore it"), "{text}");
    // Two people at once: one of them has begun it.
    let open = async || -> DynamoDb { again.open(RoleName::Seats).await };
    let both = [[(RoleName::Seats, open().await)], [(RoleName::Seats, open().await)]];
    assert_eq!(begin_tables(&both[0], new_deployment()).await, Ok(()));
    assert!(begin_tables(&both[1], new_deployment()).await.is_err());
}

/// An empty table of the same name is another table, also to a service that runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_made_anew_under_a_running_service_is_not_read_as_an_empty_one() {
    if skipped("dynamodb") {
        return;
    }
    let dynamodb = DynamoDbLocal::running();
    let role = RoleName::Seats;
    let key = || vec!["booking/b-1".to_owned()];
    let write = || Write {
        key: "booking/b-1".to_owned(),
        read_version: 0,
        body: "{}".to_owned(),
        listing: None,
    };
    for asked_meanwhile in [true, false] {
        let prefix = unique("t");
        let tables = Tables::make_in(dynamodb, &prefix).await;
        // Who asked meanwhile knows it however long it would have trusted; who did not must look.
        let trust = if asked_meanwhile { Duration::MAX } else { Duration::ZERO };
        let open = tables.open(role).await.trusting(trust);
        open.commit(vec![write()]).await.unwrap();
        let client = aws_sdk_dynamodb::Client::new(&tables.config);
        let table = tables.names.table(role);
        for role in RoleName::ALL {
            client.delete_table().table_name(tables.names.table(role)).send().await.unwrap();
        }
        if asked_meanwhile {
            let said = open.read(key()).await.unwrap_err().to_string();
            assert!(said.contains(&table) && said.contains("deleted while it was open"), "{said}");
        }
        let again = Tables::bare_in(dynamodb, &prefix).await;
        for error in [
            open.read(key()).await.unwrap_err(),
            open.commit(vec![write()]).await.unwrap_err(),
            open.clone().list(Find::Stalest, Start::First, 1).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
            assert!(error.to_string().contains("A store that is lost"), "{error}");
        }
        assert!(open.problem().is_some_and(|it| it.contains(&table)), "/health says it");
        assert_eq!(
            again.open(role).await.read(key()).await.unwrap(),
            [None],
            "nothing was written"
        );
    }
}
