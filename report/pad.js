// The sheet: records strokes of a mouse, a finger or a pen, on paper or over an image; undo, redo, clear, save.
"use strict";

const PEN = 16; // in pixels of the sheet, which is 280 wide: after scaling, strokes are as thick as MNIST's

// The content of the sheet: strokes (each a list of points) over an image (28 x 28 pixels 0..255) or over paper; the
// test image that it is; which digit of a row to explain; and the class to compare it with, if it is known.
const EMPTY = { strokes: [], image: null, example: null, part: 0, rival: null };

// Calls `changed(finished)` after each change; `finished` is false while the user draws a stroke. Returns a pad with
// `drawing`, the content of the sheet; `put`, which replaces it and can be undone; `inputs`, what the network reads; and
// `redraw`.
function setUpPad(sheet, changed) {
  const context = sheet.getContext("2d", { willReadFrequently: true });
  const history = [EMPTY];
  let now = 0; // the position in the history
  let stroke = null; // the stroke that the user is drawing
  let due = false;

  const pad = {
    get drawing() { return history[now]; },
    put(drawing, finished = true) {
      history.splice(now + 1, Infinity, drawing);
      go(now + 1, finished);
    },
    redraw() {
      context.clearRect(0, 0, sheet.width, sheet.height);
      paintDrawing(context, getComputedStyle(sheet).color);
    },
    // The whole sheet, null without ink, and the digits of a row: 28 x 28 pixels each.
    inputs() {
      const { height, width } = sheet, ink = inkOnSheet();
      if (pad.drawing.image) return { whole: shrink(ink, width), parts: [] };
      const parts = splitDigits(ink, height, width).map((part) => placeDigit(part, height, width));
      return { whole: placeDigit(ink, height, width), parts };
    },
  };

  // Return the opacity of each pixel: 0 paper to 1 ink.
  function inkOnSheet() {
    const { data } = context.getImageData(0, 0, sheet.width, sheet.height);
    return Float64Array.from({ length: sheet.width * sheet.height }, (_, index) => data[4 * index + 3] / 255);
  }

  function go(place, finished = true) {
    now = place;
    update(finished);
  }

  function update(finished) {
    due = false;
    pad.redraw();
    element("undo").disabled = now === 0;
    element("redo").disabled = now === history.length - 1;
    for (const id of ["clear", "save"]) element(id).disabled = isEmpty(pad.drawing);
    changed(finished);
  }

  // At most once for each frame on the screen, even if the pen is faster.
  function updateSoon() {
    if (!due) requestAnimationFrame(() => due && update(false));
    due = true;
  }

  const isEmpty = ({ strokes, image }) => strokes.length === 0 && image === null;
  const undo = () => { if (now > 0) go(now - 1); };
  const redo = () => { if (now < history.length - 1) go(now + 1); };

  function paintDrawing(on, colour) {
    if (pad.drawing.image) on.drawImage(opaque(pad.drawing.image, colour), 0, 0, sheet.width, sheet.height);
    on.strokeStyle = colour;
    on.lineWidth = PEN;
    on.lineCap = on.lineJoin = "round";
    for (const [[x, y], ...rest] of pad.drawing.strokes) {
      on.beginPath();
      on.moveTo(x, y);
      on.lineTo(x + 0.01, y); // a stroke of one point is a dot, but a line of length 0 leaves no ink
      rest.forEach((next) => on.lineTo(...next));
      on.stroke();
    }
  }

  // In pixels of the sheet, whatever its size on the screen is.
  function point(event) {
    const place = sheet.getBoundingClientRect();
    return [
      (event.clientX - place.left) / place.width * sheet.width,
      (event.clientY - place.top) / place.height * sheet.height,
    ];
  }

  sheet.addEventListener("pointerdown", (event) => {
    // A second finger, or the hand that rests on the sheet, draws nothing.
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    sheet.setPointerCapture(event.pointerId);
    stroke = [point(event)];
    pad.put({ ...pad.drawing, strokes: [...pad.drawing.strokes, stroke] }, false);
  });
  sheet.addEventListener("pointermove", (event) => {
    // A browser captures a touch by itself.
    if (!event.isPrimary || !sheet.hasPointerCapture(event.pointerId)) return;
    // Some browsers lack this function, and all lack it on a page from a plain http address.
    const passed = event.getCoalescedEvents?.() ?? [];
    stroke.push(...(passed.length ? passed : [event]).map(point));
    updateSoon();
  });
  sheet.addEventListener("lostpointercapture", () => update(true));

  element("undo").addEventListener("click", undo);
  element("redo").addEventListener("click", redo);
  element("clear").addEventListener("click", () => pad.put(EMPTY));
  addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const redoes = event.ctrlKey && key === "y";
    if (event.altKey || !(redoes || ((event.ctrlKey || event.metaKey) && key === "z"))) return;
    event.preventDefault();
    if (redoes || event.shiftKey) redo(); else undo();
  });
  element("save").addEventListener("click", () => {
    const paper = make("canvas", { width: sheet.width, height: sheet.height });
    const on = paper.getContext("2d");
    on.fillStyle = "white";
    on.fillRect(0, 0, paper.width, paper.height);
    on.imageSmoothingEnabled = false;
    paintDrawing(on, "black");
    paper.toBlob((blob) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: "digit.png" });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });

  context.imageSmoothingEnabled = false;
  return pad;
}

// An image of one colour; the ink of each pixel decides its opacity.
function opaque(image, colour) {
  const canvas = make("canvas", { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  image.forEach((pixel, index) => { pixels.data[4 * index + 3] = pixel; });
  context.putImageData(pixels, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, SIDE, SIDE);
  return canvas;
}

// From the ink on a square sheet, 0 to 1, to 28 x 28 pixels 0..255, without moving it.
function shrink(ink, width) {
  const cell = width / SIDE;
  const sums = new Float64Array(SIDE * SIDE);
  ink.forEach((value, index) => {
    sums[Math.floor(index / width / cell) * SIDE + Math.floor((index % width) / cell)] += value;
  });
  return Uint8Array.from(sums, (sum) => Math.floor(255 * sum / (cell * cell) + 0.5));
}
