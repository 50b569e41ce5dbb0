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
  const likely = value.likely || {};
  const take = find(".lk-likely button");
  find(".lk-likely").hidden = !photo || !likely.text;
  find(".lk-likely span").textContent = likely.text || "";
  take.textContent = likely.take || "";
  take.hidden = !likely.take;
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

find(".lk-photo-line .lk-link").addEventListener("click", () => input.click());
find(".lk-likely button").addEventListener("click", () => trigger("taken", {}));
const taking = takeIn({
  zone: element.closest("#damaged"),
  input,
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
  // One photo is restored here; several are a pile.
  done: (paths, of) => trigger(of > 1 ? "gathered" : "dropped", { paths }),
});

// On this screen a photo may be dropped anywhere, and pasted.
const seen = () => element.isConnected && element.getClientRects().length > 0 && !document.querySelector("dialog[open]");
let within = 0;
window.addEventListener("dragenter", (event) => {
  within += 1;
  if (seen() && [...event.dataTransfer.types].includes("Files")) document.body.classList.add("lk-dragging");
});
window.addEventListener("dragleave", () => {
  within = Math.max(0, within - 1);
  if (!within) document.body.classList.remove("lk-dragging");
});
window.addEventListener("drop", (event) => {
  within = 0;
  document.body.classList.remove("lk-dragging");
  if (seen() && !event.taken && event.dataTransfer && event.dataTransfer.files.length) taking.takeDrop(event);
});
document.addEventListener("paste", (event) => {
  const files = [...((event.clipboardData && event.clipboardData.files) || [])];
  if (!seen() || !files.length) return;
  event.preventDefault();
  // What was copied as a picture, and not as a file, has a name that says nothing.
  taking.take(files.map((file) => (/^image\.\w+$/.test(file.name) ? new File([file], words.pasted + file.name.slice(5), { type: file.type }) : file)));
});

const named = find(".lk-named form");
named.addEventListener("submit", (event) => {
  event.preventDefault();
  const path = named.elements.path.value.trim();
  if (path) trigger("named", { place: path }); // Gradio takes a "path" for a file of its own
});
watch("value", show);
show();
