// The lens: a round glass in every pane that shows one and the same place larger; where two pictures share a pane, a
// pair of glasses, one for each.
window.likeness.lens = (() => {
  const { make, geometry, panes } = window.likeness;
  const SIZE = 200;

  function glass(kind) {
    const picture = make("div", { class: "lk-pic" });
    const stack = make("div", { class: "lk-stack" }, picture);
    const root = make("div", { class: "lk-glass", "data-glass": kind, "aria-hidden": "true" }, stack);
    return { root, stack, picture: panes.pictureIn(picture) };
  }

  function lensOf() {
    const glasses = { select: glass("select"), own: glass("own") };
    const root = make("div", { class: "lk-lens", hidden: true }, glasses.select.root, glasses.own.root);
    return { root, glasses };
  }

  // `two`: both pictures of the pane are to be seen; `view` as the panes have it, `share` is the place looked at.
  function lay(lens, { own, select, two, view, share }) {
    const scale = Math.min(geometry.LARGEST, Math.max(view.scale * 3, 1 / view.dense));
    lens.glasses.select.root.hidden = !two;
    const point = geometry.pointOf(share, view.at, view.scale, view.pane, view.size);
    const wide = two ? 2 * SIZE : SIZE;
    const left = geometry.clamp(point[0] - wide / 2, 0, Math.max(0, view.pane[0] - wide));
    const above = point[1] - SIZE - 24;
    const top = above >= 0 ? above : geometry.clamp(point[1] + 24, 0, Math.max(0, view.pane[1] - SIZE));
    lens.root.style.transform = "translate(" + left + "px, " + top + "px)";
    for (const [kind, pane] of Object.entries({ own, select })) {
      const { stack, picture } = lens.glasses[kind];
      if (kind === "select" && !two) continue;
      picture.show(pane);
      picture.near(true);
      picture.sharpen();
      stack.style.width = view.size[0] + "px";
      stack.style.height = view.size[1] + "px";
      stack.style.transform = geometry.transform(share, scale, [SIZE, SIZE], view.size);
      stack.classList.toggle("pixels", scale * view.dense > 3);
    }
  }

  return { lensOf, lay };
})();
