// Marking a face by hand: both eyes and the mouth, clicked in the order that the words ask for, then moved by hand or key.
window.likeness.marking = ({ element, words, canvas, view, draw, use }) => {
  const { make, geometry } = window.likeness;
  const PLACES = ["left", "right", "mouth"];
  const dots = element.querySelector(".lk-marks");
  const bar = element.querySelector(".lk-marking");
  let points = null;
  let size = [1, 1];

  const on = () => points !== null;
  const complete = () => on() && points.length === PLACES.length;
  const within = (point) => point.map((px, axis) => geometry.clamp(px, 0, size[axis] - 1));

  // The points are in px of the photo, which `view` knows only as shares of its sides.
  const toPhoto = (share) => within(share.map((part, axis) => part * size[axis]));
  const toShare = (point) => point.map((px, axis) => px / size[axis]);

  function begin(marks, photo) {
    size = photo;
    points = marks.map((point) => [...point]);
    lay();
  }

  function end() {
    points = null;
    lay();
  }

  function add(share) {
    if (!on() || complete()) return false;
    points.push(toPhoto(share));
    lay();
    return true;
  }

  function move(index, share) {
    points[index] = toPhoto(share);
  }

  function lay() {
    dots.hidden = !on();
    bar.hidden = !on();
    canvas.classList.toggle("marking", on() && !complete());
    if (!on()) {
      dots.replaceChildren();
      return;
    }
    bar.querySelector("p").textContent = complete() ? words.mark_move : words["mark_" + PLACES[points.length]];
    bar.querySelector("[data-mark=use]").disabled = !complete();
    while (dots.children.length > points.length) dots.lastChild.remove();
    const { at, scale, pane, size: whole } = view();
    points.forEach((point, index) => {
      if (!dots.children[index]) dots.append(dotOf(index));
      const [x, y] = geometry.pointOf(toShare(point), at, scale, pane, whole);
      dots.children[index].style.transform = "translate(" + x + "px, " + y + "px)";
    });
  }

  function dotOf(index) {
    const name = words["mark_is_" + PLACES[index]];
    const fields = { type: "button", class: "lk-point", "data-point": String(index), "aria-label": name, title: name };
    return make("button", { ...fields, onkeydown: (event) => nudge(event, index) });
  }

  function nudge(event, index) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const { scale, size: whole } = view();
    const far = event.shiftKey ? 10 : 1;
    points[index] = within(points[index].map((px, axis) => px + (step[axis] * far * size[axis]) / (scale * whole[axis])));
    draw();
  }

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-mark]");
    if (!button) return;
    if (button.dataset.mark === "again") {
      points = [];
      lay(); // at once: a click before the next frame must not meet the marks of before
      use("again");
    } else {
      const given = points;
      end();
      use(button.dataset.mark, given);
    }
  });

  return { begin, end, add, move, lay, on, complete };
};
