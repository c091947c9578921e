//! What every source file keeps to: no two files need each other, a module says what it is for, a
//! public item says what it does, and a file that is longer than a few screens says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{harness::root, repository::layers::sources};

/// How many lines a file may have without a reason.
const LINES_MAX: usize = 400;

/// A module's path from the crate's root.
type Module = Vec<String>;

/// One `use`: its path, and whether it is handed on with `pub`.
#[derive(Debug, PartialEq)]
struct Use {
    path: Vec<String>,
    is_handed_on: bool,
}

fn words(path: &str) -> Vec<String> {
    path.split("::").map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect()
}

/// The paths of one tree of a `use`.
fn flattened(before: &[String], tree: &str) -> Vec<Vec<String>> {
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![[before, &words(tree)].concat()];
    };
    let before = [before, &words(head)].concat();
    let inner = rest.rsplit_once('}').map_or(rest, |it| it.0);
    let (mut depth, mut part, mut paths) = (0, String::new(), Vec::new());
    for letter in inner.chars().chain([',']) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !part.trim().is_empty() {
                    paths.extend(flattened(&before, &part));
                }
                part.clear();
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    paths
}

/// What a source names, without its comments and its own tests.
fn uses(text: &str) -> Vec<Use> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = text.lines().map(|it| it.split("//").next().unwrap()).collect();
    let code = code.join("\n");
    let mut all = Vec::new();
    for item in code.split(';') {
        let item = item.rsplit('}').next().filter(|_| !item.contains('{')).unwrap_or(item);
        let begins = |it: &usize| {
            let before = item[..*it].lines().last().unwrap_or_default().trim();
            before.is_empty() || before.starts_with("pub")
        };
        let Some(at) = item.match_indices("use ").map(|it| it.0).find(begins) else { continue };
        let before = item[..at].lines().last().unwrap_or_default();
        let is_handed_on = before.trim().starts_with("pub");
        let paths = flattened(&[], &item[at + "use ".len()..]);
        all.extend(paths.into_iter().map(|path| Use { path, is_handed_on }));
    }
    for (at, root) in ["crate::", "super::"].iter().flat_map(|it| code.match_indices(it)) {
        let path = code[at..].split(|it: char| !it.is_alphanumeric() && !"_:".contains(it));
        let path = words(path.take(1).collect::<String>().as_str());
        let before = code[..at].chars().last().unwrap_or(' ');
        if path.len() > 1 && !before.is_alphanumeric() && before != ':' && !root.is_empty() {
            all.push(Use { path, is_handed_on: false });
        }
    }
    // A file that declares a child may name it by its bare path, outside of what it imports.
    let mut imports = false;
    let own = code.lines().filter(|line| {
        let words = line.trim_start().split(' ');
        let begins = words.take(2).any(|it| it == "use");
        let is_import = imports || begins;
        imports = is_import && !line.ends_with(';');
        !is_import
    });
    let own: Vec<&str> = own.collect();
    let children = own.iter().filter_map(|it| it.split_once("mod ")?.1.strip_suffix(';'));
    for child in children {
        let bare = format!("{child}::");
        for line in &own {
            for (at, _) in line.match_indices(&bare) {
                let before = line[..at].chars().last().unwrap_or(' ');
                if !before.is_alphanumeric() && !"_:".contains(before) {
                    let path = vec!["self".to_owned(), child.to_owned()];
                    all.push(Use { path, is_handed_on: false });
                }
            }
        }
    }
    all
}

/// The path from the root, of what a module names.
fn absolute(module: &Module, path: &[String]) -> Option<Module> {
    let mut base = module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => return Some(path[1..].to_vec()),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|it| it == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        _ => return None,
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The files of one crate, by module, with what each names.
struct Files(BTreeMap<Module, Vec<Use>>);

impl Files {
    fn of(folder: &Path) -> Files {
        let mut files = BTreeMap::new();
        for file in sources(folder) {
            let place = file.strip_prefix(folder).unwrap().with_extension("");
            let mut module: Module =
                place.iter().map(|it| it.to_str().unwrap().to_owned()).collect();
            let last = module.last().unwrap().as_str();
            if last.ends_with("tests") || last == "testing" || module[0] == "cost_tests" {
                continue;
            }
            if ["mod", "lib", "main"].contains(&last) {
                module.pop();
            }
            let named = uses(&fs::read_to_string(&file).unwrap());
            files.entry(module).or_insert_with(Vec::new).extend(named);
        }
        Files(files)
    }

    /// The file where a path leads, behind everything that only hands it on.
    fn leads_to(&self, path: &[String], depth: usize) -> Option<Module> {
        let at = (0..=path.len()).rev().find(|it| self.0.contains_key(&path[..*it]))?;
        let module = path[..at].to_vec();
        let Some(name) = path.get(at).filter(|_| depth < 5) else { return Some(module) };
        let hands_on = |it: &&Use| {
            let last = it.path.last().and_then(|it| it.split(" as ").last());
            it.path.len() > 1 && last == Some(name)
        };
        let Some(it) = self.0[&module].iter().find(hands_on) else { return Some(module) };
        let onward = absolute(&module, &it.path)
            .unwrap_or_else(|| [module.clone(), it.path.clone()].concat());
        if onward == path { Some(module) } else { self.leads_to(&onward, depth + 1) }
    }

    /// The files that a file names, but for the crate's root.
    fn named_by(&self, module: &Module) -> BTreeSet<Module> {
        let own = self.0[module].iter().filter(|it| !it.is_handed_on);
        let paths = own.filter_map(|it| absolute(module, &it.path));
        let files = paths.filter_map(|it| self.leads_to(&it, 0));
        files.filter(|it| it != module && !it.is_empty()).collect()
    }

    /// The files that can be reached from a file and reach it.
    fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let direct: BTreeMap<&Module, BTreeSet<Module>> =
            self.0.keys().map(|it| (it, self.named_by(it))).collect();
        let reached = |from: &Module| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(it) = next.pop() {
                let new = direct[&it].iter().filter(|it| seen.insert((*it).clone()));
                next.extend(new.cloned().collect::<Vec<_>>());
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            self.0.keys().map(|it| (it, reached(it))).collect();
        let circle = |it: &&Module| -> BTreeSet<String> {
            let back = reached[*it].iter().filter(|other| reached[other].contains(*it));
            back.map(|it| it.join("::")).collect()
        };
        self.0.keys().map(|it| circle(&it)).filter(|it| !it.is_empty()).collect()
    }
}

#[test]
fn no_two_files_need_each_other() {
    for folder in ["src", "benches/bench"] {
        let files = Files::of(&root().join(folder));
        assert!(files.0.len() > 10, "{folder}");
        let circles = files.circles();
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}

#[test]
fn the_reader_of_files_sees_a_circle_behind_what_is_only_handed_on() {
    let named = |text: &str| uses(text);
    let module = |it: &str| words(it);
    let files = Files(BTreeMap::from([
        (module(""), Vec::new()),
        (module("a"), named("//! use crate::c::D;\npub use b::{B};\nmod b;\n")),
        (module("a::b"), named("use std::fs;\nuse crate::{c::{C, d::D}, x};\n")),
        (module("c"), named("fn it() -> crate::a::B { super::a::B }\n")),
        (module("p"), named("mod q;\nfn f() { q::g() }\n")),
        (module("p::q"), named("use super::H;\n")),
        (module("x"), named("use std::fs;\n#[cfg(test)]\nmod tests {\n use crate::a::B;\n}")),
    ]));
    let circle = |files: [&str; 2]| files.map(str::to_owned).into();
    let bare = circle(["p", "p::q"]);
    assert_eq!(files.circles(), BTreeSet::from([circle(["a::b", "c"]), bare]));
}

#[test]
fn a_long_file_says_why_in_its_first_comment() {
    let (mut long, mut files) = (Vec::new(), 0);
    for folder in ["src", "benches", "tests/it"] {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let first: Vec<&str> = text.lines().take_while(|it| it.starts_with("//!")).collect();
            if text.lines().count() > LINES_MAX && !first.join(" ").contains("One file") {
                long.push(format!("{}: {} lines", file.display(), text.lines().count()));
            }
            files += 1;
        }
    }
    assert!(files > 200, "only {files} files were seen");
    assert!(
        long.is_empty(),
        "split it, or say in its first comment why it is \"One file\": {long:#?}"
    );
}

/// Whether a line declares an item that a caller from outside can name.
fn declares(line: &str) -> bool {
    let Some(item) = line.trim_start().strip_prefix("pub ") else { return false };
    let words = item.split(' ').find(|it| !["async", "const"].contains(it) || *it == item);
    let is_constant = item.starts_with("const ") && !item.contains(" fn ");
    let kinds = ["fn", "struct", "enum", "trait", "type", "static", "union"];
    // A macro documents what it declares by the attributes that it is given.
    !item.contains('$') && (is_constant || words.is_some_and(|it| kinds.contains(&it)))
}

/// The lines of a source before its own tests.
fn own_lines(text: &str) -> Vec<&str> {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().collect()
}

/// Declarations without a doc comment above them and above their attributes.
fn undocumented<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    let is_documented = |at: usize| {
        let mut above = lines[..at].iter().rev().map(|it| it.trim());
        while let Some(line) = above.next() {
            if line.starts_with("///") {
                return true;
            }
            if !line.ends_with(']') {
                return false;
            }
            if !line.starts_with("#[") {
                above.find(|it| it.starts_with("#["));
            }
        }
        false
    };
    let declared = lines.iter().enumerate().filter(|(_, it)| declares(it));
    declared.filter(|(at, _)| !is_documented(*at)).map(|(_, it)| it.trim()).collect()
}

#[test]
fn every_module_and_every_public_item_says_what_it_is() {
    let (mut silent, mut items) = (Vec::new(), 0);
    for file in sources(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//! ") {
            silent.push(file.display().to_string());
        }
        assert!(
            !text.contains("::*;")
                || own_lines(&text)
                    .iter()
                    .all(|it| !it.contains("pub use") || !it.contains("::*;")),
            "{}: what is handed on has a name",
            file.display()
        );
        let lines = own_lines(&text);
        items += lines.iter().filter(|it| declares(it)).count();
        let unsaid = undocumented(&lines);
        silent.extend(unsaid.iter().map(|it| format!("{}: {it}", file.display())));
    }
    assert!(items > 500, "only {items} items were seen");
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn the_reader_of_items_sees_which_are_silent() {
    let lines = [
        "/// Said.",
        "#[derive(",
        "    Debug",
        ")]",
        "pub struct Said;",
        "",
        "pub(crate) fn inner() {}",
        "pub async fn unsaid() {}",
        "    pub const fn also_unsaid() {}",
        "pub const BOUND: u8 = 1;",
        "pub mod elsewhere;",
        "    /// Said.",
        "    pub y: u8,",
        "}",
        "pub fn below() {}",
    ];
    let unsaid = [
        "pub async fn unsaid() {}",
        "pub const fn also_unsaid() {}",
        "pub const BOUND: u8 = 1;",
        "pub fn below() {}",
    ];
    assert_eq!(undocumented(&lines), unsaid);
}

#[test]
fn comments_end_at_a_hundred_columns() {
    let (mut wide, mut files) = (Vec::new(), 0);
    for folder in ["src", "examples", "benches", "tests/it"] {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let comments = text.lines().enumerate().filter(|(_, it)| it.trim().starts_with("//"));
            let too_wide = comments.filter(|(_, it)| it.chars().count() > 100);
            wide.extend(too_wide.map(|(at, _)| format!("{}:{}", file.display(), at + 1)));
            files += 1;
        }
    }
    assert!(files > 200, "only {files} files were seen");
    assert!(wide.is_empty(), "{wide:#?}");
}
