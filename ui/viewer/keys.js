// Single keys work anywhere on the page while the viewer is to be seen, but not where somebody types or where a control
// has its own use for them.
window.likeness.keys = ({ element, canvas, sheet, any, typing, marking, brush, held, close, act }) => {
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const KEYS = {
    ...{ s: () => act.turnTo("split"), g: () => act.turnTo("side"), o: () => act.turnTo("one"), t: act.turnLine },
    ...{ b: act.blink, d: () => act.difference(), "[": () => bracket(-1), "]": () => bracket(1), l: act.lens },
    ...{ z: act.flipZoom, 0: () => act.zoomTo("fit"), e: () => act.zoomTo("face"), "+": () => act.zoomBy(1.25) },
    ...{ "=": () => act.zoomBy(1.25), "-": () => act.zoomBy(0.8), f: () => act.whole(), x: act.swap, r: act.strip },
    ...{ p: () => act.mark(), k: () => act.paint(), u: act.doubt, PageDown: () => act.step(1), PageUp: () => act.step(-1) },
  };

  const seen = () => element.isConnected && element.getClientRects().length > 0;
  const modal = () => [...document.querySelectorAll("dialog[open]")].some((dialog) => dialog !== sheet);
  const owns = (target) => !!target.closest && !!target.closest("button, a, summary, [role=slider], [role=tab], input");

  const bracket = (by) => (brush.on() ? brush.sizeBy(by) : act.gainBy(by));

  function escape(event) {
    if (marking.on()) act.mark(false);
    else if (brush.on()) act.paint(false);
    else if (act.lensOn()) act.lens();
    else if (act.isWhole()) act.whole(false);
    else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", (event) => {
    if (brush.on() && seen() && !typing() && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      brush.undo();
      return;
    }
    if (!seen() || event.ctrlKey || event.metaKey || event.altKey || typing() || modal()) return;
    if (event.key === "?") {
      event.preventDefault();
      act.help();
      return;
    }
    if (sheet.open || !any()) return;
    const digit = /^Digit([1-6])$/.exec(event.code) || /^([1-6])$/.exec(event.key);
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.key === "Escape") {
      escape(event);
    } else if (digit) {
      act.pick(Number(digit[1]) - 1, event.shiftKey);
    } else if (event.key === " " && !owns(event.target)) {
      event.preventDefault();
      held(true);
    } else if (brush.on() && event.target === canvas && (ARROWS[event.key] || event.key === "Enter")) {
      if (event.key === "Enter") brush.dab();
      else brush.nudge(ARROWS[event.key], event.shiftKey);
      event.preventDefault();
    } else if (ARROWS[event.key] && (event.target === canvas || event.target === document.body)) {
      arrow(event);
    } else if (KEYS[key] && (!event.repeat || "+=-[]".includes(key))) {
      event.preventDefault();
      KEYS[key]();
    }
  });

  // A close picture is moved; with the whole one in view, left and right go from photo to photo.
  function arrow(event) {
    const step = ARROWS[event.key];
    if (!close() && !act.lensOn()) {
      if (!step[0]) return;
      act.step(step[0]);
    } else {
      act.nudge(step);
    }
    event.preventDefault();
  }

  document.addEventListener("keyup", (event) => {
    if (event.key === " ") held(false);
  });
  window.addEventListener("blur", () => held(false));
};
