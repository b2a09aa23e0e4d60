// mnist/reading/pieces.py in JavaScript: splits a row of digits.
"use strict";

const SHARED = 0.5;
const LOW = 0.7;
const NEAR = 0.4;

// The ink of each digit in a row, left to right, in arrays as long as `ink`; none if the sheet has no ink.
function splitDigits(ink, height, width) {
  const labels = labelPieces(ink, height, width);
  const digits = joinPieces(labels, width);
  if (digits.length === 1) return [ink];
  return digits.map((digit) => {
    const own = new Float64Array(ink.length);
    for (let place = 0; place < ink.length; place++) {
      if (digit.pieces.has(labels[place])) spread(own, place);
    }
    return own;
  });

  // Copy a pixel, and the soft edge of the stroke around it.
  function spread(own, place) {
    own[place] = ink[place];
    const y = Math.floor(place / width), x = place % width;
    for (let row = Math.max(0, y - 2); row <= Math.min(height - 1, y + 2); row++) {
      for (let column = Math.max(0, x - 2); column <= Math.min(width - 1, x + 2); column++) {
        const near = row * width + column;
        if (labels[near] === 0) own[near] = ink[near];
      }
    }
  }
}

// Number the connected pieces of ink of 0.5 or more, diagonal neighbours included: 0 outside, then 1, 2, ...
function labelPieces(ink, height, width) {
  const labels = new Int32Array(ink.length);
  let count = 0;
  for (let first = 0; first < ink.length; first++) {
    if (ink[first] < 0.5 || labels[first] > 0) continue;
    labels[first] = ++count;
    const waiting = [first];
    while (waiting.length > 0) {
      const place = waiting.pop(), y = Math.floor(place / width), x = place % width;
      for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
        for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
          const near = row * width + column;
          if (ink[near] < 0.5 || labels[near] > 0) continue;
          labels[near] = count;
          waiting.push(near);
        }
      }
    }
  }
  return labels;
}

// Join the pieces that belong together, the closest ones first; return the digits, left to right.
function joinPieces(labels, width) {
  const digits = [];
  labels.forEach((label, place) => {
    if (label === 0) return;
    const y = Math.floor(place / width), x = place % width;
    const piece = { left: x, right: x + 1, top: y, bottom: y + 1, pieces: new Set([label]) };
    const digit = digits[label - 1];
    if (digit === undefined) digits[label - 1] = piece;
    else {
      digit.left = Math.min(digit.left, x);
      digit.right = Math.max(digit.right, x + 1);
      digit.bottom = y + 1;
    }
  });
  const tallest = Math.max(0, ...digits.map((digit) => digit.bottom - digit.top));
  for (;;) {
    digits.sort((a, b) => a.left - b.left || a.right - b.right || a.top - b.top || a.bottom - b.bottom);
    let closest = null;
    for (let place = 0; place + 1 < digits.length; place++) {
      const gap = digits[place + 1].left - digits[place].right;
      if (belongTogether(digits[place], digits[place + 1], tallest) && (closest === null || gap < closest.gap)) {
        closest = { gap, place };
      }
    }
    if (closest === null) return digits;
    digits.splice(closest.place, 2, joined(digits[closest.place], digits[closest.place + 1]));
  }
}

function joined(first, second) {
  return {
    left: Math.min(first.left, second.left),
    right: Math.max(first.right, second.right),
    top: Math.min(first.top, second.top),
    bottom: Math.max(first.bottom, second.bottom),
    pieces: new Set([...first.pieces, ...second.pieces]),
  };
}

function belongTogether(first, second, tallest) {
  const gap = second.left - first.right;
  const narrower = Math.min(first.right - first.left, second.right - second.left);
  const lower = Math.min(first.bottom - first.top, second.bottom - second.top);
  return -gap >= SHARED * narrower || Math.max(gap, 0) * lower < NEAR * tallest * (LOW * tallest - lower);
}
