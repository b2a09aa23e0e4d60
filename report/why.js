// Explains why a digit is read as one class and not as another: the nearest training digits, and the smallest change of
// ink that changes the answer.
"use strict";

// The `count` images of a class that are nearest to a digit, nearest first. The distance is Euclidean; pixels 0..255
// count as 0 to 1, so that one more pixel of full ink is a distance of 1.
function nearest(pixels, { images, labels }, digit, count) {
  return images
    .filter((_, number) => labels[number] === digit)
    .map((image) => ({
      image,
      distance: Math.sqrt(image.reduce((sum, pixel, index) => sum + ((pixel - pixels[index]) / 255) ** 2, 0)),
    }))
    .sort((one, other) => one.distance - other.distance)
    .slice(0, count);
}

// A touch of the brush: as wide as a stroke of MNIST, softer towards its corners.
const BRUSH = [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x) => [y * SIDE + x, [1, 0.9, 0.5][Math.abs(x) + Math.abs(y)]]));
const MOST_TOUCHES = 40;

// Return the touches that make the network read a digit as another class, and the image after them. Each touch draws
// (`ink` 255) or erases (0) at a pixel. Return null if MOST_TOUCHES touches are not enough.
//
// Each touch is the one that, by the gradient, most raises z of that class above the largest z. A touch draws only next
// to ink: a dot far from the digit would need less ink, but nobody writes like that. In the end, touches that were not
// needed are left out.
function smallestChange(network, pixels, digit) {
  const read = (image) => largest(network.forward(image).at(-1));
  let touches = [];
  let image = pixels;
  for (let top = read(image); top !== digit; top = read(image)) {
    if (touches.length === MOST_TOUCHES) return null;
    touches.push(bestTouch(image, network.gradient(image, digit, top)));
    image = touch(image, touches.at(-1));
  }
  for (const needless of [...touches]) {
    const fewer = touches.filter((other) => other !== needless);
    if (read(fewer.reduce(touch, pixels)) === digit) touches = fewer;
  }
  return { touches, image: touches.reduce(touch, pixels) };
}

function touch(pixels, { at, ink }) {
  const touched = Uint8ClampedArray.from(pixels);
  for (const [step, share] of BRUSH) touched[at + step] += share * (ink - touched[at + step]);
  return touched;
}

function bestTouch(pixels, gradient) {
  let best = { gain: -Infinity };
  for (let y = 1; y < SIDE - 1; y++) {
    for (let x = 1; x < SIDE - 1; x++) {
      const at = y * SIDE + x;
      let joins = false, full = 0, present = 0; // the gain of full ink under the brush, and of the present ink
      for (const [step, share] of BRUSH) {
        joins ||= pixels[at + step] >= 128;
        full += gradient[at + step] * share * 255;
        present += gradient[at + step] * share * pixels[at + step];
      }
      if (!joins) continue;
      for (const [ink, gain] of [[0, -present], [255, full - present]]) {
        if (gain > best.gain) best = { at, ink, gain };
      }
    }
  }
  return best;
}

const largest = (values) => values.indexOf(Math.max(...values));
