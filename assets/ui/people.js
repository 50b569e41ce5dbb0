// The People screen: who there is, the open person's faces or those that are nobody's yet, and what can be done with them.
const { make, icon, fill, takeIn, notice, typing } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const screen = element.closest("#people") || element;
const UNSORTED = "unsorted";
const ANSWER_MS = 8000;
const list = find(".lk-people-list");
const head = find(".lk-people-head");
const tools = find(".lk-people-tools");
const wall = find(".lk-people-wall");
const empty = find(".lk-people-empty");
const scroller = find(".lk-people-scroll");
const why = find(".lk-people-why");
let value = {};
let faces = new Map();
let sections = [];
let copying = "";
let revision = null;
let waiting = 0;
let unanswered = false;
let place = null;

// What is done here changes what is shown, so nothing new for a while means that the app is gone or busy.
function act(verb, more = {}) {
  trigger("acted", { verb, ...more });
  if (verb === "look") return;
  delete head.dataset.shown; // what stands there now may be refused, and is then taken back
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    unanswered = true;
    revision = null; // what a face was hoped to be is taken back
    show();
  }, ANSWER_MS);
}

function answered() {
  clearTimeout(waiting);
  unanswered = false;
}

const personOf = (id) => (value.people || []).find((person) => person.id === id);
const open = () => personOf(value.place);
const many = (one, some, n, more = {}) => fill(n === 1 ? one : some, { n, ...more });

const grid = makeGrid({
  scroller,
  inner: find(".lk-people-grid"),
  words,
  sayTile: (face) => {
    const out = value.place !== UNSORTED && !face.used;
    const mine = face.overruled === "keep" ? words.kept : face.overruled === "reject" ? words.left_out : "";
    const when = face.age !== null ? fill(words.people_age_of, { n: face.age }) : face.year !== null ? String(face.year) : "";
    const word = mine || face.label;
    return {
      src: face.src,
      out,
      word,
      badge: value.place === UNSORTED ? "" : face.used ? "tick" : "cross",
      caption: [when, face.distance ? face.distance.toFixed(2) : ""].filter(Boolean).join("  ·  "),
      spoken: [face.name, value.place === UNSORTED ? "" : face.used ? words.people_used : words.people_unused, word, when]
        .filter(Boolean)
        .join(", "),
    };
  },
  headOf: drawSectionHead,
  changed: () => {
    explain();
    drawTools();
  },
  opened: (id) => photos.open(id),
  hovered: (id) => photos.hovered(id),
});

const shared = { element, words, unsorted: UNSORTED, value: () => value, faces: () => faces, grid: () => grid, act };
const dialogs = makeDialogs({
  ...shared,
  person: open,
  picture,
  button,
  move,
  named,
  asks: () => photos.hide(),
});
const photos = makePhotos({ ...shared, say, dialogs });

// The whole of it.

function show() {
  value = props.value || {};
  find(".lk-people-top .lk-status").textContent = value.status || "";
  for (const [name, said] of [["undo", value.undo], ["redo", value.redo]]) {
    const button = find("[data-do=" + name + "]");
    button.disabled = !said;
    button.title = said || "";
    button.setAttribute("aria-label", said || words[name]);
  }
  find(".lk-notices").replaceChildren(
    ...(unanswered ? [notice(words.people_unanswered, words.close, () => (answered(), show()), true)] : []),
    ...(value.came ? [notice(value.came, words.close, () => trigger("read", { index: -1 }))] : []),
    ...(value.notices || []).map((text, index) => notice(text, words.close, () => trigger("read", { index }), true)),
  );
  showComing();
  if (revision !== value.revision) {
    const moved = place !== value.place;
    revision = value.revision;
    place = value.place;
    const given = JSON.parse(value.grid || "{}");
    sections = given.sections || [];
    faces = new Map((given.faces || []).map((row) => [row[0], faceOf(row)]));
    drawList();
    drawHead();
    drawWall();
    if (moved) scroller.scrollTop = 0;
    scroller.hidden = !faces.size;
    grid.show(sections, faces);
  }
  drawEmpty();
  photos.show();
}

function faceOf(row) {
  const [id, name, used, overruled, label, reason, distance, year, age, src] = row;
  return { id, name, used, overruled, label, reason, distance, year, age, src: src ? value.base + src : "" };
}

function showComing() {
  const coming = value.coming;
  const text = copying || (coming ? coming.text : "");
  find(".lk-people-coming").hidden = !text;
  find(".lk-people-coming .lk-busy").textContent = text;
  find("[data-do=stop]").hidden = !coming;
  const bar = find(".lk-people-coming .lk-bar");
  bar.hidden = !coming;
  if (!coming) return;
  bar.firstElementChild.style.transform = "scaleX(" + coming.share + ")";
  bar.setAttribute("aria-valuenow", String(Math.round(100 * coming.share)));
  bar.setAttribute("aria-valuetext", coming.text);
}

// Who there is. Faces may be dropped on anybody.

function picture(src, kind) {
  const frame = make("span", { class: kind });
  if (src) frame.append(make("img", { src: value.base + src, alt: "", draggable: "false" }));
  return frame;
}

// A click is lost whose button is drawn anew between its press and its release, and so is the keyboard's place.
function stands(box, shown) {
  const now = JSON.stringify(shown);
  const was = box.dataset.shown === now;
  box.dataset.shown = now;
  return was;
}

function drawList() {
  if (stands(list, [value.place, value.unsorted, value.people])) return;
  const had = document.activeElement && list.contains(document.activeElement) ? document.activeElement.dataset.place : null;
  const entry = (id, name, detail, cover, droppable) =>
    make(
      "button",
      { type: "button", class: "lk-people-entry", "data-place": id, "aria-current": value.place === id ? "true" : false, "data-drop": droppable },
      cover,
      make("span", { class: "lk-people-words" }, make("strong", { text: name }), make("small", { text: detail })),
    );
  const sign = (text) => make("span", { class: "lk-people-cover lk-people-sign", "aria-hidden": "true", text });
  list.replaceChildren(
    entry("", words.people_all, many(words.people_one, words.people_some, value.people.length), sign("☺"), false),
    entry(UNSORTED, words.people_new, value.unsorted ? many(words.faces_one, words.faces_some, value.unsorted) : words.people_none_new, sign("+"), true),
    ...value.people.map((person) => entry(person.id, person.label, person.status, picture(person.cover, "lk-people-cover"), true)),
  );
  if (had !== null) focusEntry(had);
}

const focusEntry = (id) => {
  const entry = [...list.children].find((one) => one.dataset.place === id);
  if (entry) entry.focus();
};

list.addEventListener("click", (event) => {
  const entry = event.target.closest("[data-place]");
  if (entry) act("open", { place: entry.dataset.place });
});
list.addEventListener("keydown", (event) => {
  const entries = [...list.children];
  const at = entries.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step && at >= 0) {
    (entries[at + step] || entries[at]).focus();
    event.preventDefault();
    event.stopPropagation();
  }
});

const ownDrag = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("application/x-likeness");
for (const kind of ["dragenter", "dragover"]) {
  list.addEventListener(kind, (event) => {
    if (!ownDrag(event)) return;
    const entry = event.target.closest("[data-drop]");
    for (const one of list.children) one.classList.toggle("lk-over", one === entry);
    if (entry) event.preventDefault();
  });
}
list.addEventListener("dragleave", (event) => {
  if (!list.contains(event.relatedTarget)) for (const one of list.children) one.classList.remove("lk-over");
});
list.addEventListener("drop", (event) => {
  if (!ownDrag(event)) return;
  event.preventDefault();
  for (const one of list.children) one.classList.remove("lk-over");
  const entry = event.target.closest("[data-drop]");
  if (entry && entry.dataset.place !== value.place) move(grid.subjects(), entry.dataset.place);
});

function drawWall() {
  if (stands(wall, [value.place, value.unsorted, value.people])) return;
  wall.hidden = value.place !== "" || !value.people.length;
  if (wall.hidden) return wall.replaceChildren();
  wall.replaceChildren(
    ...(value.unsorted
      ? [
          make(
            "button",
            { type: "button", class: "lk-people-card", onclick: () => act("open", { place: UNSORTED }) },
            make("span", { class: "lk-people-face lk-people-sign", "aria-hidden": "true", text: "+" }),
            make("strong", { text: words.people_new }),
            make("small", { text: many(words.faces_one, words.faces_some, value.unsorted) }),
          ),
        ]
      : []),
    ...value.people.map((person) =>
      make(
        "button",
        { type: "button", class: "lk-people-card", onclick: () => act("open", { place: person.id }) },
        picture(person.cover, "lk-people-face"),
        make("strong", { text: person.label }),
        make("small", { text: person.status }),
      ),
    ),
  );
}

function drawEmpty() {
  const person = open();
  const nothing = value.place === "" ? !value.people.length && !value.unsorted : !faces.size;
  empty.hidden = !nothing;
  if (!nothing) return empty.replaceChildren();
  if (value.comparing) return empty.replaceChildren(make("p", { class: "lk-busy", text: words.people_comparing }));
  const [title, hint] =
    value.place === UNSORTED && (value.people.length || value.unsorted === 0)
      ? [words.people_sorted, words.people_sorted_hint]
      : person
        ? [words.people_no_faces, words.people_no_faces_hint]
        : [words.people_empty, words.people_empty_hint];
  empty.replaceChildren(make("strong", { text: title }), make("p", { text: hint }));
}

function button(word, onclick, more = {}) {
  return make("button", { type: "button", class: "lk-button", text: word, onclick, ...more });
}

function drawHead() {
  const person = open();
  if (stands(head, [value.place, person, value.advice, value.level])) return;
  if (!person) {
    const title = value.place === UNSORTED ? words.people_new : words.people_all;
    head.replaceChildren(
      make("div", { class: "lk-people-title" }, make("h3", { text: title })),
      make("p", { class: "lk-hint", text: value.place === UNSORTED ? words.people_new_hint : words.people_all_hint }),
    );
    return;
  }
  const subject = make("select", { class: "lk-people-subject", "aria-label": words.people_subject, title: words.people_subject_help });
  for (const [id, word] of Object.entries(value.subjects)) subject.append(make("option", { value: id, text: word }));
  subject.value = person.subject;
  subject.addEventListener("change", () => act("describe", { person: person.id, subject: subject.value }));
  head.replaceChildren(
    make(
      "div",
      { class: "lk-people-title" },
      picture(person.cover, "lk-people-cover"),
      make("h3", { text: person.label }),
      subject,
      make("span", { class: "lk-people-space" }),
      button(words.people_rename, dialogs.rename),
      button(words.people_merge, dialogs.merge),
      button(words.people_delete, dialogs.remove),
    ),
    make("p", { class: "lk-people-advice lk-" + value.level, text: value.advice }),
  );
}

// Sections of the grid.

function drawSectionHead(section, frame) {
  const words_ = make("span", { class: "lk-people-words" }, make("strong", { text: section.title }), make("small", { text: section.detail || "" }));
  const all = button(words.people_choose_all, () => grid.chooseAll(section.ids), { "aria-label": fill(words.people_choose_all_of, { title: section.title }) });
  if (value.place !== UNSORTED) return frame.replaceChildren(words_, make("span", { class: "lk-people-space" }), all);
  const who = make("input", {
    type: "text",
    maxlength: "200",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: words.people_who,
    "aria-label": fill(words.people_who_of, { title: section.title }),
    title: words.people_who_help,
    list: "lk-people-known",
  });
  // The section may have grown since this was drawn.
  const now = () => (sections.find((one) => one.key === section.key && one.kind === section.kind) || section).ids;
  const give = () => named(who.value, now());
  who.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation(); // the grid has the keyboard by the time that this goes on
    give();
  });
  frame.replaceChildren(
    words_,
    make("span", { class: "lk-people-space" }),
    ...(section.person
      ? [button(fill(words.people_accept, { who: personOf(section.person).label }), () => move(now(), section.person), { class: "lk-button main" })]
      : []),
    ...(section.kind === "single" || section.kind === "comparing" ? [] : [who, button(words.people_make, give)]),
    all,
  );
}

function named(typed, ids) {
  const name = typed.trim();
  if (!name || !ids.length) return;
  const same = value.people.filter((person) => person.name.toLowerCase() === name.toLowerCase());
  if (same.length) dialogs.known(name, same, ids);
  else {
    grid.past(ids);
    act("new", { ids, name });
  }
}

function move(ids, target) {
  if (!ids.length) return;
  grid.past(ids);
  act("move", { ids, to: target });
}

// What can be done with the chosen faces.

const verbs = {
  keep: () => judge("keep"),
  reject: () => judge("reject"),
  move: () => dialogs.chooser(words.people_move_to, (id) => move(grid.subjects(), id), value.place, true),
  new: () => dialogs.newPerson(),
  date: () => dialogs.date(),
  cover: () => act("cover", { id: grid.subjects()[0] }),
  look: () => photos.open(grid.active()),
  remove: () => {
    const ids = grid.subjects();
    grid.past(ids);
    act("remove", { ids });
  },
};
const KEYS = { p: "keep", x: "reject", m: "move", n: "new", y: "date", c: "cover", delete: "remove", backspace: "remove" };

const allowed = (verb) => faces.size > 0 && (value.place !== UNSORTED || !["keep", "reject", "cover"].includes(verb)) && value.place !== "";

function judge(word) {
  const ids = grid.subjects();
  grid.past(ids);
  say(ids, word);
}

// What a face is to be stands on it at once; what follows from it for the others, the app says later.
function say(ids, word) {
  const used = word === "keep";
  const others = ids.map((id) => faces.get(id)).filter((face) => face && face.used !== used);
  const back = others.every((face) => face.overruled && !face.label === used);
  for (const face of back ? others : ids.map((id) => faces.get(id))) {
    if (face) Object.assign(face, { used, overruled: back ? "" : word });
  }
  grid.refill(ids);
  act("judge", { ids, word });
}

let drawn = "";
function drawTools() {
  const n = grid.subjects().length;
  const key = JSON.stringify([value.place, n, faces.size > 0, grid.chosen()]);
  tools.hidden = !faces.size || value.place === "";
  if (key === drawn) return;
  drawn = key;
  const at = document.activeElement && tools.contains(document.activeElement) ? document.activeElement.dataset.verb : "";
  const one = (verb, word, shortcut) =>
    allowed(verb) ? [button(word, verbs[verb], { "data-verb": verb, title: shortcut, "aria-keyshortcuts": shortcut, disabled: !n })] : [];
  tools.replaceChildren(
    make("span", { class: "lk-people-count", role: "status", text: grid.chosen() ? many(words.chosen_one, words.chosen_some, grid.chosen()) : words.chosen_none }),
    ...one("keep", words.people_keep, "P"),
    ...one("reject", words.people_reject, "X"),
    ...one("move", words.people_move, "M"),
    ...one("new", words.people_split, "N"),
    ...one("date", words.people_date, "Y"),
    ...one("cover", words.people_set_cover, "C"),
    ...one("look", words.people_look, "Enter"),
    ...one("remove", words.people_remove, "Delete"),
  );
  if (at) (tools.querySelector("[data-verb=" + at + "]") || scroller).focus();
}

function explain() {
  const face = faces.get(grid.active());
  why.hidden = !face;
  if (!face) return;
  const near = face.distance ? fill(words.people_away, { distance: face.distance.toFixed(2) }) : "";
  why.textContent = [face.name + ".", face.reason || (face.distance && value.place !== UNSORTED ? words.people_fits : ""), near].filter(Boolean).join(" ");
}

// Keys, and files from outside.

const orders = {
  folder: () => dialogs.folder(),
  keys: () => dialogs.keys(),
  undo: () => act("undo"),
  redo: () => act("redo"),
  stop: () => act("stop"),
};
for (const one of element.querySelectorAll("[data-do]")) one.addEventListener("click", () => orders[one.dataset.do]());

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.body.dataset.screen !== "people" || dialogs.now() || typing()) return;
  const control = event.ctrlKey || event.metaKey;
  const letter = event.key.toLowerCase();
  if (control && letter === "z") (event.shiftKey ? orders.redo : orders.undo)();
  else if (control && letter === "y") orders.redo();
  else if (event.key === "?") dialogs.keys();
  else {
    const inside = scroller.contains(document.activeElement) || document.activeElement === document.body;
    const onButton = document.activeElement && document.activeElement.closest("button, a, label, [role=tab]");
    if (onButton && (event.key === "Enter" || event.key === " " || event.key.startsWith("Arrow"))) return;
    if (!control && !event.altKey && KEYS[letter] && allowed(KEYS[letter]) && (inside || tools.contains(document.activeElement))) verbs[KEYS[letter]]();
    else if (!inside || !faces.size || !grid.key(event)) return;
  }
  event.preventDefault();
});

const datalist = make("datalist", { id: "lk-people-known" });
element.append(datalist);
const names = () => datalist.replaceChildren(...[...new Set((value.people || []).map((person) => person.name))].map((name) => make("option", { value: name })));

takeIn({
  zone: screen,
  input: find("input[type=file]"),
  upload,
  words,
  suffixes: props.suffixes,
  largest: props.largest,
  many: true,
  say: (text) => {
    copying = text;
    showComing();
  },
  refuse: (text) => trigger("refused", { text }),
  done: (paths) => trigger("dropped", { paths }),
});
watch("value", () => {
  answered();
  show();
  names();
});
if (props.value) {
  show();
  names();
}
