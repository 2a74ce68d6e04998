"use strict";

// What the facilitator's pages do beyond those of all: a page of another part of the
// exercise is loaded when it begins, a mistake in a scenario leads to its line, and
// the wall clock moves. Without this file the pages work.
(() => {
  const page = document;

  // ---- Another part of the exercise has another page.

  const layout = () => {
    const p = page.querySelector("#phase > [data-layout]");
    return p ? p.dataset.layout : "";
  };
  let first = "";
  const typing = () => [...page.querySelectorAll("main textarea, main input[type=text], main input:not([type])")].some((f) => f.value !== f.defaultValue);
  const follow = () => {
    if (!first || !layout() || layout() === first) return;
    if (!typing()) {
      location.assign("/");
      return;
    }
    const line = page.getElementById("line");
    if (!line || line.dataset.moved) return;
    line.dataset.moved = "yes";
    line.hidden = false;
    line.className = "notice info";
    line.textContent = "The exercise has gone on to its next part. What you wrote is still here; copy it if you need it. ";
    const a = page.createElement("a");
    a.href = "/";
    a.textContent = "Go to the next part";
    line.append(a);
  };
  page.addEventListener("htmx:sseMessage", follow);

  // ---- The scenario as text.

  const place = (text, at) => {
    const before = text.value.slice(0, at).split("\n");
    return [before.length, before[before.length - 1].length + 1];
  };
  const caret = () => {
    const text = page.getElementById("text"), says = page.getElementById("caret");
    if (!text || !says || page.activeElement !== text) return;
    const [line, col] = place(text, text.selectionStart);
    says.textContent = "You are at line " + line + ", column " + col + ".";
  };
  for (const e of ["keyup", "click", "input", "focusin"]) page.addEventListener(e, caret);

  page.addEventListener("click", (e) => {
    const b = e.target.closest && e.target.closest(".goto");
    const text = page.getElementById("text");
    if (!b || !text) return;
    const lines = text.value.split("\n"), line = Math.min(Number(b.dataset.line), lines.length) - 1;
    let at = 0;
    for (let i = 0; i < line; i++) at += lines[i].length + 1;
    const from = at + Math.min(Number(b.dataset.col) - 1, lines[line].length);
    text.focus();
    text.setSelectionRange(from, at + lines[line].length);
    const high = parseFloat(getComputedStyle(text).lineHeight) || 20;
    text.scrollTop = Math.max(0, (line - 5) * high);
    text.scrollLeft = 0;
    caret();
  });

  // ---- The sheet to print, and the clock on the wall.

  const wall = () => {
    const now = new Date(), says = String(now.getHours()).padStart(2, "0") + ":" + String(now.getMinutes()).padStart(2, "0");
    for (const t of page.querySelectorAll("[data-wall-clock]")) if (t.textContent !== says) t.textContent = says;
  };
  setInterval(wall, 1000);
  page.addEventListener("htmx:sseMessage", wall);
  page.addEventListener("DOMContentLoaded", () => {
    first = layout();
    wall();
    for (const b of page.querySelectorAll("button.print")) {
      b.hidden = false;
      b.addEventListener("click", () => window.print());
    }
    // An editor that came with a text says at once what is wrong with it.
    const text = page.getElementById("text");
    if (text && text.value && !page.querySelector("#problems .problems, #problems .notice")) {
      htmx.ajax("POST", "/setup/check", { source: text, target: "#problems", swap: "innerHTML", values: { text: text.value } });
    }
  });
})();
