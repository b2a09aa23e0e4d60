// The curves of training, drawn by Vega-Lite; colours come from the style sheet, so that they follow light and dark.
"use strict";

function curves(history, figure, format) {
  const values = history.flatMap((row) => ["train", "validation"]
    .map((set) => ({ epoch: row.epoch, set: set === "train" ? "training" : set, value: row[`${set}_${figure}`] }))
    .filter(({ value }) => value !== null));
  const x = { field: "epoch", type: "quantitative", title: "epoch", axis: { tickMinStep: 1, grid: false, labelFlush: false }, scale: { nice: false } };
  const y = { field: "value", type: "quantitative", title: null, scale: { zero: false }, axis: { format: format.replace(/[f%]/, "~$&"), tickCount: 5 } };
  const color = {
    field: "set",
    scale: { domain: ["training", "validation"], range: ["var(--training)", "var(--validation)"] },
    legend: { orient: "top", title: null, symbolType: "stroke", symbolStrokeWidth: 3 },
  };
  const nearest = { param: "hover", empty: false };
  return {
    width: "container",
    height: 220,
    data: { values },
    description: `${figure}: a line for training, one for validation; the table below has the figures`,
    layer: [
      { mark: { type: "line", strokeWidth: 2, interpolate: "linear" }, encoding: { x, y, color } },
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
    config: {
      background: null,
      view: { stroke: null },
      font: "system-ui, sans-serif",
      axis: {
        labelColor: "var(--text)", titleColor: "var(--text)", gridColor: "var(--line)", domainColor: "var(--quiet)",
        tickColor: "var(--quiet)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
      },
      legend: { labelColor: "var(--text)", labelFontSize: 13 },
    },
  };
}

function drawCurves(element, history, figure, format) {
  // `ast`: expressions are interpreted; the page forbids code that is made from text.
  return vegaEmbed(element, curves(history, figure, format), {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    tooltip: { disableDefaultStyle: true, theme: "page" },
  });
}
