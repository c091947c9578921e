//! Compares the DynamoDB tables of the services with what the services need. Reads the description
//! of a table, and never a row.

use aws_config::SdkConfig;

use crate::{
    aws::Names,
    check::compare::{APPLY, Finding},
    domain::RoleName,
    fault::Fault,
    store::dynamodb::Layout,
    wiring::table_fault,
};

/// Everything that is wrong with the tables.
pub(super) async fn check_tables(config: &SdkConfig, names: &Names) -> Result<Vec<Finding>, Fault> {
    let mut findings = Vec::new();
    for role in RoleName::ALL {
        let table = names.table(role);
        let seen = Layout::look(config, &table).await.map_err(|it| table_fault(&it))?;
        findings.extend(compare(role, &table, seen.as_ref()));
    }
    Ok(findings)
}

/// The worst thing that is wrong with a table.
fn compare(role: RoleName, table: &str, seen: Option<&Layout>) -> Option<Finding> {
    let wanted = Layout::of(role);
    let (wrong, breaks, mend) = match seen {
        None => (
            "it does not exist".to_owned(),
            format!("{role} does not start: it has no place to keep its decisions"),
            format!("{APPLY} and store = \"dynamodb\""),
        ),
        Some(seen) if seen.keys != wanted.keys => (
            format!("its keys are {}, not {}", seen.keys, wanted.keys),
            format!("{role} can neither read nor write a row"),
            "the keys of a table cannot be changed: this one belongs to something else, or was not \
             made by terraform/; delete it if it is empty, then run terraform apply"
                .to_owned(),
        ),
        Some(seen) => {
            let wrong = wanted.indexes.iter().filter(|(name, keys)| seen.indexes.get(*name) != Some(keys));
            let (index, keys) = wrong.min_by_key(|(name, _)| !Layout::is_needed_to_start(name))?;
            let wrong = match seen.indexes.get(index) {
                None => format!("it has no index {index}"),
                Some(it) => format!("the keys of its index {index} are {it}, not {keys}"),
            };
            let breaks = if Layout::is_needed_to_start(index) {
                format!("{role} does not start: it could not list bookings")
            } else {
                format!("{role} cannot list bookings by flight or day; all else works")
            };
            (
                wrong,
                breaks,
                format!("{APPLY} and store = \"dynamodb\""),
            )
        }
    };
    Some(Finding { subject: format!("table {table}"), wrong, breaks, mend, hops: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_as_the_services_need_it_is_well_also_with_an_index_more() {
        for role in RoleName::ALL {
            let mut seen = Layout::of(role);
            assert_eq!(compare(role, "t", Some(&seen)), None);
            seen.indexes.insert("mine".to_owned(), "other S".to_owned());
            assert_eq!(compare(role, "t", Some(&seen)), None);
        }
    }

    #[track_caller]
    fn finds(seen: Option<Layout>, wrong: &str, breaks: &str) {
        let found = compare(RoleName::Status, "staging-booking-status", seen.as_ref()).unwrap();
        assert_eq!(found.subject, "table staging-booking-status");
        assert_eq!(found.wrong, wrong);
        assert!(found.breaks.contains(breaks), "{}", found.breaks);
    }

    #[test]
    fn what_is_wrong_is_said_once_and_with_what_it_breaks() {
        finds(None, "it does not exist", "does not start");
        let well = Layout::of(RoleName::Status);
        let other = Layout { keys: "id S, at N".to_owned(), ..well.clone() };
        finds(Some(other), "its keys are id S, at N, not key S", "neither read nor write");
        let mut other = well.clone();
        other.indexes.remove("stalest");
        finds(Some(other.clone()), "it has no index stalest", "does not start");
        other.indexes.remove("of_day");
        finds(Some(other), "it has no index stalest", "does not start");
        // As an earlier version made it.
        let mut other = well.clone();
        other.indexes.remove("of_flight");
        other.indexes.remove("of_day");
        finds(Some(other), "it has no index of_day", "by flight or day; all else works");
        let mut other = well;
        other.indexes.insert("newest".to_owned(), "phase S".to_owned());
        let wrong = "the keys of its index newest are phase S, not phase S, at_ms N";
        finds(Some(other), wrong, "list bookings");
    }
}
