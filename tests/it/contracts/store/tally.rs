//! How many rows are open.

use booking::store::{Store, Tally, Write};

use super::{Reopen, lists::by_phase, write};

/// After all other parts of the contract, whose rows count as well.
pub(super) async fn open_rows_are_counted_up_to_a_bound_the_oldest_first(at: &impl Reopen) {
    let store = at.open().await;
    let before = store.tally(i64::MIN, 999).await.unwrap();
    assert_eq!(before.older, 0);
    let rows = [
        ("t/1", "paid", -30, true),
        ("t/2", "requested", -20, true),
        ("t/3", "paid", -10, true),
        ("t/4", "completed", 9_000, false),
    ];
    for (key, phase, at_ms, open) in rows {
        let listing = Some(by_phase(phase, at_ms, open));
        store.commit(vec![Write { listing, ..write(key, 0, key) }]).await.unwrap();
    }
    let newest_ms = Some(9_000);
    let tally = async |before_ms, limit| store.tally(before_ms, limit).await.unwrap();
    let open = before.open + 3;
    assert_eq!(tally(i64::MIN, 999).await, Tally { open, older: 0, newest_ms });
    assert_eq!(tally(-20, 999).await, Tally { open, older: 1, newest_ms });
    assert_eq!(tally(-9, 999).await, Tally { open, older: 3, newest_ms });
    assert_eq!(tally(i64::MAX, 999).await, Tally { open, older: open, newest_ms });
    // The oldest are counted, of whatever phase.
    assert_eq!(tally(-9, 2).await, Tally { open: 2, older: 2, newest_ms });
    assert_eq!(tally(-20, 2).await, Tally { open: 2, older: 1, newest_ms });
    assert_eq!(tally(-9, 0).await, Tally { open: 0, older: 0, newest_ms });
    // A row that is rewritten counts once, at its new time, until it has ended.
    let listing = Some(by_phase("paid", -5, true));
    store.commit(vec![Write { listing, ..write("t/1", 1, "t/1") }]).await.unwrap();
    assert_eq!(tally(-9, 999).await, Tally { open, older: 2, newest_ms });
    let listing = Some(by_phase("completed", -4, false));
    store.commit(vec![Write { listing, ..write("t/1", 2, "t/1") }]).await.unwrap();
    assert_eq!(tally(-9, 999).await, Tally { open: open - 1, older: 2, newest_ms });
}
