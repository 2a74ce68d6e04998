"use strict";
// The projector's screen: what everybody should notice is shown large for a while,
// then the board comes back.
(() => {
  // In milliseconds. Of a decision the board goes on showing all, words included.
  const showTime = { decision: 10000, key: 15000, outcome: 30000 };
  const box = document.getElementById("moment");
  // In the replay everything can be looked at for as long as one likes.
  if (!box || document.getElementById("replay")) return;
  const current = () => box.querySelector("[data-moment]");
  let seen = Number(current()?.dataset.moment || 0);
  let hide = 0;

  function done() {
    clearTimeout(hide);
    box.classList.remove("shown");
  }

  new MutationObserver(() => {
    const m = current();
    if (!m || Number(m.dataset.moment) <= seen) return;
    seen = Number(m.dataset.moment);
    box.classList.add("shown");
    clearTimeout(hide);
    const kind = Object.keys(showTime).find((k) => m.classList.contains(k));
    hide = setTimeout(done, showTime[kind] || showTime.decision);
  }).observe(box, { childList: true, subtree: true });

  box.addEventListener("click", done);
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") done(); });
})();
