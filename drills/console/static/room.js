"use strict";

// What the pages of the exercise room do beyond htmx: parts that somebody types in
// are left alone, a lost network is told calmly, the clock moves, and what was done
// or refused is said where it is seen. Without this file the pages work; they show
// the room as it was when they were loaded.
(() => {
  const page = document;
  const last = new WeakMap(); // part -> its text as it came last
  const kept = new WeakMap(); // part -> text that waits while something is typed
  const sent = new WeakSet(); // forms that were obeyed, until something is typed again
  const touched = new WeakSet(); // fields that somebody tapped or pressed a key in
  const open = new WeakMap(); // part -> which details are unfolded
  const away = new WeakMap(); // part -> where in it the focus was when it was changed

  // ---- Parts that somebody types in.

  const changed = (f) => {
    if (f.type === "hidden" || f.disabled) return false;
    if (f.type === "checkbox" || f.type === "radio") return f.checked !== f.defaultChecked;
    if (f.tagName === "SELECT") {
      const chosen = [...f.options].findIndex((o) => o.defaultSelected);
      return f.selectedIndex !== Math.max(chosen, 0);
    }
    return f.value !== f.defaultValue;
  };
  const written = (f) => f.matches("textarea, input:not([type=radio], [type=checkbox], [type=hidden])");
  const busy = (part) => [...part.querySelectorAll("input, textarea, select")].some((f) => {
    if (f.form && sent.has(f.form)) return false;
    return changed(f) || (f === page.activeElement && written(f) && touched.has(f));
  });

  const note = (part, show) => {
    let n = part.previousElementSibling;
    if (!n || !n.classList.contains("later")) n = null;
    if (!show) {
      if (n) n.remove();
      return;
    }
    if (n) return;
    n = page.createElement("p");
    n.className = "notice info later";
    n.setAttribute("role", "status");
    n.append("This part has changed while you were writing. What you wrote is still here. ");
    const b = page.createElement("button");
    b.type = "button";
    b.className = "link";
    b.textContent = "Show the change and drop what I wrote";
    b.addEventListener("click", () => showKept(part));
    n.append(b);
    part.before(n);
  };

  // What has no id of its own is found again by its number in the nearest thing that has one.
  const stops = "summary, button, a[href], input, select, textarea";
  const place = (part, e) => {
    const box = e.parentElement && e.parentElement.closest("[id]");
    return box && part.contains(box) ? { box: box.id, at: [...box.querySelectorAll(stops)].indexOf(e) } : null;
  };

  const before = (part, text) => {
    last.set(part, text);
    kept.delete(part);
    note(part, false);
    open.set(part, new Map([...part.querySelectorAll("details[id]")].map((d) => [d.id, d.open])));
    if (part.contains(page.activeElement)) away.set(part, place(part, page.activeElement));
  };

  const after = (part) => {
    for (const [id, was] of open.get(part) || []) {
      const d = page.getElementById(id);
      if (d) d.open = was;
    }
    // htmx gives the focus back to what has the same id; else it goes to what stands in
    // the same place, and where that is gone, a keyboard goes on from the part and not
    // from the top of the page.
    const had = away.get(part);
    if (away.delete(part) && (page.activeElement === page.body || !page.activeElement)) {
      const box = had && page.getElementById(had.box);
      const again = box && box.querySelectorAll(stops)[had.at];
      if (again) again.focus({ preventScroll: true });
      if (page.activeElement !== again) {
        part.tabIndex = -1;
        part.focus({ preventScroll: true });
      }
    }
    tick();
  };

  // showKept shows what was kept back.
  const showKept = (part) => {
    const text = kept.get(part);
    if (text === undefined) return;
    before(part, text);
    htmx.swap(part, text, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 });
    after(part);
  };

  const same = (part, text) => {
    const t = page.createElement("template");
    t.innerHTML = text;
    return t.innerHTML === part.innerHTML;
  };

  page.addEventListener("htmx:sseBeforeMessage", (e) => {
    const part = e.target, text = e.detail.data;
    if (last.get(part) === text || (!last.has(part) && same(part, text))) {
      last.set(part, text);
      kept.delete(part);
      note(part, false);
      e.preventDefault();
    } else if (busy(part)) {
      kept.set(part, text);
      note(part, true);
      e.preventDefault();
    } else {
      before(part, text);
    }
  });
  page.addEventListener("htmx:sseMessage", (e) => after(e.target));

  const release = (from) => {
    const part = from && from.closest && from.closest("[sse-swap]");
    if (part && kept.has(part) && !busy(part)) showKept(part);
  };
  page.addEventListener("input", (e) => {
    if (e.target.form) sent.delete(e.target.form);
  });
  for (const by of ["pointerdown", "keydown"]) page.addEventListener(by, (e) => touched.add(e.target));
  page.addEventListener("focusout", (e) => setTimeout(release, 0, e.target));
  page.addEventListener("reset", (e) => setTimeout(release, 0, e.target));

  // ---- What was done or refused.

  const said = (text, refused) => {
    const at = page.getElementById("said");
    if (!at) return;
    const p = page.createElement("p");
    p.className = refused ? "refused" : "notice good";
    p.textContent = text;
    at.replaceChildren(p);
  };
  let fading = 0;
  page.addEventListener("htmx:afterRequest", (e) => {
    const form = e.detail.elt, xhr = e.detail.xhr;
    if (!form || form.tagName !== "FORM" || !xhr) return;
    clearTimeout(fading);
    if (!xhr.getResponseHeader("X-Done")) return;
    sent.add(form);
    form.reset();
    release(form);
    fading = setTimeout(() => {
      const at = page.querySelector("#said > .good");
      if (at) at.remove();
    }, 12000);
  });
  page.addEventListener("htmx:sendError", () => {
    said("Not sent: there is no connection to the room. What you wrote is still here; send it again when the connection is back.", true);
  });
  page.addEventListener("click", (e) => {
    if (e.target.closest && e.target.closest("#said > p")) e.target.closest("#said > p").remove();
  });

  // ---- The network.

  let lost = 0, since = "";
  const line = (text, good) => {
    const l = page.getElementById("line");
    if (!l) return;
    l.hidden = !text;
    l.className = "notice " + (good ? "good" : "warn");
    l.textContent = text;
  };
  page.addEventListener("htmx:sseError", () => {
    if (lost) return;
    const now = new Date();
    since = String(now.getHours()).padStart(2, "0") + ":" + String(now.getMinutes()).padStart(2, "0");
    // A short break is nobody's business.
    lost = setTimeout(() => {
      page.body.classList.add("lost");
      line("The connection to the room was lost at " + since + ". What stands here may be old. It comes back by itself; go on reading or writing.", false);
    }, 1500);
  });
  page.addEventListener("htmx:sseOpen", () => {
    clearTimeout(lost);
    lost = 0;
    if (!page.body.classList.contains("lost")) return;
    page.body.classList.remove("lost");
    line("The connection is back, and this page is up to date.", true);
    setTimeout(() => { if (!lost) line("", true); }, 6000);
  });

  // ---- The clock. Its text says hours and minutes; the server's are right, and
  // between them the page counts by itself.

  const born = new WeakMap();
  const at = () => {
    const c = page.querySelector("[data-clock]");
    if (!c) return null;
    if (!born.has(c)) born.set(c, performance.now());
    const speed = Number(c.dataset.speed) || 0, runs = c.dataset.runs === "true";
    return { node: c, speed, runs, now: Number(c.dataset.at) + (runs ? speed * (performance.now() - born.get(c)) / 1000 : 0) };
  };
  const hours = (s) => Math.floor(s / 3600) + ":" + String(Math.floor(s / 60) % 60).padStart(2, "0");
  const span = (s) => {
    if (s >= 5400) return Math.floor(s / 3600) + " h " + Math.floor(s / 60) % 60 + " min";
    if (s >= 120) return Math.floor(s / 60) + " min";
    return Math.max(0, Math.floor(s)) + " s";
  };
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const tick = () => {
    const c = at();
    if (!c) return;
    put(c.node, hours(c.now));
    for (const d of page.querySelectorAll("[data-due]")) {
      const left = Number(d.dataset.due) - c.now, here = c.speed > 0 ? left / c.speed : Infinity;
      let text = span(left) + " left";
      if (left <= 0) text = "the time is over";
      else if (!c.runs) text += ", and the clock stands";
      else if (c.speed !== 1) text += ", " + span(here) + " in this room";
      put(d, text);
      d.classList.toggle("over", left <= 0);
      d.classList.toggle("short", left > 0 && here < 120);
    }
  };
  setInterval(tick, 1000);
  page.addEventListener("DOMContentLoaded", tick);

  // ---- Terms: Escape closes what explains one, until it is left.

  page.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    for (const t of page.querySelectorAll(".term:hover, .term:focus-within")) {
      t.classList.add("closed");
      const again = () => t.classList.remove("closed");
      t.addEventListener("pointerleave", again, { once: true });
      t.addEventListener("focusout", again, { once: true });
    }
  });
})();
