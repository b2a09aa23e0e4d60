// mnist/nn/network.py in JavaScript, for a single image: forward to the outputs, backward to each pixel's contribution.
"use strict";

// Each function with its derivative, which is computed from the activation `a`, as in mnist/nn/activations.py.
const ACTIVATIONS = {
  relu: { value: (z) => Math.max(z, 0), derivative: (a) => (a > 0 ? 1 : 0) },
  tanh: { value: Math.tanh, derivative: (a) => 1 - a * a },
  sigmoid: { value: (z) => (1 + Math.tanh(z / 2)) / 2, derivative: (a) => a * (1 - a) },
};

function softmax(z) {
  const largest = Math.max(...z);
  const powers = z.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

class Network {
  // `data`: what `encode_network` in report/page.py returns.
  constructor(data) {
    this.activation = ACTIVATIONS[data.activation];
    this.output = data.output === "softmax" ? softmax : (z) => z.map(ACTIVATIONS[data.output].value);
    this.offset = data.offset;
    this.scale = data.scale;
    this.temperature = data.temperature;
    this.layers = data.weights.map((weights, index) => ({
      inputs: data.sizes[index],
      outputs: data.sizes[index + 1],
      weights: floats(weights), // row by row: the weights from an input to all outputs of the layer
      biases: data.biases.length ? floats(data.biases[index]) : new Float32Array(data.sizes[index + 1]),
    }));
  }

  // The outputs for 784 pixels 0..255.
  outputs(pixels) {
    return this.output(this.forward(pixels).at(-1));
  }

  // The calibrated probability of each class for the last layer's `z`, as in mnist/calibration.py.
  probabilities(z) {
    return softmax(z.map((value) => value / this.temperature));
  }

  // The normalised pixels, the activations of the hidden layers, and the last layer's pre-activation `z`.
  forward(pixels) {
    const activations = [Float64Array.from(pixels, (pixel) => (pixel - this.offset) * this.scale)];
    for (const { inputs, outputs, weights, biases } of this.layers) {
      const a = activations.at(-1);
      const z = Float64Array.from(biases);
      for (let i = 0; i < inputs; i++) {
        if (a[i] === 0) continue; // for paper, and for half of the relu units
        for (let j = 0; j < outputs; j++) z[j] += a[i] * weights[i * outputs + j];
      }
      activations.push(activations.length < this.layers.length ? z.map(this.activation.value) : z);
    }
    return activations;
  }

  // How much the ink of each pixel speaks for a digit and against its rival: input times gradient, which is the pixel's
  // part in the difference of their z if the gradient is the same everywhere.
  contributions(pixels, digit, rival) {
    return this.gradient(pixels, digit, rival).map((slope, index) => slope * pixels[index]);
  }

  // The gradient of z of a digit minus z of its rival with respect to each pixel 0..255.
  gradient(pixels, digit, rival) {
    const activations = this.forward(pixels);
    let delta = new Float64Array(this.layers.at(-1).outputs);
    delta[digit] += 1;
    delta[rival] -= 1;
    for (let index = this.layers.length - 1; index >= 0; index--) {
      const { inputs, outputs, weights } = this.layers[index];
      const back = new Float64Array(inputs);
      for (let i = 0; i < inputs; i++) {
        for (let j = 0; j < outputs; j++) back[i] += weights[i * outputs + j] * delta[j];
        if (index > 0) back[i] *= this.activation.derivative(activations[index][i]);
      }
      delta = back;
    }
    return delta.map((slope) => slope * this.scale);
  }
}

// Decode base64: as bytes, as 32-bit floats, and as images of 784 pixels that Python compressed with zlib.
function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

async function decodeImages(text) {
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const pixels = new Uint8Array(await new Response(stream).arrayBuffer());
  return Array.from({ length: pixels.length / SIDE ** 2 }, (_, number) =>
    pixels.subarray(number * SIDE ** 2, (number + 1) * SIDE ** 2));
}
