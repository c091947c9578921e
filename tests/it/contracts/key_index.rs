//! A row is found by its key wherever that key is by then: in memory, in the file's list of new
//! ones, or in the large index, and whoever moved it there.

use booking::{
    domain::RoleName,
    store::{Commit, Write, sqlite::Engine},
};

use crate::{
    contracts::store::{engine, write},
    harness::Folder,
};

/// More keys than are kept in memory, also by who only reads: by then most have moved on into the
/// large index.
const MANY: usize = 130_000;

fn key(at: usize) -> String {
    format!("many/{at}")
}

/// Rows with keys from `first` on, in transactions of several.
fn add(engine: &mut Engine, rows: std::ops::Range<usize>) {
    let rows: Vec<_> = rows.map(|at| [write(&key(at), 0, "x")]).collect();
    for lots in rows.chunks(500) {
        let lots: Vec<_> = lots.iter().map(<[Write; 1]>::as_slice).collect();
        assert!(engine.commit_all(&lots).unwrap().iter().all(|it| *it == Commit::Done));
    }
}

fn commit(engine: &mut Engine, key: &str, read_version: u64) -> Commit {
    engine.commit_all(&[&[write(key, read_version, "y")]]).unwrap()[0]
}

fn version(engine: &Engine, key: &str) -> Option<u64> {
    engine.read(&[key.to_owned()]).unwrap().remove(0).map(|it| it.version)
}

/// How many keys are in the small index, and how many in the large one.
fn indexed(folder: &Folder) -> (usize, usize) {
    let file = rusqlite::Connection::open(folder.join("seats.db")).unwrap();
    let count = |table| {
        file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    (count("new_keys"), count("old_keys"))
}

#[test]
fn a_row_is_found_wherever_its_key_is_by_then() {
    let folder = Folder::new();
    let mut writer = engine(&folder);
    let other = engine(&folder);
    assert_eq!(version(&other, &key(0)), None);
    for from in (0..MANY).step_by(MANY / 10) {
        let to = from + MANY / 10;
        add(&mut writer, from..to);
        for at in [0, from / 2, from, from + 1, to - 1] {
            assert_eq!(version(&writer, &key(at)), Some(1), "{at} of {to}");
        }
        for engine in [&writer, &other] {
            assert_eq!(version(engine, &key(to)), None);
        }
        assert_eq!(commit(&mut writer, &key(from / 2), 0), Commit::Conflict, "it is there");
    }
    let (new, old) = indexed(&folder);
    assert!(new < MANY / 2 && old > MANY / 2, "{new} new keys, {old} old ones");
    // Nobody has two rows.
    assert_eq!(writer.all().unwrap().len(), MANY);

    // Neither who saw nothing of it, nor who opens the file now, misses one or finds one that is
    // not.
    let late = Engine::open_read_only(&folder.join("seats.db"), RoleName::Seats).unwrap();
    for reader in [&other, &late] {
        let keys: Vec<_> = (0..MANY + 9).map(key).collect();
        let found = reader.read(&keys).unwrap();
        assert_eq!(found.iter().flatten().count(), MANY);
        assert!(found[MANY..].iter().all(Option::is_none));
    }
    assert_eq!(commit(&mut writer, &key(7), 1), Commit::Done);
    assert_eq!(version(&other, &key(7)), Some(2));
}

#[test]
fn two_that_fill_a_file_in_turn_move_each_others_keys_on() {
    let folder = Folder::new();
    let (mut one, mut other) = (engine(&folder), engine(&folder));
    // One adds a tenth of the rows.
    for at in (0..MANY).step_by(1000) {
        add(&mut one, at..at + 100);
        add(&mut other, at + 100..at + 1000);
        assert_eq!(commit(&mut one, &key(at + 999), 0), Commit::Conflict);
        assert_eq!(commit(&mut other, &key(at), 1), Commit::Done);
    }
    let keys: Vec<_> = (0..MANY).map(key).collect();
    for engine in [&one, &other] {
        assert_eq!(engine.read(&keys).unwrap().iter().flatten().count(), MANY);
    }
    assert_eq!(one.all().unwrap().len(), MANY, "nobody has two rows");
    let (new, old) = indexed(&folder);
    assert!(new < MANY / 2 && old > MANY / 2, "{new} new keys, {old} old ones");
}

/// Keys move on also where no process lives long enough to see to all of them.
#[test]
fn a_file_that_is_often_opened_anew_does_not_gather_keys() {
    let folder = Folder::new();
    for from in (0..MANY).step_by(5000) {
        let mut life = engine(&folder);
        add(&mut life, from..from + 5000);
        assert_eq!(version(&life, &key(from / 2)), Some(1));
    }
    let (new, old) = indexed(&folder);
    assert!(new < MANY / 2 && old > MANY / 2, "{new} new keys, {old} old ones");
    let keys: Vec<_> = (0..MANY).map(key).collect();
    assert_eq!(engine(&folder).read(&keys).unwrap().iter().flatten().count(), MANY);
}

/// As many lives leave it that each end before it is time to move any.
#[test]
fn keys_that_nobody_lived_to_move_are_moved() {
    let folder = Folder::new();
    add(&mut engine(&folder), 0..MANY);
    let file = rusqlite::Connection::open(folder.join("seats.db")).unwrap();
    file.execute_batch(
        "INSERT OR IGNORE INTO new_keys SELECT id, hash FROM old_keys;
         DELETE FROM old_keys;
         UPDATE moved SET last_id = 0, last_hash = 0;",
    )
    .unwrap();
    add(&mut engine(&folder), MANY..MANY + 1);
    let (new, old) = indexed(&folder);
    assert!(new < MANY / 2 && old > MANY / 2, "{new} new keys, {old} old ones");
    let keys: Vec<_> = (0..=MANY).map(key).collect();
    let found = engine(&folder).read(&keys).unwrap();
    assert_eq!(found.iter().flatten().count(), MANY + 1);
}

/// What is remembered to be absent is not, once somebody has added it.
#[test]
fn a_key_that_had_no_row_is_found_when_it_has() {
    let folder = Folder::new();
    let (mut one, mut other) = (engine(&folder), engine(&folder));
    assert_eq!(version(&one, "late"), None);
    assert_eq!(commit(&mut other, "late", 0), Commit::Done);
    assert_eq!(version(&one, "late"), Some(1));
    assert_eq!(commit(&mut one, "late", 0), Commit::Conflict);

    // Also when it has moved on, and those that were added with it have not.
    let folder = Folder::new();
    let (one, mut other) = (engine(&folder), engine(&folder));
    let late: Vec<_> = (0..20).map(key).collect();
    assert!(one.read(&late).unwrap().iter().all(Option::is_none));
    add(&mut other, 0..MANY / 4);
    let (new, old) = indexed(&folder);
    assert!(new == MANY / 4 && old > 0, "{new} new keys, {old} old ones");
    assert!(one.read(&late).unwrap().iter().all(Option::is_some));

    // Also when so many were added after it that it has moved on before anybody looked.
    assert_eq!(version(&one, "later"), None);
    assert_eq!(commit(&mut other, "later", 0), Commit::Done);
    add(&mut other, MANY / 4..MANY);
    assert_eq!(version(&one, "later"), Some(1));
}

#[test]
fn what_was_undone_is_not_found() {
    let folder = Folder::new();
    let (mut store, mut another) = (engine(&folder), engine(&folder));
    let file = rusqlite::Connection::open(folder.join("seats.db")).unwrap();
    file.execute_batch(
        "CREATE TRIGGER refuse BEFORE INSERT ON rows WHEN NEW.key = 'bad'
             BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .unwrap();
    assert_eq!(commit(&mut store, "first", 0), Commit::Done);
    store.commit_all(&[&[write("good", 0, "x")], &[write("bad", 0, "x")]]).unwrap_err();
    assert_eq!(version(&store, "good"), None);
    // Somebody else's row has its place now.
    assert_eq!(commit(&mut another, "other", 0), Commit::Done);
    assert_eq!(version(&store, "other"), Some(1));
    assert_eq!(version(&store, "good"), None);
    assert_eq!(commit(&mut store, "good", 0), Commit::Done);
    for key in ["first", "other", "good"] {
        assert_eq!(version(&store, key), Some(1), "{key}");
    }
}

/// Two of these hashes in twenty-two million.
#[test]
fn keys_with_the_same_hash_are_told_apart() {
    let (one, other) = ("booking/5361281", "booking/15344155");
    let folder = Folder::new();
    let mut store = engine(&folder);
    assert_eq!(commit(&mut store, one, 0), Commit::Done);
    assert_eq!(version(&store, other), None);
    assert_eq!(commit(&mut store, other, 0), Commit::Done);
    assert_eq!(commit(&mut store, other, 1), Commit::Done);
    let found = |it: &Engine| (version(it, one), version(it, other));
    assert_eq!(found(&store), (Some(1), Some(2)));
    assert_eq!(found(&engine(&folder)), (Some(1), Some(2)));
    add(&mut store, 0..MANY);
    assert_eq!(found(&store), (Some(1), Some(2)));
    assert_eq!(found(&engine(&folder)), (Some(1), Some(2)));
}

/// Who has no row does not hide who has, wherever that one's key is by then.
#[test]
fn a_key_without_a_row_does_not_hide_another_with_the_same_hash() {
    let (there, absent) = ("booking/5361281", "booking/15344155");
    let folder = Folder::new();
    let mut store = engine(&folder);
    assert_eq!(commit(&mut store, there, 0), Commit::Done);
    for rows in [0..0, 0..MANY] {
        assert_eq!(version(&store, absent), None);
        add(&mut store, rows);
        assert_eq!(version(&store, absent), None);
        assert_eq!(version(&store, there), Some(1));
        assert_eq!(commit(&mut store, there, 0), Commit::Conflict);
    }
}

#[test]
fn a_row_that_is_in_one_lot_twice_is_a_conflict() {
    let folder = Folder::new();
    let mut store = engine(&folder);
    let lot = [write("a", 0, "one"), write("b", 0, "one"), write("a", 0, "two")];
    assert_eq!(store.commit_all(&[&lot]).unwrap(), [Commit::Conflict]);
    assert_eq!(store.all().unwrap(), []);
}

/// That no two rows have one key rests on what finds them; an audit does not.
#[test]
fn an_audit_tells_when_two_rows_have_one_key() {
    let folder = Folder::new();
    let mut store = engine(&folder);
    assert_eq!(commit(&mut store, "a", 0), Commit::Done);
    let file = rusqlite::Connection::open(folder.join("seats.db")).unwrap();
    file.execute_batch("INSERT INTO rows (key, version, body) VALUES ('b', 1, 'x'), ('a', 1, 'x')")
        .unwrap();
    let told = store.all().unwrap_err().to_string();
    assert!(told.contains("two of its rows have the key a"), "{told}");
}
