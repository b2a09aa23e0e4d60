// mnist/novelty.py and mnist/data/edges.py in JavaScript: how little an image looks like the training images.
"use strict";

const DIRECTIONS = 4, CELLS = 6;

// Row c has the weights of a line of pixels in the mean of cell c.
const POOL = Array.from({ length: CELLS }, (_, cell) => {
  const middle = (cell + 0.5) * SIDE / CELLS - 0.5;
  const row = Array.from({ length: SIDE }, (__, place) => Math.exp(-(((place - middle) / 2.6) ** 2) / 2));
  const sum = row.reduce((total, weight) => total + weight, 0);
  return row.map((weight) => weight / sum);
});

// The square root of the mean of `values` in each cell, 6 x 6 numbers of 28 x 28.
function poolCells(values) {
  const found = new Float64Array(CELLS * CELLS);
  for (let row = 0; row < CELLS; row++) {
    for (let column = 0; column < CELLS; column++) {
      let sum = 0;
      for (let y = 0; y < SIDE; y++) {
        for (let x = 0; x < SIDE; x++) sum += POOL[row][y] * POOL[column][x] * values[y * SIDE + x];
      }
      found[row * CELLS + column] = Math.sqrt(sum);
    }
  }
  return found;
}

// The features of 784 pixels 0..255: ink and edges in four directions, by cell.
function edges(pixels) {
  const ink = Float64Array.from(pixels, (pixel) => pixel / 255);
  const at = (y, x) => (y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : ink[y * SIDE + x]);
  const across = new Float64Array(SIDE * SIDE), down = new Float64Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (const [step, weight] of [[-1, 1], [0, 2], [1, 1]]) {
        across[y * SIDE + x] += weight * (at(y + step, x + 1) - at(y + step, x - 1));
        down[y * SIDE + x] += weight * (at(y + 1, x + step) - at(y - 1, x + step));
      }
    }
  }
  const features = [...poolCells(ink)];
  for (let number = 0; number < DIRECTIONS; number++) {
    const angle = Math.PI * number / DIRECTIONS;
    const slope = across.map((value, place) => Math.abs(Math.cos(angle) * value + Math.sin(angle) * down[place]));
    features.push(...poolCells(slope));
  }
  return features;
}

class Novelty {
  // `data`: what `encode_novelty` in report/page.py returns.
  constructor(data) {
    this.network = new Network(data.network);
    [this.means, this.axes, this.rest] = [data.means, data.axes, data.rest].map(floats);
    [this.factors, this.constant] = [data.factors, data.constant];
  }

  // The score of 784 pixels 0..255 whose `z` the network of the report has computed.
  score(pixels, z) {
    const features = edges(pixels);
    const squares = Array.from(this.rest, (_, number) => this.square(features, number));
    const nearest = Math.sqrt(Math.max(0, Math.min(...squares)));
    const measures = [-Math.max(...z), -Math.max(...this.network.forward(features).at(-1)), nearest];
    return measures.reduce((sum, measure, place) => sum + this.factors[place] * measure, this.constant);
  }

  // The squared distance to a class.
  square(features, number) {
    const count = features.length, axes = this.axes.length / this.means.length;
    const away = features.map((value, place) => value - this.means[number * count + place]);
    let square = this.rest[number] * away.reduce((sum, value) => sum + value * value, 0);
    for (let axis = number * axes; axis < (number + 1) * axes; axis++) {
      square -= away.reduce((sum, value, place) => sum + value * this.axes[axis * count + place], 0) ** 2;
    }
    return square;
  }
}
