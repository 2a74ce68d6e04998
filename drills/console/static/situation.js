"use strict";
// Draws the wall of meters and the recovery curve. The page's parts that change
// carry the figures (data-wall, data-curve) with the same in words beside them; the
// canvases stand outside those parts, so that a meter can be seen to turn.
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const forced = matchMedia("(forced-colors: active)");

  // colour resolves a variable of the look where it is used, because light-dark()
  // depends on the place.
  function colour(at, name) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    at.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  const turnTime = 700;   // of one meter, in milliseconds
  const turnSpread = 900; // over which meters that change together begin

  class Wall {
    constructor(canvas) {
      this.canvas = canvas;
      this.now = "";
      this.before = "";
      this.since = 0;
      this.marks = {};
      this.frame = 0;
      this.colours = null; // worked out at the next drawing: asking for them is slow, and a wall that turns is drawn often
      new ResizeObserver(() => this.draw(performance.now())).observe(canvas);
    }

    take(text, marks) {
      this.marks = marks;
      this.colours = null;
      const changed = this.now !== "" && this.now !== text;
      this.before = changed && !still.matches ? this.now : text;
      this.now = text;
      this.since = performance.now();
      cancelAnimationFrame(this.frame);
      this.step(this.since);
    }

    step(t) {
      this.draw(t);
      if (this.before !== this.now && t - this.since < turnTime + turnSpread) {
        this.frame = requestAnimationFrame((u) => this.step(u));
      } else {
        this.before = this.now;
      }
    }

    palette() {
      const p = {};
      for (const [name, variable] of [["good", "--fill-good"], ["warn", "--fill-warn"], ["bad", "--fill-bad"], ["info", "--fill-info"], ["off", "--wall-off"], ["cut", "--sunk"], ["text", "--text"]]) {
        p[name] = forced.matches ? getComputedStyle(this.canvas).color : colour(this.canvas.parentElement, variable);
      }
      if (forced.matches) p.cut = getComputedStyle(document.body).backgroundColor;
      return p;
    }

    draw(t) {
      const canvas = this.canvas;
      const box = canvas.getBoundingClientRect();
      const n = this.now.length;
      const ratio = window.devicePixelRatio || 1;
      if (box.width < 1 || box.height < 1) return;
      if (canvas.width !== Math.round(box.width * ratio) || canvas.height !== Math.round(box.height * ratio)) {
        canvas.width = Math.round(box.width * ratio);
        canvas.height = Math.round(box.height * ratio);
      }
      const g = canvas.getContext("2d");
      g.setTransform(ratio, 0, 0, ratio, 0, 0);
      g.clearRect(0, 0, box.width, box.height);
      if (n === 0) return;
      // The largest squares of which all fit.
      let side = Math.sqrt(box.width * box.height / n);
      let across = Math.max(1, Math.floor(box.width / side));
      while (Math.ceil(n / across) * (box.width / across) > box.height) across++;
      side = Math.min(box.width / across, box.height / Math.ceil(n / across));
      const left = (box.width - side * across) / 2;
      const colours = this.colours ||= this.palette();
      for (let i = 0; i < n; i++) {
        let letter = this.now[i];
        let wide = 1;
        if (this.before[i] !== undefined && this.before[i] !== letter) {
          // Which meters go first depends on the place alone: the wall is calm, and the same each time.
          const begins = ((i * 7919) % 1009) / 1009 * turnSpread;
          const part = Math.min(1, Math.max(0, (t - this.since - begins) / turnTime));
          wide = Math.abs(Math.cos(part * Math.PI));
          if (part < 0.5) letter = this.before[i];
        }
        this.meter(g, left + (i % across) * side, Math.floor(i / across) * side, side, wide, this.marks[letter] || "hollow off", colours);
      }
    }

    meter(g, x, y, side, wide, drawn, colours) {
      const [shape, mark] = drawn.split(" ");
      const gap = side > 6 ? Math.max(1, side * 0.1) : 0.5;
      const s = side - 2 * gap;
      const w = Math.max(0.5, s * wide);
      const l = x + gap + (s - w) / 2;
      const top = y + gap;
      const fill = colours[mark] || colours.off;
      g.fillStyle = fill;
      g.strokeStyle = fill;
      const line = Math.max(1, s * 0.12);
      g.lineWidth = line;
      switch (shape) {
      case "full":
        g.beginPath();
        g.roundRect(l, top, w, s, Math.min(s * 0.15, w / 2));
        g.fill();
        break;
      case "half":
        g.beginPath();
        g.moveTo(l, top + s);
        g.lineTo(l + w, top);
        g.lineTo(l + w, top + s);
        g.fill();
        g.strokeRect(l + line / 2, top + line / 2, Math.max(0, w - line), s - line);
        break;
      case "disc":
        g.beginPath();
        g.ellipse(l + w / 2, top + s / 2, w / 2, s / 2, 0, 0, 2 * Math.PI);
        g.fill();
        break;
      case "cross":
        g.fillRect(l, top, w, s);
        g.strokeStyle = colours.cut;
        g.lineWidth = Math.max(1, s * 0.16);
        g.beginPath();
        g.moveTo(l + w * 0.2, top + s * 0.2);
        g.lineTo(l + w * 0.8, top + s * 0.8);
        g.moveTo(l + w * 0.8, top + s * 0.2);
        g.lineTo(l + w * 0.2, top + s * 0.8);
        g.stroke();
        break;
      case "dot":
        g.beginPath();
        g.ellipse(l + w / 2, top + s / 2, w * 0.2, s * 0.2, 0, 0, 2 * Math.PI);
        g.fill();
        break;
      case "dash":
        g.fillRect(l + w * 0.1, top + s * 0.42, w * 0.8, s * 0.16);
        break;
      default:
        g.strokeRect(l + line, top + line, Math.max(0, w - 2 * line), s - 2 * line);
      }
    }
  }

  // Hours on an axis, as clocks of the exercise write them.
  const hour = (h) => `${Math.floor(h)}:${String(Math.round(h * 60) % 60).padStart(2, "0")}`;

  class Curve {
    constructor(box) {
      this.box = box;
      this.text = "";
      box.setAttribute("aria-hidden", "true"); // the words stand beside it
      new ResizeObserver(() => this.size()).observe(box);
    }

    room() {
      const box = this.box.getBoundingClientRect();
      return { width: Math.floor(box.width), height: Math.floor(box.height) };
    }

    size() {
      const { width, height } = this.room();
      if (width < 10 || height < 10) return;
      if (this.plot) this.plot.setSize({ width, height });
      else if (this.text) this.draw();
    }

    take(text) {
      if (text === this.text && this.plot) return;
      this.text = text;
      this.draw();
    }

    draw() {
      const { width, height } = this.room();
      if (this.plot) this.plot.destroy();
      this.plot = null;
      if (!this.text || width < 10 || height < 10 || typeof uPlot === "undefined") return;
      const c = JSON.parse(this.text);
      const ink = colour(this.box, "--text");
      const quiet = colour(this.box, "--quiet");
      const faint = colour(this.box, "--faint");
      const rem = parseFloat(getComputedStyle(this.box).fontSize);
      // uPlot enlarges fonts for fine screens by the whole number before "px".
      const font = `${Math.round(rem)}px ${getComputedStyle(this.box).fontFamily}`;
      const good = forced.matches ? ink : colour(this.box, "--fill-good");
      // The same kinds of lines as the legend's (.line .dash-N).
      const dashes = [[8, 6], [2, 5], [14, 5, 2, 5], [18, 8]];
      const inks = ["--curve-0", "--curve-1", "--curve-2", "--curve-3"].map((name) => (forced.matches ? ink : colour(this.box, name)));
      let forecasts = 0;
      // A second line that was counted is another run.
      const series = [{}].concat(c.series.map((s, i) => s.forecast || i > 0
        ? { label: s.name, stroke: inks[forecasts % inks.length], width: 2.5, dash: dashes[forecasts++ % dashes.length], spanGaps: true, points: { show: false }, paths: s.forecast ? undefined : uPlot.paths.stepped({ align: 1 }) }
        : { label: s.name, stroke: good, width: 5, spanGaps: true, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }));
      // One plot at a time: what changes is the whole line, and it is a few hundred points.
      this.plot = new uPlot({
        width, height, series,
        legend: { show: false },
        cursor: { show: false },
        padding: [rem * 0.6, rem * 1.6, 0, 0],
        scales: { x: { time: false, range: [0, Math.max(1, c.until)] }, y: { range: [0, Math.max(1, c.high)] } },
        axes: [
          { stroke: quiet, font, size: rem * 2, gap: rem * 0.3, grid: { show: false }, ticks: { stroke: faint, size: 4 }, space: rem * 5, incrs: [0.25, 0.5, 1, 2, 3, 4, 6, 12, 24, 48, 168], values: (u, at) => at.map(hour) },
          { stroke: quiet, font, size: rem * 3.6, gap: rem * 0.3, grid: { stroke: faint, width: 1 }, ticks: { show: false }, space: rem * 2.4, values: (u, at) => at.map((v) => v.toLocaleString("en-GB")) },
        ],
        hooks: {
          draw: [(u) => {
            if (c.now < 0) return;
            const x = u.valToPos(c.now, "x", true);
            const last = c.series[0].values.filter((v) => v !== null).at(-1);
            if (last === undefined) return;
            const y = u.valToPos(last, "y", true);
            u.ctx.save();
            u.ctx.fillStyle = ink;
            u.ctx.beginPath();
            u.ctx.arc(x, y, rem * 0.35 * devicePixelRatio, 0, 2 * Math.PI);
            u.ctx.fill();
            u.ctx.restore();
          }],
        },
      }, [c.hours].concat(c.series.map((s) => s.values)), this.box);
    }
  }

  const drawn = new WeakMap();

  function show() {
    const board = document.querySelectorAll("[data-draw]");
    for (const place of board) {
      let d = drawn.get(place);
      if (!d) {
        d = place.dataset.draw === "wall" ? new Wall(place) : new Curve(place);
        drawn.set(place, d);
      }
      if (d instanceof Wall) {
        const from = document.querySelector("[data-wall][data-marks]");
        if (from && (from.dataset.wall !== d.now || from.dataset.marks !== d.marked)) {
          d.marked = from.dataset.marks;
          d.take(from.dataset.wall, JSON.parse(from.dataset.marks));
        }
      } else {
        const from = place.dataset.from ? document.getElementById(place.dataset.from) : document.querySelector("[data-curve]");
        if (from && from.dataset.curve) d.take(from.dataset.curve);
      }
    }
  }

  function again() {
    for (const place of document.querySelectorAll("[data-draw]")) {
      const d = drawn.get(place);
      if (d instanceof Wall) {
        d.colours = null;
        d.draw(performance.now());
      }
      if (d instanceof Curve) d.draw();
    }
  }

  let asked = false;
  new MutationObserver(() => {
    if (asked) return;
    asked = true;
    queueMicrotask(() => { asked = false; show(); });
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-wall", "data-curve"] });
  dark.addEventListener("change", again);
  forced.addEventListener("change", again);
  show();
})();
