// mnist/answer.py in JavaScript: the words for what the network reads. A thing: { probabilities, novelty }.
"use strict";

const KNOWN = 1;
const SURE = 0.9, LIKELY = 0.5, POSSIBLE = 0.05, MOST = 0.999;
const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

const looksKnown = (thing) => thing.novelty <= KNOWN;

// The whole or, where that looks unknown and some of its parts do not, the parts.
function chooseThings(whole, parts) {
  return parts.length > 1 && !looksKnown(whole) && parts.some(looksKnown) ? parts : [whole];
}

// In words what `things` are, left to right; `names` are those of the classes.
function describe(things, names) {
  if (things.length === 1) return describeOne(things[0], names);
  const best = (thing) => names[ranked(thing)[0]];
  const phrases = things.map((thing) =>
    looksKnown(thing) ? share(thing, ranked(thing)[0], names) : `one that does not look like ${kind(names)}`);
  const listed = `${phrases.slice(0, -1).join(", ")} and ${phrases.at(-1)}`;
  if (things.every((thing) => looksKnown(thing) && [...best(thing)].length === 1)) {
    return `${things.map(best).join("")}: ${listed}`;
  }
  return `there are ${NUMBERS[things.length] ?? things.length} things here: ${listed}`;
}

function describeOne(thing, names) {
  const [first, second] = ranked(thing);
  const { probabilities } = thing;
  if (!looksKnown(thing)) return `this does not look like ${kind(names)}; the nearest is ${article(names[first])}`;
  if (probabilities[first] >= SURE) return share(thing, first, names);
  const hedge = probabilities[first] >= LIKELY ? "I think" : "perhaps";
  const other = probabilities[second] >= POSSIBLE ? `; or ${share(thing, second, names)}` : "";
  return `${article(names[first])}, ${hedge} (${percent(probabilities[first])})${other}`;
}

const share = (thing, number, names) => `${article(names[number])} (${percent(thing.probabilities[number])})`;

// The classes, the most probable first.
const ranked = ({ probabilities }) =>
  Array.from(probabilities.keys()).sort((one, other) => probabilities[other] - probabilities[one]);

const kind = (names) =>
  names.every((name) => /^\p{Nd}+$/u.test(name)) ? "a digit" : "anything that the network has learnt";

const percent = (probability, decimals = probability >= SURE ? 1 : 0) =>
  `${(100 * Math.min(probability, MOST)).toFixed(decimals)}%`;

// The name of a class with "a" or "an", as it is spoken: an 8, an F, an ankle boot.
function article(name) {
  const vowel = name === "11" || name === "18"
    || (/^\p{L}$/u.test(name) ? /^[AEFHILMNORSX]$/i.test(name) : /^[aeiou8]/i.test(name));
  return `${vowel ? "an" : "a"} ${name}`;
}

// The words as a sentence of their own.
const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;
