// mnist/reading/ink.py in JavaScript: from the ink on a canvas to 28 x 28 pixels as MNIST's makers made them.
"use strict";

const SIDE = 28;
const BOX = 20;
const CENTRE = 14;

// Scale a digit into a box of 20 x 20 and put its centre of mass in the middle of 28 x 28.
// `ink`: height * width numbers, 0 paper to 1 ink. Returns 784 pixels 0..255, or null without ink.
function placeDigit(ink, height, width) {
  const box = inkedBox(ink, height, width);
  if (box === null) return null;
  const scale = Math.max(box.height, box.width) / BOX;
  const newHeight = Math.max(1, Math.floor(box.height / scale + 0.5));
  const newWidth = Math.max(1, Math.floor(box.width / scale + 0.5));

  // First along the rows, then along the columns.
  const narrow = new Float64Array(box.height * newWidth);
  windows(box.width, newWidth).forEach((window, x) => {
    for (let y = 0; y < box.height; y++) {
      const row = (box.top + y) * width + box.left;
      for (const [pixel, share] of window) narrow[y * newWidth + x] += share * ink[row + pixel];
    }
  });
  const small = new Float64Array(newHeight * newWidth);
  windows(box.height, newHeight).forEach((window, y) => {
    for (let x = 0; x < newWidth; x++) {
      for (const [pixel, share] of window) small[y * newWidth + x] += share * narrow[pixel * newWidth + x];
    }
  });

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

// The smallest box around all ink of 0.5 or more.
function inkedBox(ink, height, width) {
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
  return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

// For each of `count` new pixels, the old ones under its window with their shares of the mean. The window is as wide as
// a new pixel, but no narrower than an old one.
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

// Where a digit of this many pixels begins so that its centre of mass is in the middle.
function corner(centre, length) {
  return Math.min(Math.max(Math.floor(CENTRE - centre + 0.5), 0), SIDE - length);
}
