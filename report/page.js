// The page at work: it takes a drawing, shows the network's answer to it, and shows the digits of a cell.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const PEN = 16; // of the sheet's 280 pixels: as thick in the end as the strokes of MNIST
const IMAGES = bytes(DATA.examples.images);
const DARK = matchMedia("(prefers-color-scheme: dark)");

const element = (id) => document.getElementById(id);
const NAMES = DATA.names; // of the classes
const withArticle = (digit) => `${/^[aeiou8]/i.test(NAMES[digit]) ? "an" : "a"} ${NAMES[digit]}`;
const examplesOf = (actual, predicted) => DATA.examples.actual.flatMap((value, index) =>
  value === actual && DATA.examples.predicted[index] === predicted ? [index] : []);
const exampleImage = (index) => IMAGES.subarray(index * SIDE * SIDE, (index + 1) * SIDE * SIDE);

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// --- Small pictures

// Paint 28 x 28 pixels; `colour` gives red, green, blue for the number of a pixel.
function paint(canvas, colour) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  for (let index = 0; index < SIDE * SIDE; index++) pixels.data.set([...colour(index), 255], 4 * index);
  context.putImageData(pixels, 0, 0);
}

function tile(label) {
  const canvas = make("canvas", { className: "tile", width: SIDE, height: SIDE });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

let printing = false;
const isDark = () => DARK.matches && !printing;

// Ink is dark on light paper, and light on dark paper.
const grey = (pixel) => Array(3).fill(isDark() ? 20 + pixel * 0.9 : 255 - pixel * 0.9);
const paintDigit = (canvas, image) => paint(canvas, (index) => grey(image[index]));

// Red for, blue against, `strength` from -1 to 1, on the colour of the paper.
function twoColours(strength) {
  const paper = isDark() ? [20, 23, 28] : [255, 255, 255];
  const full = isDark()
    ? (strength > 0 ? [255, 110, 100] : [100, 160, 255])
    : (strength > 0 ? [198, 24, 24] : [16, 72, 190]);
  return paper.map((value, channel) => value + (full[channel] - value) * Math.abs(strength));
}

// Every canvas keeps the function that paints it: it is painted again when light turns to dark, and for paper.
function painted(canvas, repaint) {
  canvas.repaint = repaint;
  repaint();
}
function repaintAll() {
  document.querySelectorAll("canvas").forEach((canvas) => canvas.repaint?.());
}
DARK.addEventListener("change", repaintAll);
addEventListener("beforeprint", () => { printing = true; repaintAll(); });
addEventListener("afterprint", () => { printing = false; repaintAll(); });

// --- Drawing

function setUpDrawing(network) {
  const sheet = element("sheet");
  const context = sheet.getContext("2d", { willReadFrequently: true });
  let strokes = []; // each a list of points
  let image = null; // the 28 x 28 pixels that the network gets, drawn or chosen
  let chosen = null; // the digit whose reasons are shown; null: the most likely one
  let due = false;

  const bars = Array.from({ length: NAMES.length }, (_, digit) => {
    const bar = make("span", { className: "bar" });
    const value = make("span", { className: "value" });
    const button = make("button", { type: "button" },
      make("span", {}, NAMES[digit]), make("span", { className: "track" }, bar), value);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      chosen = chosen === digit ? null : digit;
      show();
    });
    element("bars").append(make("li", {}, button));
    return { bar, value, button };
  });

  // The sheet's own pixels, however large it is on the screen.
  function point(event) {
    const place = sheet.getBoundingClientRect();
    return [
      (event.clientX - place.left) / place.width * sheet.width,
      (event.clientY - place.top) / place.height * sheet.height,
    ];
  }

  function drawStrokes(on, colour) {
    on.strokeStyle = colour;
    on.lineWidth = PEN;
    on.lineCap = on.lineJoin = "round";
    for (const stroke of strokes) {
      on.beginPath();
      const [[x, y], ...rest] = stroke;
      on.moveTo(x, y);
      on.lineTo(x + 0.01, y); // a dot, if no other point follows: a line of no length leaves no ink
      rest.forEach((next) => on.lineTo(...next));
      on.stroke();
    }
  }

  function redraw() {
    context.clearRect(0, 0, sheet.width, sheet.height);
    drawStrokes(context, getComputedStyle(sheet).color);
  }

  function read() {
    due = false;
    redraw();
    const { data } = context.getImageData(0, 0, sheet.width, sheet.height);
    const ink = new Float64Array(sheet.width * sheet.height);
    for (let index = 0; index < ink.length; index++) ink[index] = data[4 * index + 3] / 255; // how opaque it is
    image = placeDigit(ink, sheet.height, sheet.width);
    show();
  }

  // Screen readers announce the answer once a stroke has ended, not at every point of it.
  const announce = () => { element("announced").textContent = element("verdict").textContent; };

  // At most once for each picture on the screen, however fast the pen is.
  function readSoon() {
    if (!due) requestAnimationFrame(read);
    due = true;
  }

  function show() {
    const outputs = image === null ? new Float64Array(NAMES.length) : network.outputs(image);
    const best = image === null ? -1 : outputs.indexOf(Math.max(...outputs));
    const shown = chosen ?? best;
    bars.forEach(({ bar, value, button }, digit) => {
      const percent = 100 * outputs[digit];
      bar.style.width = `${Math.min(Math.max(percent, 0), 100)}%`;
      value.textContent = image === null ? "" : `${percent.toFixed(1)}%`;
      button.classList.toggle("best", digit === best);
      button.setAttribute("aria-pressed", String(digit === shown));
    });
    if (image === null) {
      paintDigit(element("seen"), new Uint8Array(SIDE * SIDE));
      paint(element("reasons"), () => twoColours(0));
    } else {
      paintDigit(element("seen"), image);
      const contributions = network.contributions(image, shown);
      const largest = Math.max(...contributions.map(Math.abs)) || 1;
      // Fainter than in proportion, or one pixel would outshine the others.
      paint(element("reasons"), (index) =>
        twoColours(Math.sign(contributions[index]) * Math.sqrt(Math.abs(contributions[index]) / largest)));
    }
    element("seen").setAttribute("aria-label", image === null ? "Nothing is drawn yet" : "The digit, as the network gets it");
    element("reasons").setAttribute("aria-label",
      image === null ? "Nothing is drawn yet" : `The digit: ink that speaks for and against ${withArticle(shown)}, in two colours`);
    element("reasons-digit").textContent = shown < 0 ? "a class" : withArticle(shown);
    element("verdict").textContent = image === null
      ? element("verdict").dataset.invitation
      : `The network reads ${withArticle(best)} (${(100 * outputs[best]).toFixed(1)}%).`;
    for (const id of ["undo", "clear", "save"]) element(id).disabled = strokes.length === 0;
  }

  sheet.addEventListener("pointerdown", (event) => {
    // A second finger, or the hand that rests on the sheet, draws nothing.
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    sheet.setPointerCapture(event.pointerId);
    chosen = null;
    strokes.push([point(event)]);
    readSoon();
  });
  sheet.addEventListener("pointermove", (event) => {
    // A browser captures a touch unasked.
    if (!event.isPrimary || !sheet.hasPointerCapture(event.pointerId)) return;
    // Some browsers lack it, and all lack it on a page from a plain http address.
    const passed = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).push(...(passed.length ? passed : [event]).map(point));
    readSoon();
  });

  sheet.addEventListener("lostpointercapture", () => { read(); announce(); });

  function keep(strokesKept) {
    strokes = strokesKept;
    chosen = null;
    read();
    announce();
  }
  element("undo").addEventListener("click", () => keep(strokes.slice(0, -1)));
  element("clear").addEventListener("click", () => keep([]));
  element("save").addEventListener("click", () => {
    const paper = make("canvas", { width: sheet.width, height: sheet.height });
    const on = paper.getContext("2d");
    on.fillStyle = "white";
    on.fillRect(0, 0, paper.width, paper.height);
    drawStrokes(on, "black");
    paper.toBlob((blob) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: "digit.png" });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });

  for (let digit = 0; digit < NAMES.length; digit++) {
    const right = examplesOf(digit, digit);
    if (right.length === 0) continue;
    let next = 0;
    const canvas = tile(`Take ${withArticle(digit)}`);
    painted(canvas, () => paintDigit(canvas, exampleImage(right[next])));
    const button = make("button", { type: "button" }, canvas);
    button.addEventListener("click", () => {
      strokes = [];
      chosen = null;
      redraw();
      image = exampleImage(right[next]);
      next = (next + 1) % right.length;
      paintDigit(canvas, exampleImage(right[next]));
      show();
      announce();
    });
    element("samples").append(button);
  }
  painted(sheet, () => { redraw(); show(); });
  element("drawing").hidden = false;
}

// --- Digits of the test set

function exampleFigure(index) {
  const { number, actual, predicted, output, output_of_actual: missed } = DATA.examples;
  const right = actual[index] === predicted[index];
  const canvas = tile(`Test image ${number[index]}, ${withArticle(actual[index])}`);
  painted(canvas, () => paintDigit(canvas, exampleImage(index)));
  const caption = make("figcaption", {}, make("strong", {}, right ? NAMES[actual[index]] : `${NAMES[actual[index]]}, not ${NAMES[predicted[index]]}`));
  const percents = (right ? [output] : [output, missed]).map((values) => (100 * values[index]).toFixed(1));
  caption.append(make("br"), `${percents.join(" : ")}%`);
  return make("figure", {}, canvas, caption);
}

function showCell(button) {
  const [actual, predicted] = [Number(button.dataset.actual), Number(button.dataset.predicted)];
  const found = examplesOf(actual, predicted);
  const count = Number(button.textContent);
  for (const other of document.querySelectorAll("#confusion button")) other.setAttribute("aria-pressed", String(other === button));
  const answer = actual === predicted ? "correctly" : `as ${withArticle(predicted)}`;
  element("cell-title").textContent = `The ${NAMES[actual]}, read ${answer} ${count === 1 ? "once" : `${count} times`}`
    + (found.length < count ? `; ${found.length} of them shown` : "");
  element("cell-digits").replaceChildren(...found.map(exampleFigure));
  element("cell").hidden = false;
}

// --- The page

if (DATA.network !== null) setUpDrawing(new Network(DATA.network));

element("confusion").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) showCell(button);
});

element("mistakes")?.append(...DATA.mistakes.map((number) => exampleFigure(DATA.examples.number.indexOf(number))));

const strengths = new Int8Array(bytes(DATA.firstLayer).buffer);
for (let unit = 0; unit < strengths.length / (SIDE * SIDE); unit++) {
  const canvas = make("canvas", { className: "tile", width: SIDE, height: SIDE });
  painted(canvas, () => paint(canvas, (index) => twoColours(strengths[unit * SIDE * SIDE + index] / 127)));
  element("layer").append(canvas);
}

drawCurves(element("loss-chart"), DATA.history, "loss", ".3f");
drawCurves(element("accuracy-chart"), DATA.history, "accuracy", ".2%");
