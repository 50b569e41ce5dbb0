// What a mouse, a pen or fingers do on the canvas: the wheel and two fingers zoom, one moves a close picture or the line
// of the split, a double click goes to actual pixels at that place and back.
window.likeness.pointers = ({ canvas, any, view, marking, brush, act }) => {
  const down = new Map();
  let drag = null;
  let pinch = null;

  // A point of the canvas as the pane under it has it.
  function inPane(event) {
    const { places, pane } = view();
    const frame = canvas.getBoundingClientRect();
    const at = [event.clientX - frame.left, event.clientY - frame.top];
    const hit = places.find(([left, top]) => at[0] < left + pane[0] && at[1] < top + pane[1]) || places[places.length - 1];
    return { point: [at[0] - hit[0], at[1] - hit[1]], number: places.indexOf(hit) };
  }

  const shareAt = (event) => {
    const { at, scale, pane, size } = view();
    return window.likeness.geometry.shareAt(inPane(event).point, at, scale, pane, size);
  };

  function lineAt(event) {
    const frame = canvas.getBoundingClientRect();
    const down_ = view().line === "down";
    act.splitTo(down_ ? (event.clientY - frame.top) / frame.height : (event.clientX - frame.left) / frame.width);
  }

  function fingers() {
    const [a, b] = [...down.values()];
    return { apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), middle: { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 } };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!any() || event.button !== 0 || event.target.closest(".lk-box, .lk-marking, .lk-painting")) return;
    down.set(event.pointerId, event);
    if (down.size === 2) {
      drag = null;
      brush.drop();
      pinch = { ...fingers(), scale: view().scale };
      return;
    }
    // With Shift a close picture is moved, as without the brush.
    if (brush.on() && !event.shiftKey && !event.target.closest(".lk-handle")) {
      drag = { paints: true };
      canvas.setPointerCapture(event.pointerId);
      brush.down(shareAt(event));
      return;
    }
    const point = event.target.closest(".lk-point");
    if (marking.on() && point) {
      drag = { point: Number(point.dataset.point) };
      canvas.setPointerCapture(event.pointerId);
      point.focus();
      event.preventDefault();
      return;
    }
    if (marking.add(shareAt(event))) {
      act.draw();
      return;
    }
    const { close, splits, scale, size, at } = view();
    const moves = !event.target.closest(".lk-handle") && close;
    if (!moves && !splits) {
      drag = { picks: inPane(event).number };
      return;
    }
    drag = { moves, x: event.clientX, y: event.clientY, at: [...at], scale, size, picks: moves ? inPane(event).number : -1 };
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.toggle("grabbed", moves);
    if (!moves) lineAt(event);
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!any()) return;
    act.lookAt(shareAt(event));
    if (down.has(event.pointerId)) down.set(event.pointerId, event);
    if (pinch && down.size === 2) {
      const now = fingers();
      act.zoomAt(inPane(now.middle).point, (pinch.scale * now.apart) / Math.max(1, pinch.apart));
      act.panBy(now.middle.clientX - pinch.middle.clientX, now.middle.clientY - pinch.middle.clientY);
      pinch.middle = now.middle;
      return;
    }
    brush.hover(event, shareAt(event));
    if (!drag) return;
    if (drag.paints) {
      for (const each of event.getCoalescedEvents && event.getCoalescedEvents().length ? event.getCoalescedEvents() : [event]) brush.move(shareAt(each));
      return;
    }
    if (drag.point !== undefined) {
      marking.move(drag.point, shareAt(event));
      act.draw();
    } else if (drag.moves) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3) drag.picks = -1;
      act.moveTo([
        drag.at[0] - (event.clientX - drag.x) / (drag.size[0] * drag.scale),
        drag.at[1] - (event.clientY - drag.y) / (drag.size[1] * drag.scale),
      ]);
    } else if (drag.picks === undefined || drag.picks < 0) {
      lineAt(event);
    }
  });

  canvas.addEventListener("pointerup", (event) => {
    if (drag && drag.paints) brush.up();
    if (drag && drag.picks >= 0 && down.has(event.pointerId)) act.pickPlace(drag.picks);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      down.delete(event.pointerId);
      if (down.size < 2) pinch = null;
      drag = null;
      canvas.classList.remove("grabbed");
    });
  }

  canvas.addEventListener("pointerleave", () => brush.away());

  // At the whole picture a wheel turned outwards is left to the page.
  canvas.addEventListener(
    "wheel",
    (event) => {
      const { close, scale } = view();
      if (!any() || (!close && event.deltaY > 0 && !event.ctrlKey && !event.metaKey)) return;
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 24 : 1;
      act.zoomAt(inPane(event).point, scale * Math.exp(-event.deltaY * lines * 0.0022));
    },
    { passive: false },
  );

  canvas.addEventListener("dblclick", (event) => {
    if (any() && !marking.on() && !brush.on() && !event.target.closest(".lk-handle, .lk-box, .lk-marking")) act.flipZoom(inPane(event).point);
  });
};
