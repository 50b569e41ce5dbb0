// One tuning, or two beside each other: how far it is, loss and likeness over the steps, and the held-out photo at each
// look. The step that is chosen in one place is chosen in all of them.
const { make, fill, notice, typing } = window.likeness;
const find = (selector, within = element) => within.querySelector(selector);
const words = props.words;
const PICTURES = ["all", "damaged", "restored", "true"];
const PLACES = { damaged: "0%", restored: "50%", true: "100%" };
const ROOM = { left: 44, right: 14, top: 12, bottom: 22 };
let running = "";
let looked = false;
const heard = new Set(); // an older answer may come after a newer one, and nothing is told twice
let titled = false;

const near = (number) => (number === 0 ? "0" : Math.abs(number) < 0.01 ? number.toExponential(0) : String(Number(number.toPrecision(2))));

function svg(tag, fields, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(fields)) made.setAttribute(name, String(value));
  if (text) made.textContent = text;
  return made;
}

// Round numbers that lie in a range, as few as three where that can be.
function ticks(low, high) {
  const raw = (high - low) / 3 || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const within = (step) => Math.floor(high / step + 1e-6) - Math.ceil(low / step) + 1;
  const step = [10, 5, 2, 1].map((k) => k * size).find((one) => within(one) >= 3) || size;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(at);
  return found;
}

function smooth(points) {
  let mean = null;
  return points.map(([step, value]) => {
    mean = mean === null ? value : 0.9 * mean + 0.1 * value;
    return [step, mean];
  });
}

// Draws one chart; gives a function that says which step lies at a place across.
function draw(place, { points, lines, dots, scale, steps, chosen, label }) {
  const width = Math.max(220, place.clientWidth || 480);
  const height = Number(place.dataset.height);
  const [low, high] = scale;
  const x = (step) => ROOM.left + ((width - ROOM.left - ROOM.right) * step) / Math.max(1, steps);
  const y = (value) => ROOM.top + ((height - ROOM.top - ROOM.bottom) * (high - value)) / (high - low || 1);
  const path = (row) => row.map(([step, value], n) => (n ? "L" : "M") + x(step).toFixed(1) + " " + y(value).toFixed(1)).join("");
  const made = svg("svg", { viewBox: "0 0 " + width + " " + height, width, height, role: "img", "aria-label": label });
  for (const at of ticks(low, high)) {
    made.append(
      svg("line", { x1: ROOM.left, x2: width - ROOM.right, y1: y(at), y2: y(at), class: "lk-grid" }),
      svg("text", { x: ROOM.left - 6, y: y(at) + 3.5, "text-anchor": "end" }, near(at)),
    );
  }
  for (const at of ticks(0, steps).filter((one) => Number.isInteger(one))) {
    made.append(svg("text", { x: x(at), y: height - 6, "text-anchor": "middle" }, String(at)));
  }
  if (chosen !== null) {
    made.append(svg("line", { x1: x(chosen), x2: x(chosen), y1: ROOM.top, y2: height - ROOM.bottom, class: "lk-chosen" }));
  }
  for (const [kind, row] of lines) if (row.length > 1) made.append(svg("path", { d: path(row), class: kind }));
  if (dots) {
    for (const [step, value] of points) {
      const on = step === chosen;
      made.append(svg("circle", { cx: x(step), cy: y(value), r: on ? 5.5 : 3.5, class: on ? "lk-dot on" : "lk-dot" }));
    }
  }
  place.replaceChildren(made);
}

function range(rows, least) {
  const all = rows.flat().map(([, value]) => value);
  if (!all.length) return [0, 1];
  const low = Math.min(...all);
  const high = Math.max(...all);
  const room = Math.max((high - low) * 0.12, least);
  return [Math.max(0, low - room), high + room];
}

// One column: its elements are made once and filled again and again, so that what has the focus keeps it.
function column(side) {
  const id = "lk-chart-" + side;
  const box = make("article", { class: "lk-column", "aria-labelledby": id + "-title" });
  const title = make("h3", { id: id + "-title" });
  const numbers = make("p", { class: "lk-hint" });
  const goal = make("div", { class: "lk-chart", "data-height": "190" });
  const loss = make("div", { class: "lk-chart", "data-height": "130" });
  const charts = make("div", { class: "lk-charts", tabindex: "0", role: "group", "aria-label": words.chart_keys });
  charts.append(
    make("h4", {}, words.chart_identity, make("small", { text: words.chart_identity_note })),
    goal,
    make("h4", {}, words.chart_loss, make("small", { text: words.chart_loss_note })),
    loss,
  );
  const big = make("div", { class: "lk-big", tabindex: "0", role: "group", "aria-label": words.samples_keys });
  const told = make("p", { class: "lk-told", role: "status" });
  const strip = make("div", { class: "lk-film", role: "listbox", "aria-label": words.samples });
  const none = make("p", { class: "lk-hint" });
  const samples = make("div", { class: "lk-samples" }, make("h4", {}, words.samples, make("small", { text: words.samples_note })), big, told, strip, none);
  const notes = make("ul", { class: "lk-said" });
  box.append(title, numbers, samples, charts, notes);
  const own = { box, side, value: null, step: null, last: true, picture: "all", held: false, shown: "" };

  const at = () => own.value.samples.findIndex((one) => one.step === own.step);
  function choose(step) {
    own.step = step;
    const all = own.value.samples;
    own.last = !all.length || step === all[all.length - 1].step;
    fillIn();
  }
  function move(by) {
    const all = own.value.samples;
    if (!all.length) return;
    choose(all[Math.min(all.length - 1, Math.max(0, at() + by))].step);
  }
  function turn(by) {
    own.picture = PICTURES[(PICTURES.indexOf(own.picture) + by + PICTURES.length) % PICTURES.length];
    fillIn();
  }
  function keys(event) {
    const act = {
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      ArrowUp: () => turn(-1),
      ArrowDown: () => turn(1),
      Home: () => move(-1e6),
      End: () => move(1e6),
    }[event.key];
    if (event.key === " ") {
      own.held = true;
      fillIn();
    } else if (act) act();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  const release = () => {
    if (!own.held) return;
    own.held = false;
    fillIn();
  };
  for (const place of [charts, big, strip]) place.addEventListener("keydown", keys);
  for (const kind of ["keyup", "blur"]) window.addEventListener(kind, release);
  charts.addEventListener("click", (event) => {
    const where = charts.querySelector("svg").getBoundingClientRect();
    const share = (event.clientX - where.left - ROOM.left) / (where.width - ROOM.left - ROOM.right);
    const wanted = share * own.value.steps;
    const all = own.value.samples.map((one) => one.step);
    if (all.length) choose(all.reduce((best, step) => (Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best)));
  });

  function tile(sample, name) {
    const picture = make("span", { class: "lk-tile-picture" }, make("img", { src: sample.src, alt: fill(words.sample_of, { picture: words["sample_" + name], step: sample.step }) }));
    picture.firstChild.style.objectPosition = PLACES[name] + " 0";
    const caption = name === "restored" && !own.held ? fill(words.sample_at, { step: sample.step }) : words["sample_" + name];
    return make("figure", {}, picture, make("figcaption", { text: caption }));
  }

  function fillIn() {
    const value = own.value;
    box.hidden = !value;
    if (!value) return;
    const all = value.samples;
    if (own.last || at() < 0) own.step = all.length ? all[all.length - 1].step : null;
    title.textContent = value.title;
    numbers.textContent = value.about;
    const sample = all[at()];
    big.hidden = told.hidden = strip.hidden = !sample;
    none.hidden = !!sample;
    none.textContent = value.none;
    if (sample) {
      const kinds = own.picture === "all" ? ["damaged", "restored", "true"] : [own.picture];
      const held = own.held ? kinds.map((kind) => (kind === "restored" ? "true" : kind)) : kinds;
      const key = JSON.stringify([sample.src, held, own.held]);
      if (big.dataset.shown !== key) {
        big.dataset.shown = key;
        big.classList.toggle("one", held.length === 1);
        big.replaceChildren(...held.map((kind) => tile(sample, kind)));
      }
      told.textContent = sample.told;
      const row = JSON.stringify([all, value.best]);
      if (own.shown !== row) {
        own.shown = row;
        strip.replaceChildren(
          ...all.map((one) => {
            const picture = make("img", { src: one.src, alt: "", loading: "lazy" });
            const button = make("button", { type: "button", role: "option", onclick: () => choose(one.step) });
            button.append(
              make("span", { class: "lk-tile-picture" }, picture),
              make("span", { text: fill(words.sample_step, { step: one.step }) }),
              make("small", { text: one.identity === null ? "" : one.identity.toFixed(2), class: one.step === value.best ? "best" : "" }),
            );
            button.dataset.step = one.step;
            return button;
          }),
        );
      }
      for (const button of strip.children) {
        const on = Number(button.dataset.step) === own.step;
        button.setAttribute("aria-selected", String(on));
        button.tabIndex = on ? 0 : -1;
        if (on && strip.contains(document.activeElement) && document.activeElement !== button) button.focus();
        if (on && strip.scrollWidth > strip.clientWidth) {
          strip.scrollLeft = button.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + button.clientWidth / 2;
        }
      }
    }
    charts.hidden = !value.losses.length && !value.identity.length;
    draw(goal, {
      points: value.identity,
      lines: [["lk-goal", value.identity]],
      dots: true,
      scale: own.scales.identity,
      steps: value.steps,
      chosen: own.step,
      label: value.spoken,
    });
    draw(loss, {
      points: [],
      lines: [["lk-raw", value.losses], ["lk-loss", smooth(value.losses)]],
      dots: false,
      scale: own.scales.loss,
      steps: value.steps,
      chosen: own.step,
      label: words.chart_loss,
    });
    goal.hidden = goal.previousSibling.hidden = !value.identity.length;
    notes.replaceChildren(...value.notes.map((text) => make("li", { text })));
    notes.hidden = !value.notes.length;
  }

  own.set = (value, scales) => {
    if (own.value && value && own.value.id !== value.id) Object.assign(own, { step: null, last: true, shown: "" });
    own.value = value;
    own.scales = scales;
    fillIn();
  };
  own.redraw = fillIn;
  return own;
}

const columns = ["a", "b"].map(column);
find(".lk-columns").append(...columns.map((one) => one.box));

function progress(now) {
  find(".lk-now").hidden = !now;
  if (!now) return;
  const bar = find(".lk-bar");
  const known = typeof now.share === "number";
  find(".lk-work-stage").textContent = now.stage;
  const end = now.end && !now.paused ? fill(words.ends_at, { time: new Date(now.end * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) }) : "";
  find(".lk-work-left").textContent = [now.left, end].filter(Boolean).join(", ");
  bar.classList.toggle("waiting", !known && !now.paused);
  bar.firstElementChild.style.transform = known ? "scaleX(" + now.share + ")" : "";
  if (known) bar.setAttribute("aria-valuenow", String(Math.round(100 * now.share)));
  else bar.removeAttribute("aria-valuenow");
  bar.setAttribute("aria-valuetext", [now.stage, now.left, end].filter(Boolean).join(", "));
  find(".lk-numbers").replaceChildren(...now.numbers.flatMap(([term, text]) => [make("div", {}, make("dt", { text: term }), make("dd", { text }))]));
}

// The title says how far it is, and the system that it is over, where the user allowed that: of what is at work, whatever
// is looked at. The tag makes one notification of those of several windows.
function outside({ work, ended }) {
  const share = !!work && typeof work.share === "number";
  if (share) document.title = Math.round(100 * work.share) + " % " + words.app;
  else if (titled) document.title = words.app;
  titled = share;
  const now = work ? work.job : "";
  const over = ended ? ended.job : "";
  // What ended since the last look, even where it began since then too; else what is gone with its person.
  const fresh = looked && over && !heard.has(over);
  const gone = running && now !== running && over !== running && !heard.has(running);
  if ((fresh || gone) && window.Notification && Notification.permission === "granted") {
    new Notification(words.app, { body: fresh ? ended.text : words.notify_over, tag: fresh ? over : running });
  }
  heard.add(over);
  looked = true;
  running = now;
}

function tools(value) {
  const now = value.running;
  const tool = (name) => find("[data-do=" + name + "]");
  tool("pause").hidden = tool("look").hidden = tool("stop").hidden = !now;
  if (now) {
    tool("pause").textContent = now.paused ? words.resume : words.pause;
    tool("pause").disabled = tool("stop").disabled = now.stopping;
    tool("stop").textContent = now.stopping ? words.stopping : words.stop;
    tool("look").disabled = now.paused || now.stopping || !now.looks;
    tool("look").textContent = now.looking ? words.looking_soon : words.look;
  }
  tool("on").hidden = !value.goes_on;
  find(".lk-more").hidden = !value.extends;
  tool("delete").hidden = !value.deletes;
  const asks = window.Notification && Notification.permission === "default";
  tool("notify").hidden = !asks || !value.work;
  const beside = find(".lk-beside select");
  const key = JSON.stringify([value.others, value.beside]);
  if (beside.dataset.shown !== key) {
    beside.dataset.shown = key;
    beside.replaceChildren(
      make("option", { value: "", text: words.beside_none }),
      ...value.others.map(([id, text]) => make("option", { value: id, text })),
    );
    beside.value = value.beside;
  }
  find(".lk-beside").hidden = !value.others.length;
}

function settings(value) {
  find(".lk-tuning-settings").hidden = !value.settings.length;
  const key = JSON.stringify(value.settings);
  const body = find("tbody");
  if (body.dataset.shown === key) return;
  body.dataset.shown = key;
  find("thead").replaceChildren(
    make("tr", {}, make("th", { scope: "col", text: words.setting }), ...value.columns.map((one) => make("th", { scope: "col", text: one.title }))),
  );
  body.replaceChildren(
    ...value.settings.map(([term, ...texts]) => {
      const differs = texts.length > 1 && texts[0] !== texts[1];
      return make("tr", { class: differs ? "differs" : "" }, make("th", { scope: "row", text: term }), ...texts.map((text) => make("td", { text })));
    }),
  );
}

function show() {
  const value = props.value;
  if (!value) return;
  const any = !!value.title;
  find(".lk-nothing").hidden = any;
  find(".lk-tuning-head").hidden = !any;
  find(".lk-tuning-head h2").textContent = value.title;
  find(".lk-tuning-head .lk-hint").textContent = value.about;
  if (!value.deletes) find(".lk-sure").hidden = true;
  tools(value);
  progress(value.now);
  outside(value);
  find(".lk-notices").replaceChildren(
    ...(value.error ? [make("div", { class: "lk-notice bad" }, make("p", { text: value.error }))] : []),
  );
  const scales = {
    identity: range(value.columns.map((one) => one.identity), 0.03),
    // Of many points some lie far out; the chart is as high as the most of them.
    loss: range(value.columns.map((one) => (one.losses.length < 40 ? one.losses : smooth(one.losses))), 0.0005),
  };
  find(".lk-columns").classList.toggle("two", value.columns.length > 1);
  columns.forEach((one, n) => one.set(value.columns[n] || null, scales));
  settings(value);
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const id = props.value.id;
  const does = {
    pause: () => (props.value.running.paused ? trigger("resumed", {}) : trigger("paused", {})),
    look: () => trigger("looked", {}),
    stop: () => trigger("stopped", {}),
    on: () => trigger("wenton", { id }),
    more: () => trigger("extended", { id, steps: Number(find("#lk-more").value) || 0 }),
    notify: () => Notification.requestPermission().then(show),
    delete: () => {
      find(".lk-sure").hidden = false;
      find("[data-answer=no]").focus();
    },
  }[button.dataset.do];
  if (["stop", "look", "on"].includes(button.dataset.do)) button.disabled = true;
  does();
  window.setTimeout(() => {
    button.disabled = false;
    show();
  }, 1500);
});
find("[data-answer=yes]").addEventListener("click", () => {
  find(".lk-sure").hidden = true;
  trigger("deleted", { id: props.value.id });
});
find("[data-answer=no]").addEventListener("click", () => {
  find(".lk-sure").hidden = true;
  find("[data-do=delete]").focus();
});
find(".lk-beside select").addEventListener("change", (event) => trigger("besides", { id: event.target.value }));

// Single keys work anywhere on the page while this screen is to be seen.
document.addEventListener("keydown", (event) => {
  const seen = element.getClientRects().length > 0 && find(".lk-tuning-head").getClientRects().length > 0;
  if (!seen || event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing()) return;
  if (document.querySelector("dialog[open]")) return;
  const name = { p: "pause", n: "look", r: "on" }[event.key.toLowerCase()];
  const button = name && find("[data-do=" + name + "]");
  if (!button || button.hidden || button.disabled) return;
  event.preventDefault();
  button.click();
});
new ResizeObserver(() => columns.forEach((one) => one.redraw())).observe(find(".lk-columns"));
watch("value", show);
show();
