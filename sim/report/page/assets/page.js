// Draws the figures. Colours are CSS variables, so dark, light and paper need no redrawing; nothing is loaded.
(() => {
  "use strict";
  const ink = "var(--ink)", line = "var(--line)", dim = "var(--dim)";
  const config = {
    background: "transparent", font: "inherit", aria: false, view: { stroke: "transparent" },
    axis: { labelColor: ink, titleColor: dim, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", labelFont: "sans-serif", titleFont: "sans-serif" },
    legend: { labelColor: ink, titleColor: dim, labelFontSize: 12, labelFont: "sans-serif", titleFont: "sans-serif", labelLimit: 260 },
    title: { color: ink, anchor: "start", fontSize: 12.5, fontWeight: 600, font: "sans-serif", limit: 1000, frame: "group" },
    header: { labelColor: ink, titleColor: dim, labelFont: "sans-serif" }, text: { fill: ink, font: "sans-serif" },
    mark: { color: "var(--faint)" },
  };
  const read = (name) => JSON.parse(document.getElementById("data-" + name).textContent);
  const rows = (columns) => {
    const names = Object.keys(columns), count = names.length ? columns[names[0]].length : 0;
    return Array.from({ length: count }, (_, at) => Object.fromEntries(names.map((name) => [name, columns[name][at]])));
  };
  const loader = { load: () => Promise.reject(Error("nothing is loaded")), sanitize: () => Promise.reject(Error("nothing is loaded")), http: null, file: null, options: {} };
  const tooltip = new charts.Handler({ disableDefaultStyle: true });

  function wrapped(text, most) {
    const lines = [""];
    for (const word of text.split(" ")) {
      const last = lines.length - 1;
      if (lines[last] && lines[last].length + word.length >= most) lines.push(word); else lines[last] += (lines[last] ? " " : "") + word;
    }
    return lines;
  }
  // Concatenated panels have no "as wide as the container": their width is reckoned here.
  function sized(spec, room) {
    const made = structuredClone(spec), meta = made.usermeta || {}, parts = made.vconcat || made.concat;
    const across = Math.max(1, Math.min(meta.across || 1, Math.floor(room / 330)));
    const inner = Math.max(120, Math.floor(room / across) - (meta.pad || 70));
    for (const part of parts) {
      part.width = inner;
      if (part.title && part.title.text) part.title.text = [part.title.text].flat().flatMap((text) => wrapped(text, inner / 6.6));
    }
    if (made.concat) made.columns = across;
    return made;
  }
  // A layer without a row has no scale to be drawn on; a panel without a layer says so.
  function filled(spec) {
    for (const part of spec.vconcat || spec.concat) {
      if (!part.layer) continue;
      part.layer = part.layer.filter((each) => !each.data || !each.data.name || spec.datasets[each.data.name].length > 0);
      if (part.layer.length === 0) part.layer = [{ data: { values: [{}] }, mark: { type: "text", text: "nothing to show", color: dim } }];
    }
    return spec;
  }
  const all = new Map();
  async function draw(place) {
    const own = all.get(place), chosen = own.pick === 0 ? own : own.choices[own.pick];
    const spec = sized(chosen.spec, Math.floor(place.clientWidth));
    spec.datasets = Object.fromEntries(Object.entries(chosen.data).map(([name, columns]) => [name, rows(columns)]));
    filled(spec);
    const key = { ...config.legend, columns: Math.max(2, Math.floor(place.clientWidth / 105)) };
    const merged = { ...config, ...spec.config, legend: key };
    delete spec.config;
    const view = new charts.View(charts.parse(charts.compile(spec, { config: merged }).spec, null, { ast: true }), {
      expr: charts.expressionInterpreter, renderer: "svg", container: place, hover: true, loader, tooltip: tooltip.call, logLevel: 2,
    });
    if (own.view) own.view.finalize();
    own.view = view;
    await view.runAsync();
    place.dataset.drawn = String(spec.width || (spec.vconcat || spec.concat)[0].width);
  }
  async function drawn(place) {
    try { await draw(place); } catch (error) { place.classList.add("failed"); place.textContent = "This figure could not be drawn: " + error.message; console.error(error); }
  }
  const places = [...document.querySelectorAll(".chart")];
  async function everything() { for (const place of places) await drawn(place); document.documentElement.dataset.figures = String(places.length); }
  for (const place of places) all.set(place, { ...read(place.dataset.chart), pick: 0, view: null });
  for (const select of document.querySelectorAll("select[data-for]")) {
    const place = document.querySelector(`.chart[data-chart="${CSS.escape(select.dataset.for)}"]`);
    select.addEventListener("change", () => { all.get(place).pick = Number(select.value); drawn(place); });
  }
  everything();
  // On paper no doubt may be folded away.
  const folded = () => [...document.querySelectorAll("details.doubts")];
  let were = [];
  window.addEventListener("beforeprint", () => { were = folded().map((each) => each.open); for (const each of folded()) each.open = true; });
  window.addEventListener("afterprint", () => folded().forEach((each, at) => { each.open = were[at]; }));
  let waiting = 0, width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(everything, 200);
  });
  // The replay tells the figures what time it is; at most ten times a second, and only those that have a clock.
  let told = 0, timer = 0;
  document.addEventListener("hostsim-time", (event) => {
    told = event.detail;
    if (timer) return;
    timer = setTimeout(() => {
      timer = 0;
      for (const { view } of all.values()) {
        if (!view) continue;
        try { view.signal("now", told).runAsync(); } catch { /* a figure without a clock */ }
      }
    }, 100);
  });
})();
