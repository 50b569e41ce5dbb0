// The reference grid: thousands of faces in sections, of which only those in sight are on the page; chosen by mouse or
// keys as files in a folder are. It knows nothing of people: what a face says and does is asked of whoever made it.
function makeGrid({ scroller, inner, sayTile, headOf, changed, opened, hovered, words }) {
  const { make, icon } = window.likeness;
  const GAP = 10;
  const CAPTION = 20;
  const BEYOND = 500;
  let sections = [];
  let faces = new Map();
  let order = [];
  let place = new Map();
  let columns = 1;
  let tile = 128;
  let headHeight = 48;
  let active = "";
  let anchor = "";
  let hover = 0;
  let held = false; // whether the keyboard is here
  const chosen = new Set();
  const blocks = new Map();

  // Where everything would be.
  function measure() {
    const width = inner.clientWidth;
    const narrow = width < 520;
    tile = narrow ? Math.floor((width - 2 * GAP) / 3) : 128;
    headHeight = narrow ? 92 : 48;
    columns = Math.max(1, Math.floor((width + GAP) / (tile + GAP)));
    let top = 0;
    for (const section of sections) {
      section.top = top;
      section.rows = Math.ceil(section.ids.length / columns);
      section.height = headHeight + section.rows * (tile + CAPTION + GAP) + 14;
      top += section.height;
    }
    inner.style.height = top + "px";
  }

  const shapeOf = (section) => section.kind + ":" + (section.person || "") + ":" + section.key;

  function show(nextSections, nextFaces) {
    const before = order.indexOf(active);
    held = inner.contains(document.activeElement) || (held && document.activeElement === document.body);
    sections = nextSections;
    faces = nextFaces;
    order = sections.flatMap((section) => section.ids);
    place = new Map();
    for (const section of sections) section.ids.forEach((id, index) => place.set(id, { section, index }));
    for (const id of [...chosen]) if (!place.has(id)) chosen.delete(id);
    if (!place.has(anchor)) anchor = "";
    if (!place.has(active)) active = order[Math.min(Math.max(before, 0), order.length - 1)] || "";
    measure();
    draw(true);
    // The faces that had the keyboard may have gone to another section, or have been away for a moment.
    if (held && active && !inner.contains(document.activeElement)) listOf(active).focus({ preventScroll: true });
    changed();
  }

  const listOf = (id) => blocks.get(shapeOf(place.get(id).section)).list;

  function draw(anew) {
    const from = scroller.scrollTop - BEYOND;
    const to = scroller.scrollTop + scroller.clientHeight + BEYOND;
    const wanted = new Set();
    for (const section of sections) {
      const holds = place.get(active) && place.get(active).section === section;
      if (section.top + section.height < from || section.top > to) {
        if (!holds) continue;
      }
      wanted.add(shapeOf(section));
      drawSection(section, from, to, anew);
    }
    for (const [shape, block] of blocks) {
      if (!wanted.has(shape)) {
        block.root.remove();
        blocks.delete(shape);
      }
    }
  }

  function drawSection(section, from, to, anew) {
    const shape = shapeOf(section);
    let block = blocks.get(shape);
    if (!block) {
      const list = make("div", { class: "lk-people-tiles", role: "listbox", "aria-multiselectable": "true", tabindex: "-1" });
      const head = make("div", { class: "lk-people-section" });
      block = { root: make("div", { class: "lk-people-block" }, head, list), list, head, tiles: new Map(), said: "" };
      blocks.set(shape, block);
      inner.append(block.root);
      anew = true;
    }
    block.root.style.top = section.top + "px";
    block.root.style.height = section.height + "px";
    if (anew) {
      const said = JSON.stringify([section.title, section.detail, section.kind, section.person, section.ids.length]);
      if (block.said !== said) {
        block.said = said;
        headOf(section, block.head);
      }
      block.head.style.height = headHeight + "px";
      block.list.setAttribute("aria-label", section.title);
      block.list.style.top = headHeight + "px";
      block.list.style.height = section.rows * (tile + CAPTION + GAP) + "px";
    }
    const step = tile + CAPTION + GAP;
    const start = section.top + headHeight;
    const first = Math.max(0, Math.floor((from - start) / step)) * columns;
    const last = Math.min(section.ids.length, Math.ceil((to - start) / step + 1) * columns);
    const seen = new Set();
    const at = place.get(active);
    const indices = [];
    for (let index = first; index < last; index += 1) indices.push(index);
    if (at && at.section === section && (at.index < first || at.index >= last)) indices.push(at.index);
    for (const index of indices) {
      const id = section.ids[index];
      seen.add(id);
      let element = block.tiles.get(id);
      if (!element) {
        element = tileOf(id);
        block.tiles.set(id, element);
        block.list.append(element);
        element.fresh = true;
      }
      element.style.left = (index % columns) * (tile + GAP) + "px";
      element.style.top = Math.floor(index / columns) * step + "px";
      if (anew || element.fresh) {
        element.fresh = false;
        element.style.width = tile + "px";
        fillTile(element, id);
        element.setAttribute("aria-posinset", String(index + 1));
        element.setAttribute("aria-setsize", String(section.ids.length));
      }
    }
    for (const [id, element] of block.tiles) {
      if (!seen.has(id)) {
        element.remove();
        block.tiles.delete(id);
      }
    }
    const within = at && at.section === section;
    block.list.tabIndex = within ? 0 : -1;
    if (within) block.list.setAttribute("aria-activedescendant", "lk-pf-" + active);
    else block.list.removeAttribute("aria-activedescendant");
    mark(block);
  }

  function tileOf(id) {
    return make(
      "div",
      { class: "lk-pf", role: "option", id: "lk-pf-" + id, "data-id": id, draggable: "true" },
      make(
        "span",
        { class: "lk-pf-crop" },
        make("img", { alt: "", draggable: "false", decoding: "async" }),
        make("span", { class: "lk-pf-word" }),
        make("span", { class: "lk-pf-badge" }),
      ),
      make("span", { class: "lk-pf-caption" }),
    );
  }

  function fillTile(element, id) {
    const said = sayTile(faces.get(id));
    const picture = element.querySelector("img");
    if (said.src && picture.getAttribute("src") !== said.src) picture.src = said.src;
    picture.hidden = !said.src;
    element.classList.toggle("lk-out", said.out);
    element.querySelector(".lk-pf-word").textContent = said.word;
    element.querySelector(".lk-pf-badge").replaceChildren(...(said.badge ? [icon(said.badge)] : []));
    element.querySelector(".lk-pf-badge").hidden = !said.badge;
    element.querySelector(".lk-pf-caption").textContent = said.caption;
    element.setAttribute("aria-label", said.spoken);
  }

  function mark(block) {
    for (const [id, element] of block.tiles) {
      element.setAttribute("aria-selected", String(chosen.has(id)));
      element.classList.toggle("lk-active", id === active);
    }
  }

  function markAll() {
    for (const block of blocks.values()) mark(block);
    changed();
  }

  // Brings a face into view, and the keyboard with it.
  function go(id, focus = true) {
    const at = place.get(id);
    if (!at) return;
    active = id;
    const step = tile + CAPTION + GAP;
    const top = at.section.top + headHeight + Math.floor(at.index / columns) * step;
    const room = at.index < columns ? headHeight : 0;
    if (top - room < scroller.scrollTop) scroller.scrollTop = top - room;
    else if (top + step > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + step - scroller.clientHeight;
    draw(false);
    if (focus) listOf(id).focus({ preventScroll: true });
    markAll();
  }

  function range(to) {
    const start = order.indexOf(anchor || active);
    const end = order.indexOf(to);
    if (start < 0 || end < 0) return;
    chosen.clear();
    for (const id of order.slice(Math.min(start, end), Math.max(start, end) + 1)) chosen.add(id);
  }

  function choose(id, { toggle = false, extend = false } = {}) {
    if (extend) range(id);
    else if (toggle) {
      if (!chosen.delete(id)) chosen.add(id);
      anchor = id;
    } else {
      chosen.clear();
      chosen.add(id);
      anchor = id;
    }
    go(id);
  }

  const tileAt = (target) => (target.closest ? target.closest(".lk-pf") : null);

  let clicked = "";
  inner.addEventListener("click", (event) => {
    const element = tileAt(event.target);
    if (!element) return;
    const { id } = element.dataset;
    // The first click may have drawn the tile anew, and then the browser sees no double click on it.
    const again = event.detail === 2 && id === clicked;
    clicked = id;
    if (again) opened(id);
    else choose(id, { toggle: event.ctrlKey || event.metaKey, extend: event.shiftKey });
  });
  inner.addEventListener("pointerover", (event) => {
    const element = tileAt(event.target);
    clearTimeout(hover);
    hovered("");
    if (element && event.pointerType === "mouse") hover = setTimeout(() => hovered(element.dataset.id), 700);
  });
  for (const kind of ["pointerleave", "pointerdown", "dragstart"]) {
    inner.addEventListener(kind, () => {
      clearTimeout(hover);
      hovered("");
    });
  }
  inner.addEventListener("dragstart", (event) => {
    const element = tileAt(event.target);
    if (!element) return;
    const id = element.dataset.id;
    if (!chosen.has(id)) choose(id);
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("application/x-likeness", "faces");
    const many = make("div", { class: "lk lk-people-dragged", text: String(chosen.size) });
    document.body.append(many);
    if (chosen.size > 1) event.dataTransfer.setDragImage(many, 20, 20);
    requestAnimationFrame(() => many.remove());
  });

  // True when the key meant something here.
  function key(event) {
    const at = order.indexOf(active);
    if (at < 0) return false;
    const here = place.get(active);
    const control = event.ctrlKey || event.metaKey;
    let to = -1;
    if (event.key === "ArrowRight") to = at + 1;
    else if (event.key === "ArrowLeft") to = at - 1;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = order.length - 1;
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const down = event.key === "ArrowDown";
      const index = here.index + (down ? columns : -columns);
      if (index >= 0 && index < here.section.ids.length) to = at + index - here.index;
      else {
        // On to the next section, in the same column as far as it has one; in the last row of this one otherwise.
        const number = sections.indexOf(here.section) + (down ? 1 : -1);
        const last = here.section.ids.length - 1;
        if (down && Math.floor(last / columns) > Math.floor(here.index / columns)) to = at + last - here.index;
        else if (sections[number]) {
          const next = sections[number].ids;
          const column = here.index % columns;
          const row = down ? 0 : Math.floor((next.length - 1) / columns);
          to = order.indexOf(next[Math.min(row * columns + column, next.length - 1)]);
        }
      }
    } else if (event.key === " ") {
      if (chosen.has(active)) chosen.delete(active);
      else chosen.add(active);
      anchor = active;
      markAll();
      return true;
    } else if (event.key === "Escape" && chosen.size) {
      chosen.clear();
      markAll();
      return true;
    } else if (control && event.key.toLowerCase() === "a") {
      for (const id of order) chosen.add(id);
      markAll();
      return true;
    } else if (event.key === "Enter") {
      opened(active);
      return true;
    } else return false;
    if (to < 0 || to >= order.length) return event.key.startsWith("Arrow");
    if (event.shiftKey) {
      if (!anchor) anchor = active;
      range(order[to]);
    } else if (!control) anchor = "";
    go(order[to]);
    return true;
  }

  let waiting = false;
  scroller.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw(false);
    });
  });
  new ResizeObserver(() => {
    measure();
    draw(true);
  }).observe(inner);

  // Draws some faces anew where they stand.
  function refill(ids) {
    for (const block of blocks.values()) {
      for (const id of ids) if (block.tiles.has(id)) fillTile(block.tiles.get(id), id);
    }
    changed();
  }

  return {
    show,
    refill,
    key,
    go,
    choose,
    // What a verb is about: all that is chosen, else the face at the keyboard.
    subjects: () => (chosen.size ? order.filter((id) => chosen.has(id)) : active ? [active] : []),
    chosen: () => chosen.size,
    active: () => active,
    order: () => order,
    chooseAll: (ids) => {
      chosen.clear();
      for (const id of ids) chosen.add(id);
      markAll();
    },
    // After a verb the next face is at the keyboard, as when culling.
    past: (ids) => {
      const gone = new Set(ids);
      const at = order.indexOf(active);
      const next = order.slice(at).find((id) => !gone.has(id)) || order.slice(0, at).reverse().find((id) => !gone.has(id));
      chosen.clear();
      anchor = "";
      if (next) go(next, blocks.size > 0 && inner.contains(document.activeElement));
      markAll();
    },
    focus: () => active && go(active),
  };
}
