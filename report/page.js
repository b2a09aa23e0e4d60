// The page at work: it shows the network's answer to a digit, explains it, and shows the digits of a cell.
"use strict";

const element = (id) => document.getElementById(id);
const DATA = JSON.parse(element("data").textContent);
const { names: NAMES, examples: EXAMPLES } = DATA; // the names of the classes; test images with what was read
const DARK = matchMedia("(prefers-color-scheme: dark)");

const withArticle = (digit) => article(NAMES[digit]);
const examplesOf = (actual, predicted) =>
  EXAMPLES.filter((example) => example.actual === actual && example.predicted === predicted);

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

function tile(label, image) {
  const canvas = make("canvas", { className: "tile", width: SIDE, height: SIDE });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  paintAlways(canvas, () => paintDigit(canvas, image));
  return canvas;
}

const tileButton = (label, image, onclick) => make("button", { type: "button", onclick }, tile(label, image));

let printing = false;
const isDark = () => DARK.matches && !printing;

// Ink is dark on light paper, and light on dark paper.
const paper = () => (isDark() ? [20, 23, 28] : [255, 255, 255]);
const grey = (pixel) => paper().map((value) => value + ((isDark() ? 250 : 25) - value) * pixel / 255);
const paintDigit = (canvas, image) => paint(canvas, (index) => grey(image[index]));

// Red for, blue against, `strength` from -1 to 1, on the colour of the paper.
function twoColours(strength) {
  const full = isDark()
    ? (strength > 0 ? [255, 110, 100] : [100, 160, 255])
    : (strength > 0 ? [198, 24, 24] : [16, 72, 190]);
  return paper().map((value, channel) => value + (full[channel] - value) * Math.abs(strength));
}

// Ink that a change keeps is grey, ink that it erases (`difference` above 0) red, ink that it adds blue.
function inked(pixel, difference) {
  const coloured = twoColours(difference / 255), blank = paper();
  return grey(pixel).map((value, channel) => value + (coloured[channel] - blank[channel]) * (1 - pixel / 255));
}

// Every canvas keeps the function that paints it: it is painted again when light turns to dark, and for paper.
function paintAlways(canvas, repaint) {
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

// Returns the function that puts an example on the sheet.
function setUpDrawing(network, novelty, prototypes) {
  const bars = Array.from({ length: NAMES.length }, (_, digit) => {
    const bar = make("span", { className: "bar" });
    const value = make("span", { className: "value" });
    const button = make("button", { type: "button", onclick: () => explainAs({ rival: digit }) },
      make("span", {}, NAMES[digit]), make("span", { className: "track" }, bar), value);
    element("bars").append(make("li", {}, button));
    return { bar, value, button };
  });

  const pad = setUpPad(element("sheet"), (finished) => {
    show(finished);
    // Screen readers announce the answer once a stroke has ended, not at every point of it.
    if (finished) announce("verdict");
  });
  const announce = (id) => { element("announced").textContent = element(id).textContent; };

  // Explain another digit of the row, or compare with another class.
  function explainAs(choice) {
    Object.assign(pad.drawing, choice);
    show(true);
    announce("why-title");
  }

  function read(image) {
    const z = network.forward(image).at(-1);
    return { image, probabilities: network.probabilities(z), novelty: novelty.score(image, z) };
  }

  function show(finished) {
    const { whole, parts } = pad.inputs();
    const things = whole ? chooseThings(read(whole), parts.map(read)) : [];
    const part = Math.min(pad.drawing.part, things.length - 1);
    const thing = things[part]; // undefined without ink
    const [best, second] = thing ? ranked(thing) : [];
    const said = pad.drawing.rival; // what the digit is said to be
    const rival = said === null || said === best ? second : said;
    bars.forEach(({ bar, value, button }, digit) => {
      const probability = thing?.probabilities[digit] ?? 0;
      bar.style.width = `${100 * probability}%`;
      value.textContent = thing ? percent(probability, 1) : "";
      button.classList.toggle("best", digit === best);
      button.setAttribute("aria-pressed", String(digit === rival));
      button.disabled = !thing;
    });
    for (const id of ["verdict", "origin"]) element(id).textContent = element(id).dataset.invitation;
    if (thing) {
      element("verdict").textContent = sentence(describe(things, NAMES));
      element("origin").textContent = originOf(pad.drawing, looksKnown(thing));
    }
    if (!finished) return;
    element("parts").hidden = things.length < 2;
    element("part-buttons").replaceChildren(...things.map((other, place) => partButton(other, place, place === part)));
    for (const id of ["why", "to-why"]) element(id).hidden = !thing;
    if (thing) explain(thing.image, best, rival);
  }

  function partButton(thing, place, chosen) {
    const button = tileButton(`Explain number ${place + 1}, ${withArticle(ranked(thing)[0])}`, thing.image, () => {
      explainAs({ part: place, rival: null });
      element("part-buttons").children[place].focus(); // this button has been replaced
    });
    button.setAttribute("aria-pressed", String(chosen));
    return button;
  }

  function originOf({ example, strokes, rival }, known) {
    if (example !== null) {
      const { actual, number } = example;
      return `It is ${withArticle(actual)}: test image ${number}${strokes.length ? ", with your strokes" : ""}.`;
    }
    if (rival !== null) return `You say that it was ${withArticle(rival)}.`;
    return `${known ? "Was it another one?" : "The bars assume that it is one of these."} Choose what it was.`;
  }

  function explain(image, best, rival) {
    element("why-title").textContent = `Why ${withArticle(best)}, and not ${withArticle(rival)}?`;
    for (const text of document.querySelectorAll(".the-read")) text.textContent = withArticle(best);
    for (const text of document.querySelectorAll(".the-rival")) text.textContent = withArticle(rival);

    paintAlways(element("seen"), () => paintDigit(element("seen"), image));

    const contributions = network.contributions(image, best, rival);
    const strongest = Math.max(...contributions.map(Math.abs)) || 1;
    // Fainter than in proportion, or one pixel would outshine the others.
    paintAlways(element("reasons"), () => paint(element("reasons"), (index) =>
      twoColours(Math.sign(contributions[index]) * Math.sqrt(Math.abs(contributions[index]) / strongest))));

    const change = smallestChange(network, image, rival);
    element("changed").hidden = change === null;
    element("unchanged").hidden = change !== null;
    const after = change?.image ?? image;
    const inks = [[0, "for", "without the red ink"], [255, "against", "with the blue ink"]]
      .filter(([ink]) => change?.touches.some((touch) => touch.ink === ink))
      .map(([, className, text]) => make("span", { className }, text));
    element("change-ink").replaceChildren(...inks.flatMap((text, number) => (number ? [" and ", text] : [text])));
    paintAlways(element("change"), () => paint(element("change"), (index) =>
      inked(Math.min(image[index], after[index]), image[index] - after[index])));
    element("try").onclick = () => pad.put({ ...EMPTY, image: after });

    element("nearest").replaceChildren(...[[best, "for"], [rival, "against"]].map(([digit, className]) =>
      make("div", { className: "neighbours" }, make("span", { className }, NAMES[digit]),
        ...nearest(image, prototypes, digit, 3).map((found) => neighbourFigure(digit, found)))));
  }

  function sampleRow(row, choose, kind) {
    for (let digit = 0; digit < NAMES.length; digit++) {
      const samples = choose(digit);
      if (samples.length === 0) continue;
      const label = `Take ${withArticle(digit)}${kind}`;
      const button = tileButton(label, samples[0].image, () => {
        const taken = samples.shift();
        samples.push(taken);
        button.replaceChildren(tile(label, samples[0].image));
        open(taken);
      });
      row.append(button);
    }
  }

  const open = (example) => pad.put({ ...EMPTY, image: example.image, example, rival: example.actual });

  sampleRow(element("samples"), (digit) => examplesOf(digit, digit), "");
  sampleRow(element("hard-samples"), hardExamplesOf, " that is hard to read");
  paintAlways(element("sheet"), pad.redraw);
  show(true);
  element("drawing").hidden = false;
  return open;
}

// Examples of a class: first the misread ones, then those for which it is least probable.
function hardExamplesOf(digit) {
  return EXAMPLES.filter(({ actual }) => actual === digit)
    .sort((one, other) => one.probability_of_actual - other.probability_of_actual).slice(0, 6);
}

function neighbourFigure(digit, { image, distance }) {
  const label = `${withArticle(digit)} among the training images`;
  return make("figure", {}, tile(label, image), make("figcaption", {}, distance.toFixed(2)));
}

// --- Digits of the test set

// `open`: the function that puts an example on the sheet, or null where the page has no network.
function exampleFigure(example, open) {
  const { number, actual, predicted, probability, probability_of_actual: missed } = example;
  const label = `Test image ${number}, ${withArticle(actual)}`;
  const figure = (digit, value) => `${NAMES[digit]}:\u00a0${percent(value, 1)}`;
  const [title, figures] = actual === predicted
    ? [NAMES[actual], figure(actual, probability)]
    : [`${NAMES[actual]}, not ${NAMES[predicted]}`, `${figure(predicted, probability)}, ${figure(actual, missed)}`];
  const caption = make("figcaption", {}, make("strong", {}, title), make("br"), figures);
  if (!open) return make("figure", {}, tile(label, example.image), caption);
  const button = tileButton(`${label}: explain`, example.image, () => {
    open(example);
    // "Back" returns here, although the explanation has moved the image. Chromium returns only from another address.
    button.scrollIntoView({ block: "nearest" });
    history.pushState(null, "", `#image-${number}`);
    element("draw-title").focus({ preventScroll: true });
    element("draw").scrollIntoView();
  });
  return make("figure", {}, button, caption);
}

function showCell(button, open) {
  const [actual, predicted] = [Number(button.dataset.actual), Number(button.dataset.predicted)];
  const found = examplesOf(actual, predicted);
  const count = Number(button.textContent);
  for (const other of document.querySelectorAll("#confusion button")) other.setAttribute("aria-pressed", String(other === button));
  const answer = actual === predicted ? "correctly" : `as ${withArticle(predicted)}`;
  const times = (count === 1 ? "once" : `${count} times`) + (found.length < count ? `; ${found.length} of them shown` : "");
  element("cell-title").textContent = `The ${NAMES[actual]}, read ${answer} (${times})`;
  element("cell-digits").replaceChildren(...found.map((example) => exampleFigure(example, open)));
  element("cell").hidden = false;
}

// --- The page

async function setUpDigits() {
  const { network, novelty, prototypes } = DATA;
  (await decodeImages(DATA.example_images)).forEach((image, number) => { EXAMPLES[number].image = image; });
  prototypes.images = await decodeImages(prototypes.images);
  const open = network && setUpDrawing(new Network(network), new Novelty(novelty), prototypes);
  element("confusion").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) showCell(button, open);
  });
  element("mistakes")?.append(...DATA.mistakes.map((number) =>
    exampleFigure(EXAMPLES.find((example) => example.number === number), open)));
}

setUpDigits();

drawChart(element("loss-chart"), curves(DATA.history, "loss", ".3f"));
drawChart(element("accuracy-chart"), curves(DATA.history, "accuracy", ".2%"));
drawChart(element("reliability-chart"), reliability(DATA.reliability));
