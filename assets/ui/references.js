const { make, icon, fill, takeIn, notice } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const name = find("#lk-name");
const grid = find(".lk-faces");
const why = find(".lk-why");
const tiles = new Map();
let copying = "";

function show() {
  const value = props.value || {};
  const faces = value.faces || [];
  find(".lk-step").classList.toggle("done", !!value.done);
  find(".lk-status").textContent = value.status || "";
  if (document.activeElement !== name && find(".lk-ask").hidden) name.value = value.name || "";
  find("#lk-names").replaceChildren(...(value.known || []).map((known) => make("option", { value: known })));
  find(".lk-notices").replaceChildren(
    ...(value.notices || []).map((text, index) => notice(text, words.close, () => trigger("read", { index }))),
  );
  showBusy();
  grid.hidden = !faces.length;
  why.hidden = !faces.length;
  const there = new Set(faces.map((face) => face.id));
  for (const [id, tile] of tiles) {
    if (!there.has(id)) {
      tile.remove();
      tiles.delete(id);
    }
  }
  for (const face of faces) {
    if (!tiles.has(face.id)) tiles.set(face.id, tileOf(face.id));
    const tile = tiles.get(face.id);
    if (grid.children[faces.indexOf(face)] !== tile) grid.insertBefore(tile, grid.children[faces.indexOf(face)] || null);
    fillTile(tile, face);
  }
  if (!why.dataset.of || !there.has(why.dataset.of)) explain(null);
  else explain(faces.find((face) => face.id === why.dataset.of));
}

function showBusy() {
  const text = copying || (props.value && props.value.busy) || "";
  find(".lk-busy").textContent = text;
  find(".lk-busy").hidden = !text;
}

function tileOf(id) {
  const picture = make("img", { alt: "", loading: "lazy", draggable: "false" });
  const button = make(
    "button",
    { type: "button", class: "lk-face", "data-id": id },
    make("span", { class: "lk-crop" }, picture, make("span", { class: "lk-badge" })),
    make("span", { class: "lk-caption" }),
  );
  return make("li", {}, button);
}

function fillTile(tile, face) {
  const button = tile.firstChild;
  const picture = button.querySelector("img");
  if (picture.getAttribute("src") !== face.src) picture.src = face.src;
  button.setAttribute("aria-pressed", String(face.used));
  button.setAttribute("aria-label", face.spoken);
  button.title = face.sentence;
  button.querySelector(".lk-caption").textContent = face.label;
  button.querySelector(".lk-badge").replaceChildren(icon(face.used ? "tick" : "cross"));
}

function faceOf(target) {
  const button = target.closest && target.closest(".lk-face");
  return button && (props.value.faces || []).find((face) => face.id === button.dataset.id);
}

function explain(face) {
  why.dataset.of = face ? face.id : "";
  why.textContent = face ? face.sentence : words.faces_hint;
}

const judge = (face, used) => trigger("judged", { id: face.id, used });

grid.addEventListener("click", (event) => {
  const face = faceOf(event.target);
  if (face) judge(face, !face.used);
});
for (const kind of ["focusin", "pointerover"]) {
  grid.addEventListener(kind, (event) => {
    const face = faceOf(event.target);
    if (face) explain(face);
  });
}
grid.addEventListener("keydown", (event) => {
  const face = faceOf(event.target);
  if (!face || event.ctrlKey || event.metaKey || event.altKey) return;
  const buttons = [...grid.querySelectorAll(".lk-face")];
  const at = buttons.findIndex((button) => button.dataset.id === face.id);
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (step) {
    const next = buttons[at + step];
    if (next) next.focus();
    event.preventDefault();
  } else if (["p", "x"].includes(event.key.toLowerCase())) {
    event.stopPropagation(); // the viewer does something else by these keys
    const use = event.key.toLowerCase() === "p";
    if (use !== face.used) judge(face, use);
  }
});

// A name that is known brings that person. One that is not may be a slip of the finger, so it is asked about before the
// faces on the page make room for somebody new.
const ask = find(".lk-ask");
const answers = { new: find("[data-answer=new]"), back: find("[data-answer=back]") };
name.addEventListener("change", () => {
  const { name: present = "", known = [], faces = [] } = props.value || {};
  const typed = name.value.trim();
  const same = (other) => other.toLowerCase() === typed.toLowerCase();
  ask.hidden = true;
  if (!typed || same(present)) name.value = present;
  else if (known.some(same) || !faces.length) trigger("named", { name: typed });
  else {
    ask.hidden = false;
    ask.querySelector("p").textContent = fill(words.name_unknown, { name: typed });
    answers.new.textContent = words.name_new;
    answers.back.textContent = fill(words.name_back, { name: present });
  }
});
answers.new.addEventListener("click", () => {
  ask.hidden = true;
  trigger("named", { name: name.value });
});
answers.back.addEventListener("click", () => {
  ask.hidden = true;
  name.value = props.value.name;
});
name.addEventListener("keydown", (event) => {
  if (event.key === "Enter") name.blur();
});

takeIn({
  zone: element.closest("#references"),
  input: find("input[type=file]"),
  upload,
  words,
  suffixes: props.suffixes,
  largest: props.largest,
  many: true,
  say: (text) => {
    copying = text;
    showBusy();
  },
  refuse: (text) => trigger("refused", { text }),
  done: (paths) => trigger("dropped", { paths, name: ask.hidden ? name.value : props.value.name }),
});
watch("value", show);
show();
