// Where things lie in the viewer: plain numbers in, plain numbers out, so that all panes follow one and the same rule.
// `at` is the point of the picture, as a share of its sides, that lies in the middle of every pane; `scale` is CSS px
// for each px of the largest picture. A picture of another size is stretched to the same frame, so panes stay in step.
window.likeness.geometry = (() => {
  const LARGEST = 32;

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  // How many columns show `count` pictures largest, in a room of `wide` x `high`, and how large each pane is.
  function arranged(count, [wide, high], [width, height], gap) {
    let best = null;
    for (let columns = 1; columns <= count; columns += 1) {
      const rows = Math.ceil(count / columns);
      const pane = [(wide - gap * (columns - 1)) / columns, (high - gap * (rows - 1)) / rows];
      const scale = Math.min(pane[0] / width, pane[1] / height);
      if (!best || scale > best.scale * 1.001) best = { columns, rows, pane, scale };
    }
    return best;
  }

  const fitting = (pane, size) => Math.max(1e-6, Math.min(pane[0] / size[0], pane[1] / size[1]));

  // Twice a face's box shows hair and chin with some air round them.
  function closeTo(face, pane, size) {
    const [left, top, right, bottom] = face;
    const wide = pane[0] / ((right - left) * size[0] * 2);
    const high = pane[1] / ((bottom - top) * size[1] * 2);
    return Math.max(fitting(pane, size), Math.min(wide, high, LARGEST));
  }

  // No empty room where there is picture left to show.
  function inside(at, scale, pane, size) {
    return at.map((share, axis) => {
      const margin = Math.min(0.5, pane[axis] / 2 / (size[axis] * scale));
      return clamp(share, margin, 1 - margin);
    });
  }

  // The share of the picture that lies at a point of a pane, both from their upper left corner.
  const shareAt = (point, at, scale, pane, size) =>
    point.map((px, axis) => at[axis] + (px - pane[axis] / 2) / (size[axis] * scale));

  const pointOf = (share, at, scale, pane, size) =>
    share.map((part, axis) => pane[axis] / 2 + (part - at[axis]) * size[axis] * scale);

  // Zoomed to another scale, the point of the picture under `point` stays where it is.
  function zoomedAt(point, at, from, to, pane, size) {
    return at.map((share, axis) => share + ((point[axis] - pane[axis] / 2) / size[axis]) * (1 / from - 1 / to));
  }

  function transform(at, scale, pane, size) {
    const [left, top] = pointOf([0, 0], at, scale, pane, size);
    return "translate(" + left + "px, " + top + "px) scale(" + scale + ")";
  }

  // Both eyes as a place, a distance and a direction, in px of a picture of `size`.
  function gaze(eyes, size) {
    const [left, right] = eyes.map((eye) => [eye[0] * size[0], eye[1] * size[1]]);
    const across = [right[0] - left[0], right[1] - left[1]];
    return {
      middle: [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2],
      apart: Math.max(1e-6, Math.hypot(...across)),
      turn: Math.atan2(across[1], across[0]),
    };
  }

  // Half the eyes' distance below them, in their distances.
  function middleOfFace({ turn }) {
    return [-0.5 * Math.sin(turn), 0.5 * Math.cos(turn)];
  }

  // How a reference is laid into its tile: eyes as far apart as in the panes, turned like them, at the same place of the
  // face; never smaller than the whole crop, and with the whole photo in view never so large that an eye is cut off.
  function beside(reference, eyes, view, tile) {
    const here = gaze(eyes, view.size);
    const there = gaze(reference.eyes, reference.size);
    const least = tile / Math.min(...reference.size);
    const wanted = (here.apart * view.scale) / there.apart;
    const most = (0.5 * tile) / there.apart;
    const held = !view.close && wanted > most;
    const scale = Math.max(least, held ? most : wanted);
    const off = held ? middleOfFace(here) : view.at.map((share, axis) => (share * view.size[axis] - here.middle[axis]) / here.apart);
    const turn = here.turn;
    const u = [
      clamp(off[0] * Math.cos(turn) + off[1] * Math.sin(turn), -1.4, 1.4),
      clamp(off[1] * Math.cos(turn) - off[0] * Math.sin(turn), -1.4, 1.8),
    ];
    const c = Math.cos(there.turn);
    const s = Math.sin(there.turn);
    const centre = [
      there.middle[0] + (u[0] * c - u[1] * s) * there.apart,
      there.middle[1] + (u[1] * c + u[0] * s) * there.apart,
    ];
    const at = inside(centre.map((px, axis) => px / reference.size[axis]), scale, [tile, tile], reference.size);
    return { at, scale, how: held ? "smaller" : wanted < least ? "larger" : "same" };
  }

  return { LARGEST, clamp, arranged, fitting, closeTo, inside, shareAt, pointOf, zoomedAt, transform, beside };
})();
