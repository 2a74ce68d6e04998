"use strict";
// The replay's timeline: while it is dragged the page's parts are asked for again and
// changed in place, so that meters are seen to turn. Without this file the form shows
// the moment that was chosen.
(() => {
  const bar = document.getElementById("replay");
  if (!bar) return;
  const slider = bar.querySelector("#replay-entry");
  const at = bar.querySelector("#replay-at");
  const says = bar.querySelector("#replay-says");
  const play = bar.querySelector("#replay-play");
  const marks = [...bar.querySelectorAll(".mark-list a")].map((a) => ({ a, entry: Number(a.dataset.entry) }));
  const last = Number(bar.dataset.last);
  // Where entries stand on the line: the same as replay.go works out.
  const knots = JSON.parse(bar.dataset.knots);
  let wanted = Number(bar.dataset.entry);
  let shown = wanted;
  let asking = null;
  let playing = 0;

  bar.querySelector("#replay-show").hidden = true;
  play.hidden = last < 2;

  function placeOf(entry) {
    for (let i = 1; i < knots.length; i++) {
      const [a, b] = [knots[i - 1], knots[i]];
      if (entry <= b.entry) return a.place + (b.place - a.place) * Math.max(0, entry - a.entry) / (b.entry - a.entry);
    }
    return knots.at(-1).place;
  }

  function entryAt(place) {
    for (let i = 1; i < knots.length; i++) {
      const [a, b] = [knots[i - 1], knots[i]];
      if (place < b.place) return a.entry + Math.floor(Math.max(0, place - a.place) / (b.place - a.place) * (b.entry - a.entry));
    }
    return knots.at(-1).entry;
  }

  function address(entry) {
    const u = new URL(bar.dataset.link, location.href);
    u.searchParams.set("entry", entry);
    return u;
  }

  function put(fresh) {
    const now = [...document.querySelectorAll("[sse-swap]")];
    const next = [...fresh.querySelectorAll("[sse-swap]")];
    const names = (all) => all.map((e) => e.id).join(" ");
    if (names(now) === names(next)) {
      now.forEach((part, i) => {
        if (part.innerHTML !== next[i].innerHTML) part.innerHTML = next[i].innerHTML;
      });
    } else {
      document.getElementById("main").replaceChildren(...fresh.getElementById("main").childNodes);
    }
    for (const id of ["replay-at", "replay-says"]) {
      const text = fresh.getElementById(id).textContent;
      const here = document.getElementById(id);
      if (here.textContent !== text) here.textContent = text;
    }
    slider.setAttribute("aria-valuetext", fresh.getElementById("replay-entry").getAttribute("aria-valuetext"));
    // The links of this page go on from the moment that is shown.
    for (const id of ["replay-before", "replay-after"]) {
      const here = document.getElementById(id);
      const there = fresh.getElementById(id);
      if (here && there) here.href = there.getAttribute("href");
      if (here) here.hidden = !there;
    }
    for (const a of bar.querySelectorAll("[data-see]")) {
      const there = fresh.querySelector(`[data-see="${a.dataset.see}"]`);
      if (there) a.href = there.getAttribute("href");
    }
    current();
  }

  function current() {
    let passed = null;
    for (const m of marks) {
      m.a.removeAttribute("aria-current");
      if (m.entry <= shown) passed = m;
    }
    if (passed) passed.a.setAttribute("aria-current", "true");
  }

  async function show() {
    if (asking) return; // what is asked for is followed by the newest place of the slider
    while (wanted !== shown) {
      const entry = wanted;
      asking = fetch(address(entry), { headers: { Accept: "text/html" } });
      try {
        const answer = await asking;
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        shown = entry;
        put(fresh);
      } catch {
        shown = entry;
        says.textContent = "This moment cannot be shown: there is no connection to the room. Move the timeline to try again.";
        stop();
      }
    }
    asking = null;
    history.replaceState(null, "", address(shown));
  }

  function go(entry) {
    wanted = Math.min(last, Math.max(1, entry));
    slider.value = placeOf(wanted);
    return show();
  }

  function stop() {
    clearTimeout(playing);
    playing = 0;
    play.textContent = "Play";
  }

  // The whole drill in about a minute.
  async function step() {
    const next = Math.min(last, wanted + Math.max(1, Math.round(last / 240)));
    await go(next);
    if (playing && next < last) playing = setTimeout(step, 250);
    else stop();
  }

  slider.addEventListener("input", () => {
    stop();
    wanted = entryAt(Number(slider.value));
    show();
  });
  // The keyboard goes from entry to entry, and by pages from mark to mark.
  slider.addEventListener("keydown", (e) => {
    const before = marks.filter((m) => m.entry < wanted).at(-1);
    const after = marks.find((m) => m.entry > wanted);
    const to = { ArrowLeft: wanted - 1, ArrowDown: wanted - 1, ArrowRight: wanted + 1, ArrowUp: wanted + 1, Home: 1, End: last, PageDown: before ? before.entry : 1, PageUp: after ? after.entry : last }[e.key];
    if (to === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    stop();
    go(to);
  });
  play.addEventListener("click", () => {
    if (playing) return stop();
    if (wanted >= last) wanted = 1;
    play.textContent = "Pause";
    playing = setTimeout(step, 0);
  });
  bar.addEventListener("click", (e) => {
    const a = e.target.closest && e.target.closest("#replay-before, #replay-after, .mark-list a");
    if (!a || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    stop();
    go(Number(new URL(a.href).searchParams.get("entry")));
  });
  bar.querySelector("form").addEventListener("submit", (e) => { e.preventDefault(); show(); });
  current();
})();
