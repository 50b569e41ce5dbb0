// What stands round the pictures: the references beside them, which photo it is, and what is known of the result.
window.likeness.around = ({ find, words }) => {
  const { make, geometry } = window.likeness;
  const TILE = 112;
  const tiles = [];

  // Every reference as large, as turned and at the same place of the face as the panes show it.
  function drawStrip({ references: there = [], eyes }, view, on) {
    find(".lk-strip-row").hidden = !on;
    if (!there.length || !on) return;
    let how = "same";
    there.forEach((reference, index) => {
      const image = tiles[index].querySelector("img");
      const side = [reference.side, reference.side];
      const laid = eyes
        ? geometry.beside({ eyes: reference.eyes, size: side }, eyes, view, TILE)
        : { at: [0.5, 0.5], scale: TILE / reference.side, how: "larger" };
      if (laid.how !== "same") how = laid.how;
      image.style.width = image.style.height = reference.side + "px";
      image.style.transform = geometry.transform(laid.at, laid.scale, [TILE, TILE], side);
    });
    find(".lk-strip .lk-hint").textContent = words["strip_" + how];
  }

  function showPhotos(photos) {
    find(".lk-photos").hidden = !photos;
    if (photos) find(".lk-photos > span").textContent = photos.name;
  }

  function showStrip(there) {
    while (tiles.length > there.length) tiles.pop().remove();
    there.forEach((reference, index) => {
      if (!tiles[index]) {
        tiles.push(make("li", { class: "lk-tile" }, make("img", { draggable: "false" })));
        find(".lk-strip-row").append(tiles[index]);
      }
      const image = tiles[index].firstChild;
      if (image.getAttribute("src") !== reference.src) image.src = reference.src;
      image.alt = reference.label;
      tiles[index].title = reference.label;
    });
  }

  function showFacts(facts) {
    find(".lk-facts").hidden = !facts;
    if (!facts) return;
    find(".lk-identity strong").textContent = facts.title;
    find(".lk-identity .lk-hint").textContent = facts.note;
    find(".lk-notes").replaceChildren(...facts.notes.map((text) => make("li", { text })));
    const link = find(".lk-download");
    link.classList.toggle("waiting", !facts.href);
    if (facts.href) link.href = facts.href;
    else link.removeAttribute("href");
    link.setAttribute("download", facts.name);
    link.title = facts.name;
    const lines = facts.made.flatMap(([term, text]) => [make("dt", { text: term }), make("dd", { text })]);
    find(".lk-made dl").replaceChildren(...lines);
  }

  return { drawStrip, showPhotos, showStrip, showFacts };
};
