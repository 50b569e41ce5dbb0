// A face's whole photo on the People screen: in a window of its own, or beside the mouse. `value`, `faces` and `grid`
// are functions, as for the dialogs.
function makePhotos({ element, words, value, faces, grid, act, say, dialogs, unsorted }) {
  const { make } = window.likeness;
  let looking = ""; // "hover", "open" or nothing

  function openPhoto(id) {
    if (!id) return;
    looking = "open";
    act("look", { id });
    const body = make("div", { class: "lk-people-photo" });
    const used = value().place === unsorted ? [] : [{ verb: "keep", word: words.people_keep }, { verb: "reject", word: words.people_reject }];
    const choices = used.map((one) => ({ word: one.word, then: () => (say([id], one.verb), stepPhoto(1)) }));
    const face = faces().get(id);
    const made = dialogs.ask(face.name, [body], choices, {
      wide: true,
      leave: words.shortcuts_close,
      then: () => {
        if (looking === "open" && !dialogs.now()) {
          looking = "";
          act("look", { id: "" });
        }
      },
    });
    made.dataset.photo = id;
    made.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      const word = { p: "keep", x: "reject" }[event.key.toLowerCase()];
      if (step) stepPhoto(step);
      else if (word && used.length) {
        say([id], word);
        stepPhoto(1);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    showPhoto();
  }

  // Another face's photo; said to whoever closes the window that another one follows.
  function stepPhoto(step) {
    const order = grid().order();
    const next = order[order.indexOf(dialogs.now() ? dialogs.now().dataset.photo : grid().active()) + step];
    if (!next) return false;
    grid().choose(next);
    openPhoto(next);
    return false;
  }

  function photoOf(looked, large) {
    if (looked.fault) return [make("p", { text: looked.fault })];
    const box = make("span", { class: "lk-people-box" });
    const [left, top, right, bottom] = looked.box;
    Object.assign(box.style, { left: 100 * left + "%", top: 100 * top + "%", width: 100 * (right - left) + "%", height: 100 * (bottom - top) + "%" });
    const whole = make("span", { class: "lk-people-whole" }, make("img", { src: value().base + looked.src, alt: words.people_whole, draggable: "false" }), box);
    if (!large) return [whole];
    const close = make("figure", {}, make("img", { src: value().base + looked.close, alt: words.people_close, width: looked.width, height: looked.height }), make("figcaption", { text: words.people_close }));
    const said = faces().get(looked.id);
    return [make("div", { class: "lk-people-frames" }, whole, close), make("p", { class: "lk-hint", text: [looked.size, said ? said.reason : ""].filter(Boolean).join(" · ") })];
  }

  function showPhoto() {
    const looked = value().looked;
    hoverCard();
    const frame = dialogs.now() && dialogs.now().dataset.photo ? dialogs.now().querySelector(".lk-people-photo") : null;
    if (!frame || frame.dataset.of === dialogs.now().dataset.photo) return;
    if (!looked || looked.id !== dialogs.now().dataset.photo) return frame.replaceChildren(make("p", { class: "lk-busy", text: words.people_opening }));
    frame.dataset.of = looked.id;
    frame.replaceChildren(...photoOf(looked, true));
  }

  function hoverCard() {
    const before = element.querySelector(".lk-people-hover");
    const looked = value().looked;
    const wanted = looking === "hover" && looked && looked.src ? looked.id : "";
    if (before && before.dataset.of === wanted) return;
    if (before) before.remove();
    const tile = wanted && document.getElementById("lk-pf-" + wanted);
    if (!tile) return;
    const card = make("div", { class: "lk-people-hover", "data-of": wanted, "aria-hidden": "true" }, ...photoOf(looked, false));
    const at = tile.getBoundingClientRect();
    card.style.left = at.right + 372 < innerWidth ? at.right + 12 + "px" : Math.max(8, at.left - 372) + "px";
    card.style.top = Math.max(56, Math.min(at.top, innerHeight - 380)) + "px";
    card.hidden = true; // until there is something to be seen
    const picture = card.querySelector("img");
    if (picture) picture.addEventListener("load", () => (card.hidden = false));
    else card.hidden = false;
    element.append(card);
  }

  function hovered(id) {
    if (dialogs.now()) return;
    if (!id && looking === "hover") {
      looking = "";
      hoverCard();
    } else if (id) {
      looking = "hover";
      act("look", { id });
    }
  }

  // A dialog opens: what lies beside the mouse goes.
  function hide() {
    looking = looking === "hover" ? "" : looking;
    hoverCard();
  }

  return { open: openPhoto, show: showPhoto, hovered, hide };
}
