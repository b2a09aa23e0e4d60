// Draws the charts of the page with Vega-Lite. The colours come from the style sheet, so that they follow light and dark.
"use strict";

const CHART_STYLE = {
  background: null,
  view: { stroke: null },
  font: "system-ui, sans-serif",
  axis: {
    labelColor: "var(--text)", titleColor: "var(--text)", gridColor: "var(--line)", domainColor: "var(--quiet)",
    tickColor: "var(--quiet)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
  },
  legend: { labelColor: "var(--text)", labelFontSize: 13 },
};

// The colours of two sets, and their legend.
function colours(sets, symbol = {}) {
  const scale = { domain: sets, range: ["var(--training)", "var(--validation)"] };
  return { field: "set", scale, legend: { orient: "top", title: null, ...symbol } };
}

function curves(history, figure, format) {
  const values = history.flatMap((row) => ["train", "validation"]
    .map((set) => ({ epoch: row.epoch, set: set === "train" ? "training" : set, value: row[`${set}_${figure}`] }))
    .filter(({ value }) => value !== null));
  const x = { field: "epoch", type: "quantitative", title: "epoch", axis: { tickMinStep: 1, grid: false, labelFlush: false }, scale: { nice: false } };
  const y = { field: "value", type: "quantitative", title: null, scale: { zero: false }, axis: { format: format.replace(/[f%]/, "~$&"), tickCount: 5 } };
  const color = colours(["training", "validation"], { symbolType: "stroke", symbolStrokeWidth: 3 });
  const nearest = { param: "hover", empty: false };
  return {
    height: 220,
    data: { values },
    description: `${figure}: a line for training and a line for validation; the table below has the figures`,
    layer: [
      { mark: { type: "line", strokeWidth: 2 }, encoding: { x, y, color } },
      {
        transform: [{ pivot: "set", value: "value", groupby: ["epoch"] }],
        mark: { type: "rule", color: "var(--quiet)" },
        encoding: {
          x,
          opacity: { condition: { ...nearest, value: 0.6 }, value: 0 },
          tooltip: [
            { field: "epoch", type: "quantitative" },
            { field: "training", type: "quantitative", format },
            { field: "validation", type: "quantitative", format },
          ].filter(({ field }) => field === "epoch" || values.some(({ set }) => set === field)),
        },
        params: [{ name: "hover", select: { type: "point", fields: ["epoch"], nearest: true, on: "pointerover", clear: "pointerout" } }],
      },
      {
        mark: { type: "point", filled: true, size: 60 },
        encoding: { x, y, color, opacity: { condition: { ...nearest, value: 1 }, value: 0 } },
      },
    ],
  };
}

// A dot for each bin of confidence, before and after the temperature; on the diagonal, confidence and accuracy agree.
function reliability(bins) {
  const values = bins.map((bin) => ({ ...bin, set: bin.calibrated ? "after the temperature" : "before" }));
  const scale = { domain: [0, 1] };
  const x = { field: "confidence", type: "quantitative", title: "confidence", scale, axis: { format: "~%", tickCount: 5 } };
  const y = { field: "accuracy", type: "quantitative", title: "accuracy", scale, axis: { format: "~%", tickCount: 5 } };
  const color = colours(["before", "after the temperature"]);
  return {
    height: 260,
    data: { values },
    description: "accuracy by confidence: a dot for each of up to 15 intervals of confidence, before and after the temperature",
    layer: [
      {
        data: { values: [{ confidence: 0, accuracy: 0 }, { confidence: 1, accuracy: 1 }] },
        mark: { type: "line", color: "var(--quiet)", strokeDash: [4, 4] },
        encoding: { x, y },
      },
      {
        mark: { type: "point", filled: true, opacity: 0.8 },
        encoding: {
          x, y, color,
          size: { field: "images", type: "quantitative", scale: { type: "log", range: [20, 300] }, legend: null },
          tooltip: [
            { field: "confidence", type: "quantitative", format: ".1%" },
            { field: "accuracy", type: "quantitative", format: ".1%" },
            { field: "images", type: "quantitative", format: "," },
          ],
        },
      },
    ],
  };
}

function drawChart(element, specification) {
  // `ast`: Vega interprets expressions, because the page forbids code that is made from text.
  return vegaEmbed(element, { width: "container", ...specification, config: CHART_STYLE }, {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    tooltip: { disableDefaultStyle: true, theme: "page" },
  });
}
