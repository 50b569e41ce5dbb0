const { make, takeIn, notice } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const input = find("input[type=file]");
const fit = find(".lk-photo-fit");
let copying = "";

function show() {
  const value = props.value || {};
  const photo = value.photo;
  find(".lk-step").classList.toggle("done", !!value.done);
  find(".lk-status").textContent = value.status || "";
  find(".lk-drop").hidden = !!photo;
  find(".lk-photo").hidden = !photo;
  fit.querySelectorAll(".lk-box").forEach((box) => box.remove());
  if (photo) {
    const picture = fit.querySelector("img");
    if (picture.getAttribute("src") !== photo.src) picture.src = photo.src;
    find(".lk-photo-name").textContent = photo.name;
    find(".lk-photo-name").title = photo.name;
    find(".lk-photo-size").textContent = photo.size;
    find(".lk-hint").textContent = photo.hint;
    fit.append(...photo.faces.map(boxOf));
  }
  find(".lk-notices").replaceChildren(
    ...(value.notices || []).map((text, index) => notice(text, words.close, () => trigger("read", { index }))),
  );
  showBusy();
}

function showBusy() {
  const text = copying || (props.value && props.value.busy) || "";
  find(".lk-busy").textContent = text;
  find(".lk-busy").hidden = !text;
}

function boxOf(face) {
  const box = make("button", {
    type: "button",
    class: "lk-box",
    "aria-pressed": String(face.chosen),
    "aria-label": face.label,
    title: face.label,
    onclick: () => trigger("chosen", { face: face.number }),
  });
  const [left, top, right, bottom] = face.box.map((share) => 100 * share);
  Object.assign(box.style, {
    left: left + "%",
    top: top + "%",
    width: right - left + "%",
    height: bottom - top + "%",
  });
  return box;
}

find(".lk-link").addEventListener("click", () => input.click());
takeIn({
  zone: element.closest("#damaged"),
  input,
  upload,
  words,
  suffixes: props.suffixes,
  largest: props.largest,
  many: false,
  say: (text) => {
    copying = text;
    showBusy();
  },
  refuse: (text) => trigger("refused", { text }),
  done: (paths) => trigger("dropped", { paths }),
});
watch("value", show);
show();
