// Plays back a host: tiles are guests, a slider is the simulated time. All that is shown was recorded; nothing is made up.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data-replay").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (kind, className, text) => {
    const made = document.createElement(kind);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  };
  const STEPS = 1000, GAP = 3; // positions of the slider; seconds of a pause in which nothing happens that count whole
  const classes = data.states.map((state) => state[0]);

  // Two clocks: position 0..1 of the slider to simulated time and back. The slow one shortens what lies between changes.
  function clockOf(kind) {
    if (kind === "even") return { at: (part) => part * data.end, part: (time) => time / data.end };
    const moments = new Set([0, data.end]);
    for (const host of data.hosts) for (const time of host.changes.time) if (time < data.end) moments.add(time);
    const times = [...moments].sort((a, b) => a - b), ends = [0];
    for (let i = 1; i < times.length; i++) {
      const gap = times[i] - times[i - 1];
      ends.push(ends[i - 1] + Math.min(gap, GAP) + 0.04 * gap);
    }
    const whole = ends[ends.length - 1] || 1;
    const between = (value, from, to) => {
      let low = 0, high = from.length - 1;
      while (high - low > 1) { const middle = (low + high) >> 1; if (from[middle] <= value) low = middle; else high = middle; }
      const span = from[high] - from[low];
      return to[low] + (span > 0 ? ((value - from[low]) / span) * (to[high] - to[low]) : 0);
    };
    return { at: (part) => between(part * whole, ends, times), part: (time) => between(time, times, ends) / whole };
  }
  const moments = [...new Set(data.hosts.flatMap((host) => host.changes.time))].sort((a, b) => a - b);
  const last = (times, time) => { // index of the last of sorted times that is not after this one
    let low = -1, high = times.length;
    while (high - low > 1) { const middle = (low + high) >> 1; if (times[middle] <= time) low = middle; else high = middle; }
    return low;
  };
  const shown = (value) => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  const gib = (bytes) => shown(bytes / 2 ** 30) + " GiB";
  const clockText = (time) => {
    const hours = Math.floor(time / 3600), minutes = Math.floor((time % 3600) / 60), seconds = time % 60;
    const tail = seconds.toFixed(data.end < 3600 ? 2 : 0).padStart(data.end < 3600 ? 5 : 2, "0");
    return `${hours ? hours + ":" + String(minutes).padStart(2, "0") : minutes}:${tail}`;
  };

  function hostView(host) {
    const box = make("div", "host"), title = make("h3", "", host.platform), counts = make("p", "counts");
    box.style.setProperty("--own", `var(${host.var})`);
    const tiles = make("div", "tiles"), size = host.places <= 24 ? 34 : host.places <= 80 ? 24 : host.places <= 220 ? 16 : host.places <= 500 ? 11 : 8;
    tiles.style.setProperty("--size", size + "px");
    if (size < 14) tiles.classList.add("small");
    tiles.setAttribute("role", "img");
    const cells = Array.from({ length: host.places }, () => make("i", "tile empty"));
    tiles.append(...cells);
    box.append(title, counts, tiles);
    if (host.hidden) box.append(make("p", "counts", `${host.hidden} more places are not drawn.`));
    const meters = ["cpu", "memory"].map((kind) => {
      const meter = make("div", "meter"), label = make("span"), track = make("div", "track"), used = make("div", "used"), promised = make("div", "promised");
      track.append(used, promised);
      meter.append(label, track);
      box.append(meter);
      return { kind, label, used, promised };
    });
    const flow = make("p", "counts"), told = make("ul", "told");
    box.append(flow, told);
    return { host, box, counts, tiles, cells, meters, flow, told, applied: 0, state: new Int8Array(host.places), guest: new Int32Array(host.places).fill(-1), tally: classes.map((_, i) => (i ? 0 : host.places)) };
  }
  function put(view, change) {
    const { changes } = view.host, place = changes.place[change], state = changes.state[change];
    view.tally[view.state[place]]--;
    view.tally[state]++;
    view.state[place] = state;
    view.guest[place] = changes.guest[change];
    view.dirty.set(place, changes.why[change]);
  }
  function showTiles(view, time) {
    const { changes } = view.host, until = last(changes.time, time) + 1;
    view.dirty = new Map();
    if (until < view.applied) { // backwards: from the beginning
      view.state.fill(0);
      view.guest.fill(-1);
      view.tally = classes.map((_, i) => (i ? 0 : view.host.places));
      for (let place = 0; place < view.host.places; place++) view.dirty.set(place, "");
      view.applied = 0;
    }
    for (; view.applied < until; view.applied++) put(view, view.applied);
    for (const [place, why] of view.dirty) {
      const cell = view.cells[place], state = view.state[place], name = view.host.guests[view.guest[place]];
      cell.className = "tile " + classes[state];
      cell.textContent = data.states[state][1];
      cell.title = name ? `${name}: ${classes[state]}${why ? " (" + why + ")" : ""}` : "";
    }
  }
  // So many of the tiles that serve are marked as the sample says were throttled on the mean, rounded up: the first ones.
  function throttle(view, count) {
    let left = count;
    for (let place = 0; place < view.host.places; place++) {
      const cell = view.cells[place], on = view.state[place] === 2 && left > 0;
      if (on) left--;
      if (cell.classList.contains("throttled") !== on) {
        cell.classList.toggle("throttled", on);
        cell.textContent = on ? data.throttled[1] : data.states[view.state[place]][1];
      }
    }
  }
  function showHost(view, time) {
    const { samples } = view.host, at = Math.max(last(samples.time, time), 0);
    const still = samples.throttled ? samples.throttled[Math.min(at + 1, samples.time.length - 1)] : 0; // means look back
    if (data.throttled) throttle(view, Math.ceil(still - 0.05));
    const words = classes.map((name, i) => (i && (view.tally[i] || i < 4) ? `${view.tally[i]} ${name}` : "")).filter(Boolean).join(" · ")
      + (still >= 0.005 ? ` · ${shown(still)} throttled` : "");
    view.counts.textContent = words;
    view.tiles.setAttribute("aria-label", `${view.host.platform}: ${words}`);
    view.box.classList.toggle("off", view.tally[2] === 0 && view.tally[3] > 0);
    for (const { kind, label, used, promised } of view.meters) {
      const whole = samples.capacity[kind] || 1, now = samples[kind + "_used"][at], held = samples[kind + "_allocated"][at];
      used.style.width = Math.min(100, (100 * now) / whole) + "%";
      promised.style.width = Math.min(100, (100 * held) / whole) + "%";
      label.textContent = kind === "cpu"
        ? `CPU: ${shown(now)} of ${shown(whole)} cores used${now > 0.98 * whole ? " (all: who wants more waits)" : ""}, ${shown(held)} promised`
        : `Memory: ${gib(now)} of ${gib(whole)} used, ${gib(held)} promised`;
    }
    const step = at > 0 ? samples.time[at] - samples.time[at - 1] : data.step;
    view.flow.textContent = `Requests: ${shown(samples.arrivals[at] / step)} /s arrive, ${shown(samples.completed[at] / step)} /s served, ${samples.in_flight[at]} in flight`;
    const until = last(view.host.told.time, time), lines = [];
    for (let i = until; i >= 0 && i > until - 3; i--) lines.push(make("li", "", `${clockText(view.host.told.time[i])}  ${view.host.told.what[i]}`));
    view.told.replaceChildren(...lines);
    for (const each of lines) each.title = each.textContent;
  }

  const views = data.hosts.map(hostView), slider = $("slider"), play = $("play"), output = $("clock");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let clock = clockOf("slow"), time = 0, playing = 0, before = 0;
  function show(to, move = true) {
    time = Math.max(0, Math.min(data.end, to));
    for (const view of views) { showTiles(view, time); showHost(view, time); }
    if (move) slider.value = String(Math.round(clock.part(time) * STEPS));
    const text = `${clockText(time)} of ${clockText(data.end)}`;
    output.textContent = clockText(time);
    slider.setAttribute("aria-valuetext", text);
    document.dispatchEvent(new CustomEvent("hostsim-time", { detail: time }));
  }
  function speak() { $("spoken").textContent = `${clockText(time)}. ` + views.map((view) => `${view.host.platform}: ${view.counts.textContent}`).join(". "); }
  function stop() {
    cancelAnimationFrame(playing);
    playing = 0;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
    speak();
  }
  function tick(now) {
    const least = calm.matches ? 1000 : 0; // whoever wants less motion gets a picture a second
    if (now - before >= least) {
      const part = clock.part(time) + (now - before) / 1000 / Number($("speed").value);
      before = now;
      show(part >= 1 ? data.end : clock.at(part));
      if (part >= 1) return stop();
    }
    playing = requestAnimationFrame(tick);
  }
  function toggle() {
    if (playing) return stop();
    if (time >= data.end) show(0);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    before = performance.now();
    playing = requestAnimationFrame(tick);
  }
  function leap(direction) {
    const at = last(moments, time);
    const next = direction > 0 ? moments[at + 1] : moments[moments[at] < time ? at : at - 1];
    if (next !== undefined) show(next); else show(direction > 0 ? data.end : 0);
    if (!playing) speak();
  }
  play.addEventListener("click", toggle);
  $("next").addEventListener("click", () => leap(1));
  $("back").addEventListener("click", () => leap(-1));
  $("pace").addEventListener("change", (event) => { clock = clockOf(event.target.value); show(time); });
  slider.addEventListener("input", () => show(clock.at(Number(slider.value) / STEPS), false));
  slider.addEventListener("change", () => { if (!playing) speak(); });
  $("player").addEventListener("keydown", (event) => {
    if (event.key === " " && event.target === slider) { event.preventDefault(); toggle(); }
    if (event.key === "n" || event.key === "b") leap(event.key === "n" ? 1 : -1);
  });
  const key = data.throttled ? [...data.states.slice(0, 3), data.throttled, ...data.states.slice(3)] : data.states;
  for (const [name, mark, means] of key) {
    const item = make("li"), tile = make("i", "tile " + name + (name === "throttled" ? " serving" : ""), mark);
    tile.setAttribute("aria-hidden", "true");
    item.append(tile, make("span", "", `${name}: ${means}`));
    $("key").append(item);
  }
  $("key").append(make("li", "", "Bars: filled is used, the dashed line is promised. Keys on the slider: arrows, space plays, n and b leap to the next and the last change."));
  $("hosts").append(...views.map((view) => view.box));
  $("player").hidden = false;
  show(0);
})();
