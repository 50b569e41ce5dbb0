// Before and after of one photo: a split that is dragged or moved by keys, side by side, hold to see before, zoom.
// Geometry: `state.at` is the point of the photo, as a share of its sides, that lies in the middle of a pane;
// `state.scale` is CSS px for each px of the photo. Both panes share them, so they can never drift apart.
const { make, takeIn, typing } = window.likeness;
const find = (selector) => element.querySelector(selector);
const canvas = find(".lk-canvas");
const handle = find(".lk-handle");
const panes = { before: find("[data-pane=before]"), after: find("[data-pane=after]") };
const hold = find(".lk-hold");
const boxes = find(".lk-boxes");
const marks = find(".lk-marks");
const marking = find(".lk-marking");
const state = { view: "split", zoom: "fit", scale: 1, at: [0.5, 0.5], split: 0.5, held: false, seen: "", marks: null };

// While points are marked there is only the photo as it was.
const both = () => !!(props.value && props.value.after) && !state.marks;
const any = () => !!(props.value && props.value.before);

function paneSize() {
  const half = state.view === "side" && both();
  return [half ? canvas.clientWidth / 2 - 1 : canvas.clientWidth, canvas.clientHeight];
}

function scaleOf(zoom) {
  const { width, height, face } = props.value;
  const [wide, high] = paneSize();
  const fit = Math.min(wide / width, high / height);
  if (zoom === "full") return 1 / (window.devicePixelRatio || 1);
  if (zoom === "face" && face) {
    // Twice the box shows hair and chin with some air round them.
    return Math.min(wide / ((face[2] - face[0]) * 2), high / ((face[3] - face[1]) * 2), 8);
  }
  return fit;
}

function zoomTo(zoom) {
  if (!any()) return;
  const { width, height, face } = props.value;
  const middle = face ? [(face[0] + face[2]) / 2 / width, (face[1] + face[3]) / 2 / height] : [0.5, 0.5];
  if (zoom === "fit") state.at = [0.5, 0.5];
  else if (zoom === "face" || state.zoom === "fit") state.at = middle;
  state.zoom = zoom;
  state.scale = scaleOf(zoom);
  draw();
}

function keepInside() {
  const { width, height } = props.value;
  const sizes = [width * state.scale, height * state.scale];
  paneSize().forEach((pane, axis) => {
    const margin = Math.min(0.5, pane / 2 / sizes[axis]);
    state.at[axis] = Math.min(1 - margin, Math.max(margin, state.at[axis]));
  });
}

function draw() {
  const value = props.value || {};
  const compare = both() && !state.held;
  const side = state.view === "side" && both();
  find(".lk-empty").hidden = any();
  panes.before.hidden = !any();
  panes.after.hidden = !both() || (state.held && !side);
  canvas.classList.toggle("lk-side", side);
  handle.hidden = !compare || side;
  element.querySelectorAll("[data-view]").forEach((button) => {
    button.disabled = !both();
    button.setAttribute("aria-pressed", String(both() && button.dataset.view === state.view));
  });
  element.querySelectorAll("[data-zoom]").forEach((button) => {
    button.disabled = !any() || (button.dataset.zoom === "face" && !value.face);
    button.setAttribute("aria-pressed", String(any() && button.dataset.zoom === state.zoom));
  });
  hold.disabled = !both() || side;
  find(".lk-mark").disabled = !value.marks;
  find(".lk-mark").setAttribute("aria-pressed", String(!!state.marks));
  hold.setAttribute("aria-pressed", String(state.held));
  if (!any()) return;
  if (state.zoom !== "free") state.scale = scaleOf(state.zoom);
  keepInside();
  const [wide, high] = paneSize();
  canvas.classList.toggle("close", state.scale > scaleOf("fit") * 1.001);
  for (const pane of Object.values(panes)) {
    const picture = pane.querySelector("img");
    const left = wide / 2 - state.at[0] * value.width * state.scale;
    const top = high / 2 - state.at[1] * value.height * state.scale;
    picture.style.width = value.width + "px";
    picture.style.height = value.height + "px";
    picture.style.transform = "translate(" + left + "px, " + top + "px) scale(" + state.scale + ")";
    picture.classList.toggle("pixels", state.scale * (window.devicePixelRatio || 1) > 3);
  }
  drawBoxes(value);
  drawMarks();
  const share = 100 * state.split;
  panes.after.style.clipPath = side ? "none" : "inset(0 0 0 " + share + "%)";
  panes.before.style.clipPath = side || !compare ? "none" : "inset(0 " + (100 - share) + "% 0 0)";
  handle.style.left = share + "%";
  handle.setAttribute("aria-valuenow", String(Math.round(share)));
}

// While several faces are there to choose from, they are marked on the large picture.
function drawBoxes(value) {
  const [wide, high] = paneSize();
  (value.faces || []).forEach((face, index) => {
    const at = (share, pane, side) => pane / 2 + (share - state.at[side === "width" ? 0 : 1] * value[side]) * state.scale;
    const style = boxes.children[index].style;
    style.left = at(face.box[0], wide, "width") + "px";
    style.top = at(face.box[1], high, "height") + "px";
    style.width = (face.box[2] - face.box[0]) * state.scale + "px";
    style.height = (face.box[3] - face.box[1]) * state.scale + "px";
  });
}

// Marking a face by hand: both eyes and the mouth, clicked in any order that the words ask for, then moved.
const PLACES = ["left", "right", "mouth"];

function mark(on) {
  const value = props.value || {};
  if (on && !value.marks) return;
  // Marks are in px of the photo; a result may have been written larger.
  state.marks = on ? value.marks.map((point) => point.map((at) => at * (value.scale || 1))) : null;
  if (on && state.marks.length === PLACES.length && value.face) zoomTo("face");
  else draw();
  if (on) canvas.focus();
}

function drawMarks() {
  const on = state.marks;
  marks.hidden = !on;
  marking.hidden = !on;
  boxes.hidden = !!on;
  canvas.classList.toggle("marking", !!on && on.length < PLACES.length);
  if (!on) {
    marks.replaceChildren();
    return;
  }
  const { words } = props;
  const complete = on.length === PLACES.length;
  marking.querySelector("p").textContent = complete ? words.mark_move : words["mark_" + PLACES[on.length]];
  marking.querySelector("[data-mark=use]").disabled = !complete;
  while (marks.children.length > on.length) marks.lastChild.remove();
  on.forEach((point, index) => {
    if (!marks.children[index]) marks.append(markOf(index));
    const [x, y] = onCanvas(point);
    marks.children[index].style.left = x + "px";
    marks.children[index].style.top = y + "px";
  });
}

function markOf(index) {
  const { words } = props;
  return make("button", {
    type: "button",
    class: "lk-point",
    "data-point": String(index),
    "aria-label": words["mark_is_" + PLACES[index]],
    title: words["mark_is_" + PLACES[index]],
    onkeydown: (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const far = (event.shiftKey ? 10 : 1) / state.scale;
      state.marks[index] = inPhoto(state.marks[index].map((at, axis) => at + step[axis] * far));
      draw();
    },
  });
}

function onCanvas(point) {
  const { width, height } = props.value;
  const pane = paneSize();
  return [width, height].map((side, axis) => pane[axis] / 2 + (point[axis] - state.at[axis] * side) * state.scale);
}

function fromCanvas(event) {
  const frame = canvas.getBoundingClientRect();
  const pane = paneSize();
  const { width, height } = props.value;
  const at = [event.clientX - frame.left, event.clientY - frame.top];
  return inPhoto([width, height].map((side, axis) => state.at[axis] * side + (at[axis] - pane[axis] / 2) / state.scale));
}

function inPhoto(point) {
  const { width, height } = props.value;
  return [width, height].map((side, axis) => Math.min(side - 1, Math.max(0, point[axis])));
}

marking.addEventListener("click", (event) => {
  const button = event.target.closest("[data-mark]");
  if (!button) return;
  if (button.dataset.mark === "again") {
    state.marks = [];
    zoomTo("fit");
    canvas.focus();
    return;
  }
  if (button.dataset.mark === "use") {
    const scale = props.value.scale || 1;
    trigger("marked", { points: state.marks.map((point) => point.map((at) => at / scale)) });
  }
  mark(false);
  find(".lk-mark").focus();
});
find(".lk-mark").addEventListener("click", () => mark(!state.marks));

function boxOf(face) {
  return make("button", {
    type: "button",
    class: "lk-box",
    "aria-pressed": String(face.chosen),
    "aria-label": face.label,
    title: face.label,
    onclick: () => trigger("chosen", { face: face.number }),
  });
}

function show() {
  const value = props.value || {};
  boxes.replaceChildren(...(value.faces || []).map(boxOf));
  for (const name of ["before", "after"]) {
    const picture = panes[name].querySelector("img");
    const src = value[name] || "";
    if (src && picture.getAttribute("src") !== src) picture.src = src;
    if (!src) picture.removeAttribute("src");
  }
  panes.before.querySelector(".lk-tag").hidden = !both();
  showFacts(value);
  const arrived = both() && value.after !== state.seen && state.seen !== "";
  if (value.before !== state.photo) {
    state.photo = value.before;
    state.zoom = "fit";
    state.marks = null;
  }
  if (!value.marks) state.marks = null;
  state.seen = value.after || "none";
  draw();
  if (arrived && matchMedia("(max-width: 960px)").matches) element.scrollIntoView({ behavior: "smooth" });
}

function showFacts(value) {
  const facts = value.facts;
  find(".lk-facts").hidden = !facts;
  if (!facts) return;
  find(".lk-identity strong").textContent = facts.title;
  find(".lk-identity .lk-hint").textContent = facts.note;
  find(".lk-known").replaceChildren(...facts.known.map((src) => make("img", { src, alt: "", loading: "lazy" })));
  find(".lk-notes").replaceChildren(...facts.notes.map((text) => make("li", { text })));
  const link = find(".lk-download");
  link.href = facts.href;
  link.setAttribute("download", facts.name);
  link.title = facts.name;
  find(".lk-made dl").replaceChildren(
    ...facts.made.flatMap(([term, text]) => [make("dt", { text: term }), make("dd", { text })]),
  );
}

function view(name) {
  if (!both()) return;
  state.view = name;
  draw();
}

function held(on) {
  state.held = on && both();
  draw();
}

function splitTo(share) {
  state.split = Math.min(1, Math.max(0, share));
  draw();
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-view], [data-zoom]");
  if (!button) return;
  if (button.dataset.view) view(button.dataset.view);
  else zoomTo(button.dataset.zoom);
});

// Pointers: the handle moves the split; so does the picture while it is whole; a close picture is moved instead.
let drag = null;
canvas.addEventListener("pointerdown", (event) => {
  if (!any() || event.button !== 0 || event.target.closest(".lk-box, .lk-marking")) return;
  const point = event.target.closest(".lk-point");
  if (state.marks && point) {
    drag = { point: Number(point.dataset.point) };
    canvas.setPointerCapture(event.pointerId);
    point.focus();
    event.preventDefault();
    return;
  }
  if (state.marks && state.marks.length < PLACES.length) {
    state.marks.push(fromCanvas(event));
    draw();
    return;
  }
  const onHandle = !!event.target.closest(".lk-handle");
  const close = canvas.classList.contains("close");
  const splits = onHandle || (!close && both() && state.view === "split");
  if (!splits && !close) return;
  drag = { splits, x: event.clientX, y: event.clientY, at: [...state.at] };
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.toggle("grabbed", !splits);
  if (splits) moveSplit(event);
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) return;
  if (drag.point !== undefined) {
    state.marks[drag.point] = fromCanvas(event);
    draw();
    return;
  }
  if (drag.splits) {
    moveSplit(event);
    return;
  }
  const { width, height } = props.value;
  state.at = [
    drag.at[0] - (event.clientX - drag.x) / (width * state.scale),
    drag.at[1] - (event.clientY - drag.y) / (height * state.scale),
  ];
  draw();
});
for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, () => {
    drag = null;
    canvas.classList.remove("grabbed");
  });
}

function moveSplit(event) {
  const frame = canvas.getBoundingClientRect();
  splitTo((event.clientX - frame.left) / frame.width);
}

// The wheel zooms with Ctrl, and without it once the picture is close; else the page scrolls as ever.
canvas.addEventListener(
  "wheel",
  (event) => {
    if (!any() || !(event.ctrlKey || event.metaKey || canvas.classList.contains("close"))) return;
    event.preventDefault();
    const frame = canvas.getBoundingClientRect();
    const [wide, high] = paneSize();
    const { width, height } = props.value;
    const from = [((event.clientX - frame.left) % (wide + 2)) - wide / 2, event.clientY - frame.top - high / 2];
    const sides = [width, height];
    const before = state.scale;
    const fit = scaleOf("fit");
    state.scale = Math.min(16, Math.max(fit, before * Math.exp(-event.deltaY * 0.0015)));
    state.zoom = state.scale <= fit * 1.001 ? "fit" : "free";
    state.at = state.at.map((at, axis) => at + (from[axis] / sides[axis]) * (1 / before - 1 / state.scale));
    draw();
  },
  { passive: false },
);

handle.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 0.1 : 0.02;
  const to = {
    ArrowLeft: state.split - step,
    ArrowDown: state.split - step,
    ArrowRight: state.split + step,
    ArrowUp: state.split + step,
    Home: 0,
    End: 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  splitTo(to);
});

canvas.addEventListener("keydown", (event) => {
  const step = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  }[event.key];
  if (!step || event.target !== canvas || !canvas.classList.contains("close")) return;
  event.preventDefault();
  const { width, height } = props.value;
  state.at = [state.at[0] + (40 * step[0]) / (width * state.scale), state.at[1] + (40 * step[1]) / (height * state.scale)];
  draw();
});

hold.addEventListener("pointerdown", () => held(true));
for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur"]) hold.addEventListener(kind, () => held(false));
hold.addEventListener("keydown", (event) => {
  if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    held(true);
  }
});
hold.addEventListener("keyup", () => held(false));

// Single keys work anywhere on the page but where somebody types or a control has its own use for them.
const KEYS = { s: () => view("split"), d: () => view("side"), f: () => zoomTo("face"), 0: () => zoomTo("fit") };
KEYS.p = () => mark(!state.marks);
KEYS.z = () => zoomTo(state.zoom === "fit" ? "full" : "fit");
function free(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || typing() || !any()) return false;
  return event.key !== " " || !event.target.closest("button, a, summary, [role=slider]");
}
document.addEventListener("keydown", (event) => {
  if (!element.isConnected || !free(event)) return;
  if (event.key === "Escape" && state.marks) {
    mark(false);
    return;
  }
  const key = event.key.toLowerCase();
  if (key === "b" || (key === " " && canvas.contains(event.target))) {
    event.preventDefault();
    if (!event.repeat) held(true);
  } else if (KEYS[key]) {
    KEYS[key]();
  }
});
document.addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "b" || event.key === " ") held(false);
});
window.addEventListener("blur", () => held(false));

// The large picture is where people drop the photo; it goes where step 2 would put it.
takeIn({
  zone: canvas,
  upload,
  words: props.words,
  suffixes: props.suffixes,
  largest: props.largest,
  many: false,
  say: () => {},
  refuse: (text) => trigger("refused", { text }),
  done: (paths) => trigger("dropped", { paths }),
});

new ResizeObserver(draw).observe(canvas);
watch("value", show);
show();
