// The brush: where it went, the photo stays as it was. Strokes are kept in px of the photo, so that zoom, output scale and
// screen do not matter to them; what they do to the picture is computed by the engine and comes back as the result.
window.likeness.brush = ({ element, canvas, view, photo, shownPlaces, draw, use, left }) => {
  const { geometry } = window.likeness;
  const paint = element.querySelector(".lk-paint");
  const ring = element.querySelector(".lk-brush");
  const bar = element.querySelector(".lk-painting");
  const slider = bar.querySelector("input");
  const help = bar.querySelector("p");
  const TINT = { keep: "#2f7df6", guard: "#e8590c", erase: "#000000" };
  const SMALLEST = 0.01;
  const LARGEST = 0.4;
  let strokes = [];
  let on = false;
  let of = null;
  let how = "keep";
  let now = null;
  let face = 100;
  let cursor = null;

  // From a hundredth of the face's width to most of it, each step as much larger as the one before.
  const radius = () => Math.max(0.5, face * SMALLEST * (LARGEST / SMALLEST) ** (Number(slider.value) / Number(slider.max)));
  const toPhoto = (share) => share.map((part, axis) => Math.round(part * photo()[axis] * 10) / 10);

  function begin(known, id, box) {
    strokes = known.map((stroke) => ({ ...stroke, points: stroke.points.map((point) => [...point]) }));
    of = id;
    on = true;
    face = box ? Math.max(8, (box[2] - box[0]) * photo()[0]) : photo()[0] / 4;
    cursor = box ? [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] : [0.5, 0.5];
    choose(how);
    lay();
  }

  function end() {
    if (!on) return;
    on = false;
    now = null;
    lay();
  }

  function choose(name) {
    how = name;
    for (const button of bar.querySelectorAll("[data-brush]")) {
      button.setAttribute("aria-pressed", String(button.dataset.brush === how));
      if (button.dataset.brush === how) help.textContent = button.title;
    }
    ring.dataset.how = how;
  }

  function down(share) {
    now = { how, radius: Math.round(radius() * 10) / 10, points: [toPhoto(share)] };
    cursor = share;
    draw();
  }

  function move(share) {
    if (!now) return;
    const point = toPhoto(share);
    const last = now.points[now.points.length - 1];
    // Nearer than that makes no other line.
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < Math.max(0.5, now.radius / 6)) return;
    now.points.push(point);
    draw();
  }

  function up() {
    if (!now) return;
    strokes.push(now);
    now = null;
    told();
  }

  function drop() {
    now = null;
    draw();
  }

  function told() {
    use(strokes);
    draw();
  }

  function undo() {
    if (!strokes.length) return;
    strokes.pop();
    told();
  }

  function clear() {
    if (!strokes.length) return;
    strokes = [];
    told();
  }

  function dab() {
    down(cursor);
    up();
  }

  function nudge([x, y], far) {
    const step = radius() * (far ? 3 : 0.5);
    cursor = cursor.map((at, axis) => geometry.clamp(at + ([x, y][axis] * step) / photo()[axis], 0, 1));
    lay();
    showRing(geometry.pointOf(cursor, view().at, view().scale, view().pane, view().size), shownPlaces()[0]);
  }

  function hover(event, share) {
    if (!on) return;
    const frame = canvas.getBoundingClientRect();
    const over = !event.target.closest(".lk-painting, .lk-handle");
    cursor = share;
    if (over) showRing([event.clientX - frame.left, event.clientY - frame.top], [0, 0]);
    else away();
  }

  function showRing(point, place) {
    // A px of the picture on the screen, of which the photo may have fewer.
    const across = 2 * radius() * view().scale * (view().size[0] / photo()[0]);
    ring.hidden = !on;
    Object.assign(ring.style, { width: across + "px", height: across + "px" });
    ring.style.transform = "translate(" + (place[0] + point[0] - across / 2) + "px, " + (place[1] + point[1] - across / 2) + "px)";
  }

  function away() {
    ring.hidden = true;
  }

  function sizeBy(by) {
    slider.value = String(Number(slider.value) + by);
    const { at, scale, pane, size } = view();
    showRing(geometry.pointOf(cursor, at, scale, pane, size), shownPlaces()[0]);
  }

  function line(pen, stroke) {
    pen.globalCompositeOperation = stroke.how === "erase" ? "destination-out" : "source-over";
    pen.strokeStyle = pen.fillStyle = TINT[stroke.how];
    pen.lineWidth = 2 * stroke.radius;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    const [first, ...rest] = stroke.points;
    if (!rest.length) {
      pen.arc(first[0], first[1], stroke.radius, 0, 7);
      pen.fill();
      return;
    }
    pen.moveTo(...first);
    for (const point of rest) pen.lineTo(...point);
    pen.stroke();
  }

  // What was painted is tinted in every pane, lightly, so that what it does can be judged at the same time.
  function lay() {
    canvas.classList.toggle("painting", on);
    bar.hidden = paint.hidden = !on;
    if (!on) {
      ring.hidden = true;
      return;
    }
    bar.querySelector("[data-paint=undo]").disabled = bar.querySelector("[data-paint=clear]").disabled = !strokes.length;
    const dense = window.devicePixelRatio || 1;
    const room = [canvas.clientWidth, canvas.clientHeight];
    if (paint.width !== Math.round(room[0] * dense) || paint.height !== Math.round(room[1] * dense)) {
      paint.width = Math.round(room[0] * dense);
      paint.height = Math.round(room[1] * dense);
    }
    const pen = paint.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalCompositeOperation = "source-over";
    pen.clearRect(0, 0, paint.width, paint.height);
    const { at, scale, pane, size } = view();
    const [left_, top] = geometry.pointOf([0, 0], at, scale, pane, size);
    const each = scale * (size[0] / photo()[0]);
    for (const [x, y] of shownPlaces()) {
      pen.save();
      pen.setTransform(dense, 0, 0, dense, x * dense, y * dense);
      pen.beginPath();
      pen.rect(0, 0, ...pane);
      pen.clip();
      pen.transform(each, 0, 0, each, left_, top);
      for (const stroke of now ? [...strokes, now] : strokes) line(pen, stroke);
      pen.restore();
    }
  }

  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-brush], [data-paint]");
    if (!button) return;
    const { brush, paint: does } = button.dataset;
    if (brush) choose(brush);
    else if (does === "undo") undo();
    else if (does === "clear") clear();
    else {
      end();
      left();
    }
  });
  slider.addEventListener("input", () => sizeBy(0));

  return { begin, end, down, move, up, drop, undo, dab, nudge, hover, away, sizeBy, lay, on: () => on, paintedOn: () => of };
};
