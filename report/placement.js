// mnist/reading/placement.py in JavaScript: turns the ink on a canvas into 28 x 28 pixels, as MNIST's makers did.
"use strict";

const SIDE = 28;
const BOX = 20;
const CENTRE = 14;

// The widest strokes that are not thinned, in pixels of the box, and the pixels of the finer box in one such pixel.
const WIDEST = 3.5;
const FINE = 5;

// Scale a digit into a box of 20 x 20, and put its centre of mass in the middle of 28 x 28. Strokes that are far thicker
// than MNIST's are thinned first.
// `ink`: height * width numbers, 0 paper to 1 ink. Returns 784 pixels 0..255, or null without ink.
function placeDigit(ink, height, width) {
  const box = crop({ ink, height, width });
  const thinned = box && thinStrokes(box);
  if (!thinned) return null;
  const { ink: small, height: newHeight, width: newWidth } = scaled(thinned, BOX);

  let mass = 0, down = 0, right = 0, strongest = 0;
  small.forEach((value, index) => {
    mass += value;
    down += value * Math.floor(index / newWidth);
    right += value * (index % newWidth);
    strongest = Math.max(strongest, value);
  });
  const top = corner(down / mass, newHeight);
  const left = corner(right / mass, newWidth);
  const digit = new Uint8Array(SIDE * SIDE);
  small.forEach((value, index) => {
    const place = (top + Math.floor(index / newWidth)) * SIDE + left + (index % newWidth);
    digit[place] = Math.floor(255 * value / strongest + 0.5);
  });
  return digit;
}

// A digit that fills its box, with strokes no thicker than those of nine in ten of MNIST's: grey erosion by a cross
// repeatedly removes a pixel of a finer box from each edge.
function thinStrokes(box) {
  let fine = scaled(box, BOX * FINE);
  if (strokeWidth(fine) <= WIDEST * FINE) return box;
  const { height, width } = fine;
  while (strokeWidth(fine) > WIDEST * FINE) {
    const { ink } = fine;
    const eroded = ink.map((value, index) => {
      const x = index % width, y = Math.floor(index / width);
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) return 0;
      return Math.min(value, ink[index - width], ink[index + width], ink[index - 1], ink[index + 1]);
    });
    fine = { ink: eroded, height, width };
  }
  return crop(fine);
}

// The mean width of strokes: twice their area divided by the length of their outline, which is pi / 4 times the steps
// along all rows and columns.
function strokeWidth({ ink, height, width }) {
  let area = 0, steps = 0;
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const at = (row, column) =>
        row < 0 || column < 0 || row === height || column === width ? 0 : ink[row * width + column];
      const value = at(y, x);
      area += value;
      steps += Math.abs(value - at(y - 1, x)) + Math.abs(value - at(y, x - 1));
    }
  }
  return 2 * area / (Math.PI / 4 * steps);
}

// The smallest box around all ink of 0.5 or more, or null if there is none.
function crop({ ink, height, width }) {
  let top = height, bottom = -1, left = width, right = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink[y * width + x] < 0.5) continue;
      top = Math.min(top, y);
      bottom = y;
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
  }
  if (bottom < 0) return null;
  const box = { height: bottom - top + 1, width: right - left + 1 };
  box.ink = Float64Array.from({ length: box.height * box.width }, (_, index) =>
    ink[(top + Math.floor(index / box.width)) * width + left + (index % box.width)]);
  return box;
}

// Scale a box until its longer side has this many pixels: first along the rows, then along the columns.
function scaled({ ink, height, width }, longer) {
  const scale = Math.max(height, width) / longer;
  const newHeight = Math.max(1, Math.floor(height / scale + 0.5));
  const newWidth = Math.max(1, Math.floor(width / scale + 0.5));
  const narrow = new Float64Array(height * newWidth);
  windows(width, newWidth).forEach((window, x) => {
    for (let y = 0; y < height; y++) {
      for (const [pixel, share] of window) narrow[y * newWidth + x] += share * ink[y * width + pixel];
    }
  });
  const small = new Float64Array(newHeight * newWidth);
  windows(height, newHeight).forEach((window, y) => {
    for (let x = 0; x < newWidth; x++) {
      for (const [pixel, share] of window) small[y * newWidth + x] += share * narrow[pixel * newWidth + x];
    }
  });
  return { ink: small, height: newHeight, width: newWidth };
}

// For each of `count` new pixels, the old pixels under its window, with their weights in the mean. The window is as wide
// as a new pixel, but at least as wide as an old one.
function windows(length, count) {
  const width = Math.max(1, length / count);
  return Array.from({ length: count }, (_, index) => {
    const first = (index + 0.5) * length / count - width / 2;
    const shares = [];
    for (let pixel = Math.max(0, Math.floor(first)); pixel < Math.min(length, first + width); pixel++) {
      const overlap = Math.min(first + width, pixel + 1) - Math.max(first, pixel);
      if (overlap > 0) shares.push([pixel, overlap / width]);
    }
    return shares;
  });
}

// The first row or column of a digit that puts its centre of mass in the middle.
function corner(centre, length) {
  return Math.min(Math.max(Math.floor(CENTRE - centre + 0.5), 0), SIDE - length);
}
