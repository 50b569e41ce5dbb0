// The viewer: up to six pictures of one thing, in step. One at a time, two with a line between, or all side by side;
// each held against the one all began with, or against another that was chosen for it.
window.likeness.viewer = ({ element, props, trigger: send, watch, upload, events }) => {
  const { make, takeIn, typing, geometry, panes: views, lens: glasses, fill } = window.likeness;
  const words = props.words;
  // One that Python cannot hear would be lost without a word.
  const trigger = (name, data) => {
    if (!events.includes(name)) throw new Error("the viewer has no event " + name);
    send(name, data);
  };
  const find = (selector) => element.querySelector(selector);
  const canvas = find(".lk-canvas");
  const handle = find(".lk-handle");
  const hold = find(".lk-hold");
  const sheet = find(".lk-sheet");
  const gain = find(".lk-gain input");
  const panes = [];
  const GAP = 2;
  const state = {
    ...{ view: "", line: "across", zoom: "fit", scale: 1, at: [0.5, 0.5], split: 0.5, room: [1, 1], dense: 1 },
    ...{ held: false, flipped: false, difference: false, lens: false, doubt: false, look: [0.5, 0.5] },
    strip: !matchMedia("(min-width: 961px) and (max-height: 800px)").matches, // there the picture needs the room
    ...{ select: 0, candidate: 0, picked: "", held_against: "", photo: null, seen: 0 },
  };

  const value = () => props.value || {};
  const all = () => (marking.on() ? value().panes.slice(0, 1) : value().panes || []);
  const any = () => all().length > 0;
  const several = () => all().length > 1;
  const size = () => [value().width, value().height];
  const mode = () => {
    if (!several()) return "one";
    return state.view || (all().length > 2 ? "side" : "split");
  };
  const shownPanes = () => (mode() === "side" ? all().map((_, index) => index) : [several() ? state.candidate : 0]);
  const splits = () => mode() === "split" && !state.held && !state.flipped && !state.difference && state.select !== state.candidate;

  // Where the panes stand and how the picture lies in each; the same for all.
  function layout() {
    const count = shownPanes().length;
    const whole = geometry.arranged(count, state.room, size(), GAP);
    const places = shownPanes().map((_, index) => [
      (index % whole.columns) * (whole.pane[0] + GAP),
      Math.floor(index / whole.columns) * (whole.pane[1] + GAP),
    ]);
    return { pane: whole.pane, places, size: size(), fit: geometry.fitting(whole.pane, size()) };
  }

  function viewed() {
    const found = layout();
    const { at, scale, dense, line } = state;
    // Until the next frame the scale may still be that of another room.
    const close = state.zoom !== "fit" && scale > found.fit * 1.001;
    return { ...found, at, scale, dense, line, close, splits: splits() };
  }

  function scaleOf(zoom) {
    const { pane, fit } = layout();
    if (zoom === "full") return 1 / state.dense;
    if (zoom === "face" && value().face) return geometry.closeTo(value().face, pane, size());
    return fit;
  }

  function middle() {
    const face = value().face;
    return face ? [(face[0] + face[2]) / 2, (face[1] + face[3]) / 2] : [0.5, 0.5];
  }

  function zoomTo(zoom) {
    if (!any()) return;
    if (zoom === "fit") state.at = [0.5, 0.5];
    else if (zoom === "face" || state.zoom === "fit") state.at = middle();
    state.zoom = zoom;
    draw();
  }

  function zoomAt(point, to) {
    const { pane, fit } = layout();
    const from = state.scale;
    state.scale = geometry.clamp(to, fit, geometry.LARGEST);
    state.zoom = state.scale <= fit * 1.001 ? "fit" : "free";
    state.at = geometry.zoomedAt(point, state.at, from, state.scale, pane, size());
    draw();
  }

  function zoomBy(factor) {
    const { pane } = layout();
    if (any()) zoomAt([pane[0] / 2, pane[1] / 2], state.scale * factor);
  }

  const around = window.likeness.around({ find, words });
  const marking = window.likeness.marking({ element, words, canvas, view: viewed, draw: () => draw(), use: marked });
  const brush = window.likeness.brush({
    ...{ element, canvas, view: viewed, draw: () => draw() },
    photo: () => size().map((side) => side / (value().scale || 1)),
    shownPlaces: () => viewed().places,
    use: (strokes) => trigger("painted", { strokes }),
    left: () => {
      draw();
      find(".lk-paint-on").focus();
    },
  });

  // Every pixel is fetched a moment after the last move, so that decoding does not hold up the picture that comes first.
  const blunt = new Set();
  let pause = 0;
  function sharpenSoon() {
    clearTimeout(pause);
    pause = setTimeout(() => {
      for (const layer of blunt) layer.sharpen();
      blunt.clear();
    }, 120);
  }

  // Drawing: nothing but transforms, clips and classes change while somebody looks.
  let waiting = 0;
  function draw() {
    if (!waiting) waiting = requestAnimationFrame(drawNow);
  }

  function drawNow() {
    waiting = 0;
    find(".lk-empty").hidden = any();
    drawTools();
    for (const [index, pane] of panes.entries()) pane.root.hidden = !shownPanes().includes(index) || !any();
    if (!any()) {
      handle.hidden = true;
      return;
    }
    if (state.zoom !== "free") state.scale = scaleOf(state.zoom);
    const base = layout();
    state.at = geometry.inside(state.at, state.scale, base.pane, base.size);
    const view = viewed();
    canvas.classList.toggle("close", view.close);
    shownPanes().forEach((index, place) => drawPane(panes[index], index, view, view.places[place]));
    drawHandle();
    drawBoxes(view);
    marking.lay();
    brush.lay();
    around.drawStrip(value(), view, state.strip && several());
    find(".lk-strip").hidden = !(value().references || []).length || !several();
    find(".lk-strip [data-do]").setAttribute("aria-expanded", String(state.strip));
    sharpenSoon();
    find(".lk-percent").textContent = Math.round(100 * state.scale * state.dense) + " %";
  }

  function drawPane(pane, index, view, [left, top]) {
    const { layers } = pane;
    Object.assign(pane.root.style, { width: view.pane[0] + "px", height: view.pane[1] + "px" });
    pane.root.style.transform = "translate(" + left + "px, " + top + "px)";
    views.layOut(pane, view);
    const against = state.held ? 0 : state.select;
    const other = index !== against;
    const differs = state.difference && !state.held && !state.flipped && other;
    const covers = (state.held || state.flipped) && other;
    const begun = covers && state.held && state.select !== 0;
    layers.original.root.hidden = !begun;
    layers.select.root.hidden = begun || !(covers || differs || (view.splits && other));
    layers.own.root.style.visibility = covers ? "hidden" : "visible";
    pane.mixed.classList.toggle("differs", differs);
    pane.mixed.style.filter = differs ? "brightness(" + 2 ** Number(gain.value) + ")" : "";
    const share = 100 * state.split;
    const cut = state.line === "down" ? "inset(0 0 " + (100 - share) + "% 0)" : "inset(0 " + (100 - share) + "% 0 0)";
    layers.select.root.style.clipPath = view.splits ? cut : "none";
    pane.root.classList.toggle("pixels", view.scale * state.dense > 3);
    pane.root.classList.toggle("chosen", several() && mode() === "side" && index === state.candidate);
    // Sharper than the proxy can be: every pixel is fetched and laid over it.
    const near = view.scale * state.dense * view.size[0] > 1.02 * (all()[index].proxy || Infinity);
    for (const layer of Object.values(layers)) {
      layer.near(near);
      if (near && !layer.root.hidden) blunt.add(layer);
    }
    drawTags(pane, index, view, covers, differs);
    drawLens(pane, index, view);
  }

  function drawTags(pane, index, view, covers, differs) {
    const list = all();
    const number = (at) => (list.length > 2 ? at + 1 + " " : "");
    const against = list[state.held ? 0 : state.select];
    const own = covers ? against : list[index];
    let label = number(covers ? list.indexOf(against) : index) + own.label;
    if (differs) label = fill(words.differs, { a: list[index].label, b: against.label, gain: 2 ** Number(gain.value) });
    if (!several()) label = "";
    views.tell(pane.tags.own, label, differs ? "" : own.detail);
    views.tell(pane.tags.select, view.splits ? number(state.select) + list[state.select].label : "", list[state.select].detail);
    pane.tags.own.classList.toggle("right", view.splits && state.line === "across");
    pane.tags.select.classList.toggle("top", view.splits && state.line === "down");
  }

  function drawLens(pane, index, view) {
    if (!state.lens && !pane.lens) return;
    if (!pane.lens) {
      pane.lens = glasses.lensOf();
      pane.root.append(pane.lens.root);
    }
    pane.lens.root.hidden = !state.lens;
    if (!state.lens) return;
    const two = several() && mode() !== "side" && index !== state.select;
    glasses.lay(pane.lens, { own: all()[index], select: all()[state.select], two, view, share: state.look });
  }

  function drawHandle() {
    handle.hidden = !splits();
    const share = 100 * state.split;
    handle.classList.toggle("down", state.line === "down");
    handle.style.left = state.line === "down" ? "" : share + "%";
    handle.style.top = state.line === "down" ? share + "%" : "";
    handle.setAttribute("aria-orientation", state.line === "down" ? "vertical" : "horizontal");
    handle.setAttribute("aria-valuenow", String(Math.round(share)));
  }

  // While several faces are there to choose from, they are marked on the large picture.
  function drawBoxes(view) {
    const boxes = panes[0].boxes;
    boxes.hidden = marking.on();
    (value().faces || []).forEach((face, index) => {
      const [left, top] = geometry.pointOf(face.box.slice(0, 2), view.at, view.scale, view.pane, view.size);
      const [right, bottom] = geometry.pointOf(face.box.slice(2), view.at, view.scale, view.pane, view.size);
      const style = boxes.children[index].style;
      Object.assign(style, { left: left + "px", top: top + "px", width: right - left + "px", height: bottom - top + "px" });
    });
  }

  function drawTools() {
    const two = several();
    const now = mode();
    for (const button of element.querySelectorAll("[data-view]")) {
      button.disabled = !two;
      button.setAttribute("aria-pressed", String(two && button.dataset.view === now));
    }
    for (const button of element.querySelectorAll("[data-zoom]")) {
      button.disabled = !any() || (button.dataset.zoom === "face" && !value().face);
      button.setAttribute("aria-pressed", String(any() && button.dataset.zoom === state.zoom));
    }
    const pressed = { difference: state.difference, lens: state.lens, blink: state.flipped, whole: isWhole() };
    for (const [name, on] of Object.entries(pressed)) find("[data-do=" + name + "]").setAttribute("aria-pressed", String(on));
    for (const name of ["difference", "blink"]) find("[data-do=" + name + "]").disabled = !two;
    for (const name of ["lens", "closer", "farther"]) find("[data-do=" + name + "]").disabled = !any();
    find("[data-do=turn]").disabled = !two || now !== "split";
    find(".lk-gain").hidden = !state.difference;
    find(".lk-gain output").textContent = "x " + 2 ** Number(gain.value);
    hold.disabled = !two;
    hold.setAttribute("aria-pressed", String(state.held));
    const mark = find(".lk-mark");
    mark.hidden = !("marks" in value());
    mark.disabled = !value().marks;
    mark.setAttribute("aria-pressed", String(marking.on()));
    const doubt = find("[data-do=doubt]");
    doubt.hidden = !value().doubt;
    doubt.setAttribute("aria-pressed", String(state.doubt));
    canvas.classList.toggle("doubting", state.doubt);
    const paint = find(".lk-paint-on");
    paint.hidden = !value().strokes;
    paint.setAttribute("aria-pressed", String(brush.on()));
    find(".lk-choose").hidden = marking.on() || ((value().panes || []).length < 3 && !value().photos);
    for (const [index, chip] of [...find(".lk-chips").children].entries()) {
      chip.setAttribute("aria-pressed", String(index === state.candidate));
      chip.classList.toggle("select", index === state.select);
    }
    find("[data-do=select]").disabled = state.candidate === state.select;
    find("[data-do=swap]").disabled = state.candidate === state.select;
  }

  // What somebody does.

  const say = (text) => {
    find(".lk-spoken").textContent = text;
  };

  function turnTo(name) {
    if (!several()) return;
    state.view = name;
    state.flipped = false;
    say(words[name]);
    draw();
  }

  function held(on) {
    if (state.held === (on && several())) return;
    state.held = on && several();
    draw();
  }

  function blink() {
    if (!several()) return;
    state.flipped = !state.flipped;
    say(all()[state.flipped ? state.select : state.candidate].label);
    draw();
  }

  function difference(on = !state.difference) {
    if (!several()) return;
    state.difference = on;
    state.flipped = false;
    say(on ? words.difference : words[mode()]);
    draw();
  }

  function gainBy(step) {
    if (!state.difference) return;
    gain.value = String(Number(gain.value) + step);
    draw();
  }

  function lens() {
    if (!any()) return;
    state.lens = !state.lens;
    if (state.lens) state.look = geometry.inside(state.look, state.scale, layout().pane, size());
    draw();
  }

  function doubt() {
    if (!value().doubt) return;
    state.doubt = !state.doubt;
    say(state.doubt ? words.doubt : words[mode()]);
    draw();
  }

  function turnLine() {
    state.line = state.line === "down" ? "across" : "down";
    draw();
  }

  function splitTo(share) {
    state.split = geometry.clamp(share, 0, 1);
    draw();
  }

  function pick(index, against = false) {
    const list = all();
    if (!(index in list) || !several()) return;
    state.flipped = false;
    state[against ? "select" : "candidate"] = index;
    state[against ? "held_against" : "picked"] = list[index].id;
    if (against) refill();
    else trigger("picked", { id: list[index].id });
    say(index + 1 + " " + list[index].label);
    draw();
  }

  function swap() {
    if (!several()) return;
    const { select, candidate } = state;
    pick(candidate, true);
    pick(select);
  }

  function step(by) {
    const photos = value().photos;
    if (photos) trigger("stepped", { step: by });
  }

  const isWhole = () => document.fullscreenElement === element.firstElementChild || element.classList.contains("lk-whole");
  function whole(on = !isWhole()) {
    const root = element.firstElementChild;
    if (!on) {
      element.classList.remove("lk-whole");
      if (document.fullscreenElement) document.exitFullscreen();
    } else if (root.requestFullscreen) {
      // A browser that does not let a part of the page have the screen lets it at least have the window.
      root.requestFullscreen().catch(() => element.classList.add("lk-whole"));
    } else {
      element.classList.add("lk-whole");
    }
    draw();
  }

  function help() {
    if (sheet.open) sheet.close();
    else sheet.showModal();
  }

  function mark(on = !marking.on()) {
    const { marks, width, height } = value();
    if (!on) {
      marking.end();
      draw();
      return;
    }
    if (!marks) return;
    brush.end();
    // A result may have been written larger than the photo that the marks belong to.
    const scale = value().scale || 1;
    marking.begin(marks, [width / scale, height / scale]);
    if (marking.complete() && value().face) zoomTo("face");
    else draw();
    canvas.focus();
  }

  function marked(what, points) {
    if (what === "again") {
      zoomTo("fit");
      canvas.focus();
      return;
    }
    if (what === "use") trigger("marked", { points });
    draw();
    find(".lk-mark").focus();
  }

  function paint(on = !brush.on()) {
    if (!on) brush.end();
    else if (value().strokes) {
      marking.end();
      brush.begin(value().strokes, value().painted_on, value().face);
      if (state.zoom === "fit") zoomTo("face");
      canvas.focus();
    }
    draw();
  }

  const DOES = {
    ...{ turn: turnLine, difference: () => difference(), lens, doubt, blink, closer: () => zoomBy(1.5), farther: () => zoomBy(1 / 1.5) },
    ...{ whole: () => whole(), help, swap, select: () => pick(state.candidate, true) },
    strip: () => {
      state.strip = !state.strip;
      draw();
    },
  };

  // What comes from outside.

  function refill() {
    const list = value().panes || [];
    list.forEach((_, index) => views.fill(panes[index], index, list, Math.min(state.select, list.length - 1)));
  }

  function show() {
    const list = value().panes || [];
    while (panes.length < list.length) {
      panes.push(views.paneOf(panes.length));
      find(".lk-panes").append(panes[panes.length - 1].root);
    }
    const at = (id) => list.findIndex((pane) => pane.id === id);
    state.candidate = at(state.picked) >= 0 ? at(state.picked) : Math.max(0, value().candidate ?? list.length - 1);
    state.select = Math.max(0, at(state.held_against));
    refill();
    if (panes.length) panes[0].boxes.replaceChildren(...(value().faces || []).map(boxOf));
    find(".lk-chips").replaceChildren(...list.map(chipOf));
    around.showPhotos(value().photos);
    around.showStrip(value().references || []);
    around.showFacts(value().facts);
    find(".lk-empty strong").textContent = value().empty || words.empty;
    find(".lk-empty span").textContent = value().empty_hint || words.empty_hint;
    if (value().photo !== state.photo) {
      if (state.photo !== null && !value().stays) state.zoom = "fit";
      state.photo = value().photo ?? null;
      marking.end();
    }
    if (!value().marks) marking.end();
    if (!value().strokes || value().painted_on !== brush.paintedOn()) brush.end();
    panes.forEach((pane, index) => views.glimpse(pane, index === 0 && list.length > 1 ? null : value().glimpse, value().scale || 1));
    panes.forEach((pane, index) => views.doubt(pane, index > 0 ? value().doubt : null, value().scale || 1));
    find(".lk-coming").hidden = !value().glimpse;
    find(".lk-coming").textContent = value().glimpse ? value().glimpse.told : "";
    const arrived = list.length > 1 && state.seen === 1 && matchMedia("(max-width: 960px)").matches;
    state.seen = list.length;
    measure();
    draw();
    if (arrived) element.scrollIntoView({ behavior: "smooth" });
  }

  function boxOf(face) {
    const fields = { type: "button", class: "lk-box", "aria-pressed": String(face.chosen), "aria-label": face.label };
    return make("button", { ...fields, title: face.label, onclick: () => trigger("chosen", { face: face.number }) });
  }

  function chipOf(pane, index) {
    const told = pane.detail ? pane.label + " (" + pane.detail + ")" : pane.label;
    const key = make("kbd", { text: String(index + 1), "aria-hidden": "true" });
    const button = make("button", { type: "button", class: "lk-chip", title: told, "data-pick": String(index) }, key);
    button.append(make("span", { text: pane.label }));
    return button;
  }

  function measure() {
    state.room = [Math.max(1, canvas.clientWidth), Math.max(1, canvas.clientHeight)];
    state.dense = window.devicePixelRatio || 1;
  }

  element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-view], [data-zoom], [data-do], [data-step], [data-pick]");
    if (!button || !element.contains(button)) return;
    const { view, zoom, do: does, step: by, pick: picked } = button.dataset;
    if (view) turnTo(view);
    else if (zoom) zoomTo(zoom);
    else if (does) DOES[does]();
    else if (by) step(Number(by));
    else pick(Number(picked), event.shiftKey);
  });
  gain.addEventListener("input", draw);
  find(".lk-mark").addEventListener("click", () => mark());
  find(".lk-paint-on").addEventListener("click", () => paint());
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  find(".lk-sheet dl").append(...props.shortcuts.flatMap(([keys, text]) => [make("dt", {}, ...keys.map((key) => make("kbd", { text: key }))), make("dd", { text })]));

  hold.addEventListener("pointerdown", () => held(true));
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur"]) hold.addEventListener(kind, () => held(false));
  hold.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    held(true);
  });
  hold.addEventListener("keyup", () => held(false));

  handle.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 0.1 : 0.02;
    const back = state.line === "down" ? "ArrowUp" : "ArrowDown";
    const steps = { ArrowLeft: -far, [back]: -far, ArrowRight: far, [back === "ArrowUp" ? "ArrowDown" : "ArrowUp"]: far };
    const to = { Home: 0, End: 1 }[event.key] ?? (event.key in steps ? state.split + steps[event.key] : undefined);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    splitTo(to);
  });

  window.likeness.pointers({
    ...{ canvas, any, view: viewed, marking, brush },
    act: {
      ...{ draw, splitTo, zoomAt },
      moveTo: (at) => {
        state.at = at;
        draw();
      },
      panBy: (x, y) => {
        state.at = [state.at[0] - x / (size()[0] * state.scale), state.at[1] - y / (size()[1] * state.scale)];
        draw();
      },
      lookAt: (share) => {
        state.look = share.map((part) => geometry.clamp(part, 0, 1));
        if (state.lens) draw();
      },
      pickPlace: (place) => mode() === "side" && pick(place),
      flipZoom: (point) => {
        if (viewed().close) zoomTo("fit");
        else zoomAt(point, 1 / state.dense > state.scale * 1.05 ? 1 / state.dense : state.scale * 4);
      },
    },
  });

  window.likeness.keys({
    ...{ element, canvas, sheet, any, typing, marking, brush, held },
    close: () => viewed().close,
    act: {
      ...{ turnTo, turnLine, blink, difference, gainBy, lens, doubt, zoomTo, zoomBy, pick, swap, step, whole, help, mark, paint },
      lensOn: () => state.lens,
      isWhole,
      strip: DOES.strip,
      flipZoom: () => zoomTo(state.zoom === "fit" ? "full" : "fit"),
      nudge: ([x, y]) => {
        const far = 40 / state.scale;
        const by = [(x * far) / size()[0], (y * far) / size()[1]];
        if (state.lens && !viewed().close) state.look = state.look.map((at, axis) => geometry.clamp(at + by[axis], 0, 1));
        else {
          state.at = state.at.map((at, axis) => at + by[axis]);
          if (state.lens) state.look = state.look.map((at, axis) => geometry.clamp(at + by[axis], 0, 1));
        }
        draw();
      },
    },
  });

  // The large picture is where people drop the photo; where it goes is for the screen to say.
  takeIn({
    zone: canvas,
    ...{ upload, words, suffixes: props.suffixes, largest: props.largest, many: true },
    say: () => {},
    refuse: (text) => trigger("refused", { text }),
    done: (paths, of) => trigger(of > 1 ? "gathered" : "dropped", { paths }),
  });

  new ResizeObserver(() => {
    measure();
    draw();
  }).observe(canvas);
  document.addEventListener("fullscreenchange", draw);
  watch("value", show);
  show();
};
