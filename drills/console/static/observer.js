"use strict";
// A note can be about an earlier moment: choosing one on the timeline fills the form
// in, without the page being loaded again.
(() => {
  const entry = document.getElementById("jot-entry");
  const about = document.getElementById("jot-about");
  const text = document.getElementById("jot-text");
  if (!entry || !about || !text) return;

  function mark() {
    for (const a of document.querySelectorAll(".note-here")) {
      if (entry.value && a.dataset.entry === entry.value) a.setAttribute("aria-current", "true");
      else a.removeAttribute("aria-current");
    }
  }

  function choose(value, words) {
    entry.value = value;
    about.textContent = value ? `About ${words}` : about.dataset.newest;
    mark();
  }

  document.addEventListener("click", (e) => {
    const a = e.target.closest && e.target.closest(".note-here");
    if (!a) return;
    e.preventDefault();
    if (entry.value === a.dataset.entry) choose("", "");
    else choose(a.dataset.entry, a.dataset.about);
    text.focus();
  });
  document.getElementById("jot").addEventListener("reset", () => choose("", ""));
  document.addEventListener("htmx:sseMessage", mark);
  mark();
})();
