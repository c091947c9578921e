// Keeps a page up to date that is whole without it. It only reads: the stream of what happens, and
// parts of the page as HTML from the same address. All text comes escaped from there.
"use strict";

(() => {
  const { stream, list, bookingPart, bookingId } = document.body.dataset;
  if (!stream) return;

  const REFETCH_MS = 5_000; // how often a part is fetched again while there is news
  const AT_ONCE_MS = 500; // how soon the booking of this page is fetched again when there is news of it
  const HEALTH_MS = 10_000; // how often the queues are asked for
  const SILENT_MS = 20_000; // after so long without a word the stream counts as lost
  const AGAIN_MS = 5_000; // the pause before a stream is opened anew that was refused
  const HIDDEN_MS = 30_000; // how long a page that nobody sees keeps its stream
  const LIT_MS = 900; // how long an event is lit; as long as its animation

  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  const find = (selector) => document.querySelector(selector);
  let source = null;
  let position = ""; // up to where the page knows what happened
  let heardAt = ""; // when the last word was so, as the server told it
  let silence = 0;
  let again = 0;
  let isPaused = false;

  // What the page says of itself. Said only when it changes, so that nobody is read the same twice.
  function say(isLive, text) {
    if (live.dataset.live === (isLive ? "yes" : "no") && live.textContent === text) return;
    live.dataset.live = isLive ? "yes" : "no";
    live.textContent = text;
  }

  function lost(why) {
    if (isPaused) return;
    say(false, heardAt ? `Not live since ${heardAt}. ${why}` : why);
  }

  // Puts new HTML in the place of old, and leaves the keyboard and a selection where they are.
  function swap(place, html) {
    if (!place || place.shown === html) return;
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && place.contains(selection.anchorNode)) return;
    const focused = document.activeElement;
    const key = place.contains(focused) ? focused.dataset.key : undefined;
    const isOpen = place.querySelector("details")?.open;
    place.innerHTML = html;
    place.shown = html;
    if (isOpen) place.querySelector("details").open = true;
    if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }

  // Fetches a part, at most once at a time and once in a while.
  function part(place, address, everyMs) {
    let last = -Infinity;
    let isFetching = false;
    let timer = null;
    let due = Infinity;
    return async function refresh(soonestMs = everyMs) {
      if (isFetching || isPaused || document.hidden) return;
      const at = last + soonestMs;
      if (at > performance.now()) {
        if (at >= due) return;
        clearTimeout(timer);
        due = at;
        timer = setTimeout(() => { due = Infinity; refresh(soonestMs); }, at - performance.now());
        return;
      }
      isFetching = true;
      last = performance.now();
      try {
        const answer = await fetch(address, { headers: { accept: "text/html" } });
        const isPart = (answer.headers.get("content-type") ?? "").startsWith("text/html");
        if (isPart && (answer.ok || answer.status === 404)) swap(place, await answer.text());
      } catch {
        // The stream says whether the server can be reached.
      } finally {
        isFetching = false;
      }
    };
  }

  function setText(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function light(topic) {
    const row = find(`.topic.flows[data-topic="${CSS.escape(topic)}"]`);
    if (!row) return;
    // Twice in a row it passes twice: the animation begins anew.
    row.classList.remove("lit");
    row.getBoundingClientRect();
    row.classList.add("lit");
    clearTimeout(row.dims);
    row.dims = setTimeout(() => row.classList.remove("lit"), LIT_MS);
  }

  function show(news) {
    setText(document.getElementById("window"), news.window);
    for (const [topic, { count, figures }] of Object.entries(news.flows)) {
      const row = find(`.topic.flows[data-topic="${CSS.escape(topic)}"]`);
      if (!row) continue;
      setText(row.querySelector(".figures"), figures);
      for (const edge of row.querySelectorAll(".edge")) edge.dataset.count = count;
      setText(find(`[data-count-of="${CSS.escape(topic)}"]`), String(count));
      setText(find(`[data-rate-of="${CSS.escape(topic)}"]`), figures.split(" · ")[1] ?? "–");
    }
    if (!bookingPart) {
      for (const [name, { state, words }] of Object.entries(news.services)) {
        const service = find(`.service[data-service="${CSS.escape(name)}"]`);
        if (!service) continue;
        service.dataset.state = state;
        setText(service.querySelector(".service-words"), words);
      }
    }
    for (const topic of Object.keys(news.passed)) light(topic);
  }

  const refreshList = list && part(document.getElementById("list"), list, REFETCH_MS);
  const refreshHealth = find("#health") && part(find("#health"), "/page/health", HEALTH_MS);
  const refreshBooking = bookingPart && part(find("#part"), bookingPart, REFETCH_MS);

  function heard(event) {
    const news = JSON.parse(event.data);
    position = event.lastEventId || position;
    heardAt = news.at;
    clearTimeout(silence);
    silence = setTimeout(() => {
      lost("Trying again.");
      open();
    }, SILENT_MS);
    if (isPaused) return;
    say(true, "Live");
    show(news);
    refreshList?.();
    refreshHealth?.();
    // Also without news of it: what one replica hears late is not always told as new.
    refreshBooking?.(news.bookings.includes(bookingId) ? AT_ONCE_MS : undefined);
  }

  function open() {
    close();
    const since = position ? `${stream.includes("?") ? "&" : "?"}since=${encodeURIComponent(position)}` : "";
    source = new EventSource(stream + since);
    source.addEventListener("news", heard);
    source.addEventListener("list", (event) => {
      if (!isPaused) swap(document.getElementById("list"), JSON.parse(event.data).html);
    });
    source.addEventListener("unread", () => lost("The store cannot be read just now."));
    source.onerror = () => {
      lost("Trying again.");
      // The browser comes back by itself, unless it was refused.
      if (source && source.readyState === EventSource.CLOSED) {
        clearTimeout(again);
        again = setTimeout(open, AGAIN_MS);
      }
    };
  }

  function close() {
    clearTimeout(silence);
    clearTimeout(again);
    source?.close();
    source = null;
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    if (isPaused) {
      close();
      say(false, heardAt ? `Paused at ${heardAt}.` : "Paused.");
    } else {
      open();
    }
  });

  let hiding = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(close, HIDDEN_MS);
    } else if (!source && !isPaused) {
      open();
    }
  });

  addEventListener("pagehide", close);
  addEventListener("pageshow", () => { if (!source && !isPaused) open(); });
  open();
})();
