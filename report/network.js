// mnist/network.py in JavaScript, for a single image: forward to the ten outputs, backward to what each pixel did.
"use strict";

const sigmoid = (z) => (1 + Math.tanh(z / 2)) / 2;

// Each function beside its derivative, as in mnist/activations.py.
const ACTIVATIONS = {
  relu: { value: (z) => Math.max(z, 0), derivative: (z) => (z > 0 ? 1 : 0) },
  tanh: { value: Math.tanh, derivative: (z, a) => 1 - a * a },
  sigmoid: { value: sigmoid, derivative: (z, a) => a * (1 - a) },
};
// It differs from the sigmoid in how it was trained; what it computes is the same.
ACTIVATIONS.sigmoid_rounded_derivative = ACTIVATIONS.sigmoid;

function softmax(z) {
  const largest = Math.max(...z);
  const powers = z.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

class Network {
  // `data`: what mnist/report.py writes.
  constructor(data) {
    this.activation = ACTIVATIONS[data.activation];
    this.output = data.output === "softmax" ? softmax : (z) => z.map(ACTIVATIONS[data.output].value);
    // One number for all pixels, or one for each.
    this.offset = floats(data.offset);
    this.scale = floats(data.scale);
    this.layers = data.layers.map(({ inputs, outputs, weights, biases }) => ({
      inputs,
      outputs,
      weights: floats(weights), // row by row: that of an input to all outputs of the layer
      biases: biases === null ? new Float32Array(outputs) : floats(biases),
    }));
  }

  // What every layer computes for 784 pixels 0..255: first { a } of the normalised input, last { z, a } of the outputs.
  forward(pixels) {
    let a = Float64Array.from(pixels, (pixel, index) => (pixel - at(this.offset, index)) * at(this.scale, index));
    const computed = [{ z: a, a }];
    this.layers.forEach(({ inputs, outputs, weights, biases }, index) => {
      const z = Float64Array.from(biases);
      for (let i = 0; i < inputs; i++) {
        for (let j = 0; j < outputs; j++) z[j] += a[i] * weights[i * outputs + j];
      }
      a = index === this.layers.length - 1 ? this.output(z) : z.map(this.activation.value);
      computed.push({ z, a });
    });
    return computed;
  }

  // How much each pixel's ink speaks for a digit, or, below 0, against it: what it adds to the digit's z, compared with
  // the mean z of all ten, if the network were as steep everywhere as it is here (input times gradient).
  contributions(pixels, digit) {
    const computed = this.forward(pixels);
    let delta = new Float64Array(10).fill(-1 / 10);
    delta[digit] += 1;
    for (let index = this.layers.length - 1; index >= 0; index--) {
      const { inputs, outputs, weights } = this.layers[index];
      const { z, a } = computed[index];
      const back = new Float64Array(inputs);
      for (let i = 0; i < inputs; i++) {
        for (let j = 0; j < outputs; j++) back[i] += weights[i * outputs + j] * delta[j];
        if (index > 0) back[i] *= this.activation.derivative(z[i], a[i]);
      }
      delta = back;
    }
    return delta.map((gradient, index) => gradient * pixels[index] * at(this.scale, index));
  }
}

function at(values, index) {
  return values[values.length === 1 ? 0 : index];
}

// From base64 to bytes, and to the 32-bit floats that they are.
function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function floats(text) {
  return new Float32Array(bytes(text).buffer);
}
