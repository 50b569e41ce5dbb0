// The panes of the viewer and the pictures in them. A picture is decoded before it takes the place of another, so
// nothing blinks that should not: first the proxy that suits the screen, and once somebody looks closer, every pixel.
window.likeness.panes = (() => {
  const { make, geometry } = window.likeness;

  // One picture: a proxy, and over it the whole one as soon as it is wanted and decoded.
  function pictureIn(root) {
    let shown = { src: "", full: "" };
    let sharp = "";

    function decoded(address, alt, then) {
      const image = make("img", { alt, draggable: "false", decoding: "sync" });
      image.src = address;
      image.decode().then(
        () => then(image),
        () => {
          root.dataset.broken = address;
        },
      );
    }

    function show(pane) {
      if (pane.src === shown.src && pane.full === shown.full) {
        root.querySelectorAll("img").forEach((image, index) => image.setAttribute("alt", index ? "" : pane.label));
        return;
      }
      shown = { src: pane.src, full: pane.full };
      sharp = "";
      decoded(pane.src, pane.label, (image) => {
        if (shown.src === pane.src) root.replaceChildren(image);
      });
    }

    // From afar the whole picture would only cost time: the proxy has every pixel that the screen can show.
    const near = (on) => root.classList.toggle("near", on);

    function sharpen() {
      const { src, full } = shown;
      if (!full || full === src || sharp === full) return;
      sharp = full;
      decoded(full, "", (image) => {
        if (sharp === full && shown.full === full) root.append(image);
      });
    }

    return { show, near, sharpen };
  }

  function layerOf(kind) {
    const picture = make("div", { class: "lk-pic" });
    const stack = make("div", { class: "lk-stack" }, picture);
    const root = make("div", { class: "lk-layer", "data-layer": kind }, stack);
    return { root, stack, ...pictureIn(picture) };
  }

  function paneOf(number) {
    const layers = { own: layerOf("own"), select: layerOf("select"), original: layerOf("original") };
    const mixed = make("div", { class: "lk-mixed" }, ...Object.values(layers).map((layer) => layer.root));
    const boxes = make("div", { class: "lk-boxes" });
    const tags = {
      own: make("p", { class: "lk-tag own" }, make("b"), " ", make("span")),
      select: make("p", { class: "lk-tag select" }, make("b"), " ", make("span")),
    };
    const root = make("div", { class: "lk-pane", "data-pane": String(number) }, mixed, boxes, tags.own, tags.select);
    return { root, layers, mixed, boxes, tags };
  }

  // Who stands in each layer of pane `index`: its own picture, the one it is held against, the one all began with.
  function fill(pane, index, all, select) {
    pane.layers.own.show(all[index]);
    pane.layers.select.show(all[select]);
    pane.layers.original.show(all[0]);
  }

  // The face as it is while it is sampled, laid into the photo where it belongs; `scale` is that of the picture.
  const glimpse = (pane, seen, scale) => lay(pane, "lk-glimpse", seen, scale);
  // Where the restored face is uncertain, laid over it in the same way.
  const doubt = (pane, seen, scale) => lay(pane, "lk-doubt", seen, scale);

  function lay(pane, kind, seen, scale) {
    const stack = pane.layers.own.stack;
    const old = stack.querySelector("." + kind);
    if (!seen) {
      if (old) old.remove();
      return;
    }
    if (old && old.getAttribute("src") === seen.src) return;
    const image = make("img", { class: "lk-laid " + kind, alt: "", draggable: "false", decoding: "sync" });
    const [a, b, c, d, e, f] = seen.matrix.map((part) => part * scale);
    Object.assign(image.style, { width: seen.side + "px", height: seen.side + "px" });
    image.style.transform = "matrix(" + [a, b, c, d, e, f].join(",") + ")";
    image.src = seen.src;
    image.decode().then(
      () => {
        stack.querySelectorAll("." + kind).forEach((shown) => shown.remove());
        stack.append(image);
      },
      () => {},
    );
  }

  function layOut(pane, view) {
    const place = geometry.transform(view.at, view.scale, view.pane, view.size);
    for (const layer of Object.values(pane.layers)) {
      layer.stack.style.width = view.size[0] + "px";
      layer.stack.style.height = view.size[1] + "px";
      layer.stack.style.transform = place;
    }
  }

  function tell(tag, label, detail) {
    tag.firstChild.textContent = label;
    tag.lastChild.textContent = detail || "";
    tag.hidden = !label;
  }

  return { paneOf, pictureIn, fill, glimpse, doubt, layOut, tell };
})();
