//! The live page in a real browser, from `booking demo --serve` and its real stream of events.

use std::time::Instant;

use serde_json::Value;

use crate::harness::{Browser, Cable, Demo, PATIENCE, skipped};

/// The windows that the page is looked at in: a notebook and a telephone.
const WINDOWS: [(u32, u32); 2] = [(1280, 800), (390, 844)];

/// A browser with an ordinary window.
fn browser() -> Browser {
    let mut browser = Browser::start();
    browser.look(WINDOWS[0], false);
    browser
}

/// Waits until the stream of events is there.
#[track_caller]
fn is_live(browser: &mut Browser) {
    browser.until("the stream", "document.querySelector('#live').dataset.live === 'yes'");
}

/// Waits for a row that the selector finds, and returns its booking.
#[track_caller]
fn row(browser: &mut Browser, selector: &str) -> String {
    let script = format!("document.querySelector({selector:?})?.dataset.booking");
    browser.until(selector, &script).as_str().unwrap().to_owned()
}

/// The phases of all rows.
fn phases(browser: &mut Browser) -> Vec<String> {
    let script = "[...document.querySelectorAll('tr[data-booking]')].map(it => it.dataset.phase)";
    serde_json::from_value(browser.run(script)).unwrap()
}

/// Shows the bookings of one choice of the menu.
#[track_caller]
fn show(browser: &mut Browser, value: &str) {
    browser.run(&format!("document.querySelector('#show').value = {value:?}"));
    browser.click(".filter button");
    let chosen = format!("document.querySelector('#show')?.value === {value:?}");
    let there = format!("location.search.includes('show={value}') && {chosen}");
    browser.until("the list that was chosen", &there);
}

#[test]
fn bookings_arrive_and_end_on_the_page_without_a_reload() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "5/s", "--pause", "0s"]);
    let mut browser = browser();
    browser.open(&demo.url);
    browser.run("window.isTheSame = true");
    is_live(&mut browser);
    let first = row(&mut browser, "tr[data-booking]");
    let newer = format!(
        "[...document.querySelectorAll('tr[data-booking]')].every(it => it.dataset.booking !== {first:?})"
    );
    browser.until("the first booking to make room for newer ones", &newer);
    row(&mut browser, "tr[data-booking][data-phase=completed]");
    row(&mut browser, "tr[data-booking][data-phase=payment_failed]");
    let count = "Number(document.querySelector('[data-edge=\"receipt-sent:status\"], \
                 [data-edge=\"receipt-sent:receipt\"]').dataset.count)";
    let before = browser.until("receipts that were counted", count).as_f64().unwrap();
    browser.until("more of them", &format!("{count} > {before}"));
    let rows = browser.run("document.querySelectorAll('tr[data-booking]').length");
    assert!(rows.as_u64().unwrap() <= 200, "{rows} rows");
    assert_eq!(browser.run("window.isTheSame"), true, "the page was loaded again");
    assert_eq!(browser.problems(), [""; 0]);
}

#[test]
fn what_waits_too_long_is_on_top_says_for_whom_and_ends_before_ones_eyes() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "2/s", "--pause", "40s"]);
    let mut browser = browser();
    demo.says("payment stands still");
    // Those that wait, and are not late yet. The newest of several came after that.
    browser.open(&format!("{}?show=open", demo.url));
    let waits = "tr[data-booking][data-late=false]:has(.waits)";
    let newest = format!(
        "(it => it.length > 3 && it[it.length - 1].dataset.booking)([...document.querySelectorAll({waits:?})])"
    );
    let waiting = browser.until("some that wait", &newest).as_str().unwrap().to_owned();
    browser.click(&format!("tr[data-booking={waiting:?}] a"));
    let its = |field: &str, value: &str| {
        format!("document.querySelector('.one')?.dataset.{field} === {value:?}")
    };
    browser.until("its page", &its("booking", &waiting));
    browser
        .until("what it waits for", "document.querySelector('[data-prospect=awaited]') !== null");
    // It gets late while one looks at it.
    browser.until("it to be late", &its("late", "true"));
    let words = browser.run("document.querySelector('.one .stands').textContent");
    let words = words.as_str().unwrap();
    assert!(words.contains("payment") && words.contains("late"), "{words}");

    // What is late is on top of the overview, whatever else comes.
    browser.open(&demo.url);
    browser.until(
        "a late one on top",
        "document.querySelector('tr[data-booking]')?.dataset.late === 'true'",
    );
    let late = row(&mut browser, "tr[data-booking][data-late=true]");
    // Not by a click: it may end, and leave its place, in that moment.
    browser.open(&format!("{}booking/{late}", demo.url));
    browser.until("its page", &its("booking", &late));
    browser.run("window.isTheSame = true");
    browser.until("it to end", &its("final", "true"));
    assert_eq!(browser.run("window.isTheSame"), true, "the page was loaded again");
    assert_eq!(browser.problems(), [""; 0]);
}

#[test]
fn a_list_of_one_phase_has_only_that_one_and_an_id_leads_to_its_booking() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "20/s", "--pause", "0s"]);
    let mut browser = browser();
    browser.open(&demo.url);
    row(&mut browser, "tr[data-booking][data-phase=payment_failed]");
    for phase in ["payment_failed", "completed"] {
        show(&mut browser, phase);
        let phases = phases(&mut browser);
        assert!(!phases.is_empty() && phases.iter().all(|it| it == phase), "{phase}: {phases:?}");
    }
    browser.run("document.querySelector('#id').value = 'demo-1-0001'");
    browser.click("form.search button");
    let there = "document.querySelector('.one[data-booking=\"demo-1-0001\"]')?.dataset.phase";
    assert_eq!(browser.until("the booking", there), "completed");
    let receipt = browser.run("document.querySelector('[data-receipt]').dataset.valid");
    assert_eq!(receipt, "true");
    browser.open(&format!("{}booking/nobody-knows-it", demo.url));
    assert_eq!(browser.run("document.querySelector('.one').dataset.phase"), "unknown");
    // A page that is not there answers 404, which the console says.
    browser.problems().iter().for_each(|it| assert!(it.contains("404"), "{it}"));
}

#[test]
fn a_stream_that_breaks_comes_back_and_what_happened_meanwhile_is_there() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "5/s", "--pause", "0s"]);
    let cable = Cable::to(demo.address());
    let mut browser = browser();
    browser.open(&format!("{}?show=newest", cable.url));
    browser.run("window.isTheSame = true");
    is_live(&mut browser);
    cable.cut();
    browser.until("it to say so", "document.querySelector('#live').dataset.live === 'no'");
    let seen = row(&mut browser, "tr[data-booking]");
    cable.mend();
    is_live(&mut browser);
    browser.until(
        "news",
        &format!("document.querySelector('tr[data-booking]').dataset.booking > {seen:?}"),
    );

    // A server that hangs has not closed anything.
    demo.signal("STOP");
    browser.until("it to say so", "document.querySelector('#live').dataset.live === 'no'");
    demo.signal("CONT");
    is_live(&mut browser);
    let seen = row(&mut browser, "tr[data-booking]");
    browser.until(
        "news",
        &format!("document.querySelector('tr[data-booking]').dataset.booking > {seen:?}"),
    );
    assert_eq!(browser.run("window.isTheSame"), true, "the page was loaded again");
    let other = |it: &&String| !it.contains("net::ERR_");
    let problems = browser.problems();
    assert_eq!(problems.iter().find(other), None, "besides that the stream broke");
}

#[test]
fn without_scripts_everything_can_be_read_and_every_link_works() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "20/s", "--pause", "0s"]);
    let mut browser = browser();
    browser.scripts(false);
    let told = |browser: &mut Browser| {
        let text = browser.run("document.body.innerText");
        text.as_str().unwrap().to_owned()
    };
    browser.open(&demo.url);
    assert!(told(&mut browser).contains("Reload for news"));
    let deadline = Instant::now() + PATIENCE;
    browser.open(&format!("{}?show=completed", demo.url));
    while phases(&mut browser).is_empty() {
        assert!(Instant::now() < deadline, "no booking was completed");
        browser.open(&format!("{}?show=completed", demo.url));
    }
    let first = row(&mut browser, "tr[data-booking]");
    browser.click("tr[data-booking] a");
    browser.until(
        "its page",
        &format!("document.querySelector('.one')?.dataset.booking === {first:?}"),
    );
    let text = told(&mut browser);
    assert!(text.contains("receipt-sent") && text.contains("R-"), "{text}");
    assert_eq!(browser.problems(), [""; 0]);
}

#[test]
fn a_keyboard_is_enough_and_sees_where_it_is() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "5/s", "--pause", "0s"]);
    let mut browser = browser();
    browser.open(&demo.url);
    row(&mut browser, "tr[data-booking]");
    browser.press("Tab");
    let skip = "document.activeElement.matches('a.skip')";
    assert_eq!(browser.run(skip), true, "the first stop skips what is on every page");
    let seen = "(() => { const it = document.activeElement.getBoundingClientRect(); \
                return it.width > 1 && it.height > 1 && it.top >= 0 && it.left >= 0; })()";
    browser.until("the skip link to be seen", seen);
    browser.press("Enter");
    browser
        .until("the contents", "document.activeElement.id === 'main' || location.hash === '#main'");
    // From the contents on, every stop can be seen, and one of them is a booking.
    for stop in 0.. {
        assert!(stop < 30, "no booking among the first stops");
        browser.press("Tab");
        browser.until("a stop that is seen", seen);
        let outline = "(() => { const it = getComputedStyle(document.activeElement); \
                       return it.outlineStyle !== 'none' || it.boxShadow !== 'none'; })()";
        assert_eq!(
            browser.run(outline),
            true,
            "{}",
            browser.run("document.activeElement.outerHTML")
        );
        if browser.run("document.activeElement.closest('tr[data-booking]') !== null") == true {
            break;
        }
    }
    browser.press("Enter");
    browser
        .until("the page of the booking", "document.querySelector('.one[data-booking]') !== null");
}

/// What lies over something else, or does not fit: texts of a diagram that overlap, and anything
/// that makes the page wider than its window.
const OVERLAPS: &str = r"(() => {
    const found = [];
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) found.push(`the page is ${wide} px too wide`);
    for (const table of document.querySelectorAll('table')) {
        const cut = table.scrollWidth - table.parentElement.clientWidth;
        if (cut > 0 && table.offsetParent) found.push(`${cut} px of ${table.className} are cut off`);
    }
    for (const svg of document.querySelectorAll('svg')) {
        const texts = [...svg.querySelectorAll('text')].map(it => [it, it.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && box.height > 0);
        texts.forEach(([one, a], at) => texts.slice(at + 1).forEach(([other, b]) => {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 1 && down > 2) found.push(`${one.textContent} is over ${other.textContent}`);
        }));
    }
    return found;
})()";

#[test]
fn on_a_notebook_and_a_telephone_by_day_and_by_night_nothing_overlaps_and_nobody_is_shut_out() {
    if skipped("browser") {
        return;
    }
    let demo = Demo::start(&["--rate", "2/s", "--pause", "5m"]);
    let mut browser = browser();
    browser.open(&demo.url);
    let late = row(&mut browser, "tr[data-booking][data-late=true]");
    let (mut wrong, stuck): (Vec<String>, _) = (Vec::new(), format!("{}booking/{late}", demo.url));
    let done = format!("{}booking/demo-1-0001", demo.url);
    for (name, url) in [("overview", &demo.url), ("stuck", &stuck), ("completed", &done)] {
        for window in WINDOWS {
            for (dark, scheme) in [(false, "light"), (true, "dark")] {
                browser.look(window, dark);
                browser.open(url);
                is_live(&mut browser);
                let name = format!("{name}-{}-{scheme}", window.0);
                browser.shot(&name);
                let mut found = |what: Vec<String>| {
                    wrong.extend(what.into_iter().map(|it| format!("{name}: {it}")));
                };
                found(browser.problems());
                found(serde_json::from_value(browser.run(OVERLAPS)).unwrap());
                found(browser.barriers().iter().map(Value::to_string).collect());
                // What axe-core does is not the page's.
                browser.problems();
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_browser_that_has_the_token_sees_the_page_and_its_stream() {
    if skipped("browser") {
        return;
    }
    let token = "a-token-for-a-browser";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token).unwrap();
    let file = file.path().to_str().unwrap();
    let demo = Demo::start(&["--status-token-file", file, "--rate", "5/s", "--pause", "0s"]);
    let mut browser = browser();
    browser.open(&demo.url.replace("http://", &format!("http://anybody:{token}@")));
    is_live(&mut browser);
    row(&mut browser, "tr[data-booking]");
    assert_eq!(browser.run("document.cookie"), "");
    assert_eq!(browser.problems(), [""; 0]);
}
