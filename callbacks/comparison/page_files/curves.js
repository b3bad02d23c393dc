// Curves of all methods, drawn by uPlot: zoom, values at the cursor, methods on and off.
(() => {
  const found = document.getElementById("curves-data");
  if (!found) return;
  const { methods, panels } = JSON.parse(found.textContent);
  const DASHES = [[], [9, 4], [2, 3], [9, 3, 2, 3], [16, 5], [4, 2], [16, 4, 4, 4], [2, 6]];
  const hidden = new Set(), shown = { seeds: true, "initial conditions": false }, plots = [];
  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // Colours ---------------------------------------------------------------------------------------

  const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const luminance = (rgb) => rgb.map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

  function readable(colour) {  // of a contrast of 3 with the background
    const rgb = parts(colour), end = isDark() ? 255 : 0, back = isDark() ? 0.006 : 1;
    if (Math.max(...rgb) - Math.min(...rgb) < 8) return variable(Math.min(...rgb) < 64 ? "text" : "soft");
    for (let share = 0; share <= 1; share += 0.05) {
      const mixed = rgb.map((part) => Math.round(part + share * (end - part))), own = luminance(mixed);
      if ((Math.max(own, back) + 0.05) / (Math.min(own, back) + 0.05) >= 3) return `rgb(${mixed})`;
    }
    return variable("text");
  }

  const faint = (colour, share) => `color-mix(in srgb, ${colour} ${share}%, transparent)`;

  function swatch(colour, dash) {
    const line = `<line x1=1 y1=6 x2=39 y2=6 stroke="${colour}" stroke-width=3 stroke-dasharray="${dash}"/>`;
    return `<svg class=swatch width=40 height=12 aria-hidden=true>${line}</svg>`;
  }

  const patch = (colour) => (
    `<svg class=swatch width=24 height=12 aria-hidden=true><rect width=24 height=12 fill="${colour}" opacity=.3 /></svg>`
  );

  function labelled(mark, words) {
    const span = document.createElement("span");
    span.innerHTML = mark;
    span.append(` ${words}`);
    return span;
  }

  // Numbers ---------------------------------------------------------------------------------------

  const superscript = (number) => String(number).replace(/[-\d]/g, (digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]);

  function text(value, digits = 3) {
    if (value == null) return "";
    const size = Math.abs(value);
    if (size === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(digits)));
    const power = Math.floor(Math.log10(size) + 1e-9), first = Number((value / 10 ** power).toPrecision(digits));
    return `${first === 1 ? "" : `${first}·`}10${superscript(power)}`;
  }

  // Digits enough to tell ticks from each other: 280.5 and 281, not 281 twice.
  function labels(ticks) {
    const gaps = ticks.slice(1).map((tick, number) => Math.abs(tick - ticks[number]));
    const wrong = 0.01 * Math.min(...gaps);
    let digits = 3;
    while (digits < 8 && ticks.some((tick) => Math.abs(Number(tick.toPrecision(digits)) - tick) > wrong)) digits++;
    return ticks.map((tick) => text(tick, digits));
  }

  function linearTicks(low, high, most) {
    const rough = (high - low) / most, size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= rough * 0.999);
    const ticks = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) ticks.push(n * step);
    return ticks;
  }

  function logTicks(low, high, most) {
    const decades = Math.log10(high / low);
    if (decades < 0.5) return linearTicks(low, high, most).filter((tick) => tick > 0);
    const every = Math.max(1, Math.ceil(decades / most)), ticks = [];
    const firsts = decades * 3 <= most ? [1, 2, 5] : decades * 2 <= most ? [1, 3] : [1];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      if (power % every === 0) ticks.push(...firsts.map((first) => Number(`${first}e${power}`)));
    }
    return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  }

  // One plot --------------------------------------------------------------------------------------

  class Plot {
    constructor(panel, number) {
      this.panel = panel;
      this.log = panel.y.log;
      this.host = document.querySelector(`[data-plot="${number}"]`);
      this.canvas = this.host.querySelector(".canvas");
      this.output = this.host.querySelector("output");
      this.build();
      const actions = {
        in: () => this.zoom(0.5), out: () => this.zoom(2), left: () => this.shift(-0.25),
        right: () => this.shift(0.25), all: () => this.reset(),
      };
      for (const [name, action] of Object.entries(actions)) {
        this.host.querySelector(`[data-do="${name}"]`).addEventListener("click", action);
      }
      const log = this.host.querySelector("[data-do=log]");
      log.checked = this.log;
      log.addEventListener("change", () => { this.log = log.checked; this.build(); });
      const keys = {
        "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.all, Home: actions.all,
        ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
      };
      this.canvas.addEventListener("keydown", (event) => {
        if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        keys[event.key]();
      });
      new ResizeObserver(() => this.resize()).observe(this.canvas);
    }

    size() {
      const width = Math.max(200, Math.floor(this.canvas.clientWidth));
      return { width, height: Math.round(Math.min(340, Math.max(230, 0.62 * width))) };
    }

    resize() {
      const size = this.size();
      if (size.width !== this.plot.width) this.plot.setSize(size);
    }

    build() {
      const { panel, log } = this;
      const positive = (values, needed) => (needed ? values.map((value) => (value > 0 ? value : null)) : values);
      const tables = [], series = [{}], bands = [];
      this.parts = [null];
      for (const band of panel.bands) {
        const colour = band.method == null ? variable("soft") : readable(methods[band.method].colour);
        tables.push([band.x, positive(band.high, log), positive(band.low, log)]);
        bands.push({ series: [series.length, series.length + 1], fill: faint(colour, band.method == null ? 18 : 16) });
        for (let edge = 0; edge < 2; edge++) {
          series.push({ stroke: "transparent", width: 0, points: { show: false }, show: this.isShown(band) });
          this.parts.push(band);
        }
      }
      for (const line of panel.lines) {
        const colour = readable(line.colour);
        const dash = line.dash ?? DASHES[line.method % DASHES.length];
        tables.push([line.x, positive(line.y, log)]);
        series.push({ stroke: colour, dash, width: 2, points: { show: false }, show: this.isShown(line) });
        this.parts.push({ ...line, shownColour: colour, shownDash: dash });
      }
      let data = uPlot.join(tables);
      if (panel.x.log) {
        const kept = data[0].map((value) => value > 0);
        data = data.map((row) => row.filter((_, at) => kept[at]));
      }
      const whole = [data[0][0], data[0][data[0].length - 1]];
      this.whole = panel.x.limits && !panel.x.log ? panel.x.limits : whole;
      const axis = { stroke: variable("text"), grid: { stroke: variable("line"), width: 1 },
        ticks: { stroke: variable("line"), width: 1 }, font: "12px system-ui, sans-serif",
        labelFont: "13px system-ui, sans-serif", labelSize: 22 };
      const ticks = (isLog) => (_, number, low, high) => {
        const length = number === 0 ? this.size().width / 75 : this.size().height / 40;
        return (isLog ? logTicks : linearTicks)(low, high, Math.max(3, Math.floor(length)));
      };
      const values = (_, splits) => labels(splits), filter = (_, splits) => splits;
      const old = this.plot?.scales.x;
      this.plot?.destroy();
      this.plot = new uPlot({
        ...this.size(), series, bands, legend: { show: false }, padding: [12, 16, 0, 0],
        scales: {
          x: { time: false, distr: panel.x.log ? 3 : 1, range: (_, low, high) => [low, high] },
          y: { distr: log ? 3 : 1, range: (_, low, high) => this.range(low, high) },
        },
        axes: [
          { ...axis, label: panel.x.label, splits: ticks(panel.x.log), values, filter, size: 34 },
          { ...axis, label: panel.y.label, splits: ticks(log), values, filter, size: 58 },
        ],
        cursor: { drag: { x: true, y: true, uni: 30 }, points: { size: 7 }, y: false },
        hooks: { setCursor: [() => this.read()] },
      }, data, this.canvas);
      if (old) this.plot.setScale("x", { min: old.min, max: old.max });
      else this.reset();
      this.read();
    }

    range(low, high) {
      const { limits } = this.panel.y;
      if (low == null || high == null) return this.log ? [0.1, 1] : [0, 1];
      if (limits) {
        const [least, most] = limits;
        if (!this.isZoomed() && (!this.log || least > 0)) return limits;
        if (least != null && (!this.log || least > 0) && least > low && least < high) low = least;
        if (most != null && most < high && most > low) high = most;
      }
      if (this.log) {
        const room = Math.max(1.05, (high / low) ** 0.04);
        return [low / room, high * room];
      }
      const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
      return [low - room, high + room];
    }

    isZoomed() {
      const x = this.plot?.scales.x, [least, most] = this.whole.map(this.in);
      return x?.min != null && this.in(x.max) - this.in(x.min) < 0.999 * (most - least);
    }

    isShown(part) {
      return !hidden.has(part.method) && (!part.of || shown[part.of]);
    }

    update() {
      this.plot.batch(() => this.parts.forEach((part, number) => {
        if (part && this.plot.series[number].show !== this.isShown(part)) {
          this.plot.setSeries(number, { show: this.isShown(part) });
        }
      }));
      this.read();
    }

    // Zoom: x in the units of the axis, or their logarithm

    go(low, high) {
      const [least, most] = this.whole.map(this.in);
      const width = Math.min(high - low, most - least);
      low = Math.min(Math.max(low, least), most - width);
      this.plot.setScale("x", { min: this.out(low), max: this.out(low + width) });
    }

    get in() { return this.panel.x.log ? Math.log : (value) => value; }

    get out() { return this.panel.x.log ? Math.exp : (value) => value; }

    zoom(factor) {
      const { min, max } = this.plot.scales.x, [low, high] = [this.in(min), this.in(max)];
      const { idx } = this.plot.cursor;
      const centre = idx == null ? (low + high) / 2 : this.in(this.plot.data[0][idx]);
      this.go(centre - factor * (centre - low), centre + factor * (high - centre));
    }

    shift(share) {
      const { min, max } = this.plot.scales.x, [low, high] = [this.in(min), this.in(max)];
      this.go(low + share * (high - low), high + share * (high - low));
    }

    reset() {
      this.plot.setScale("x", { min: this.whole[0], max: this.whole[1] });
    }

    step(by) {
      const { plot } = this, x = plot.data[0], { min, max } = plot.scales.x;
      const first = x.findIndex((value) => value >= min);
      const last = x.length - 1 - [...x].reverse().findIndex((value) => value <= max);
      const now = plot.cursor.idx ?? (by > 0 ? first - 1 : last + 1);
      const next = Math.min(Math.max(now + by, first), last);
      plot.setCursor({ left: plot.valToPos(x[next], "x"), top: plot.over.clientHeight / 2 });
    }

    read() {
      if (!this.plot) return;
      const { idx } = this.plot.cursor, { data } = this.plot;
      if (idx == null) {  // a key of what is no method
        const parts = this.parts.filter((part) => part?.label && part.method == null && !part.of);
        const known = new Map(parts.map((part) => [part.label, part]));
        this.output.replaceChildren(...[...known.values()].map((part) => {
          const mark = part.y ? swatch(part.shownColour, part.shownDash) : patch(variable("soft"));
          return labelled(mark, part.label);
        }));
        return;
      }
      const value = (row) => {
        for (let off = 0; off < 20; off++) {
          for (const at of [idx - off, idx + off]) if (row[at] !== undefined) return row[at];
        }
        return null;
      };
      const shownLines = this.parts
        .map((part, number) => ({ part, value: part?.label && part.y ? value(data[number]) : null }))
        .filter(({ part, value: own }) => own != null && this.isShown(part));
      const title = document.createElement("span");
      title.textContent = `${this.panel.x.label}: ${text(data[0][idx], 4)}`;
      this.output.replaceChildren(title, ...shownLines.map(({ part, value: own }) => (
        labelled(swatch(part.shownColour, part.shownDash), `${part.label}: ${text(own)}`)
      )));
    }
  }

  // All plots -------------------------------------------------------------------------------------

  function paint() {
    document.querySelectorAll("[data-swatch]").forEach((place) => {
      const number = Number(place.dataset.swatch);
      place.innerHTML = swatch(readable(methods[number].colour), DASHES[number % DASHES.length]);
    });
  }

  paint();
  panels.forEach((panel, number) => { if (panel.lines.length) plots.push(new Plot(panel, number)); });
  document.querySelectorAll("[data-method]").forEach((box) => box.addEventListener("change", () => {
    hidden[box.checked ? "delete" : "add"](Number(box.dataset.method));
    plots.forEach((plot) => plot.update());
  }));
  document.querySelectorAll("[data-spread]").forEach((box) => box.addEventListener("change", () => {
    shown[box.dataset.spread] = box.checked;
    plots.forEach((plot) => plot.update());
  }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    paint();
    plots.forEach((plot) => plot.build());
  });
})();
