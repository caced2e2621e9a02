// A chart over days. It is for the eye: the same figures are in a table beside it.
import { html } from "html";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { formatNumber, language } from "../i18n.js";
import { theme } from "../store.js";
import { d } from "./components.js";

/**
 * @typedef {{label: string, values: (number | null)[], color?: string}} Line   `color`: the name of one in tokens.css
 * @typedef {(value: number | null) => string} Format
 */

const COLORS = ["--accent", "--sun", "--warn", "--good", "--bad", "--soft"];
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4], [6, 6], [1, 6]];
const DAY_S = 86400;
const HEIGHT_PX = 240;
/** Up to so many days each value gets a dot. */
const MAX_DOTS = 14;

const dayFormat = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" });
/** @param {number} seconds */
const shortDay = (seconds) => dayFormat.format(seconds * 1000);
/** @param {number | null} value */
const shortNumber = (value) => (value === null ? "–" : formatNumber(value, { maximumFractionDigits: 3 }));

/** Every day from first to last, in Unix seconds. @param {string} first @param {string} last @returns {number[]} */
export function listDays(first, last) {
  const found = [];
  for (let at = Date.parse(first) / 1000; at <= Date.parse(last) / 1000; at += DAY_S) found.push(at);
  return found;
}

/** "2026-01-31" @param {number} seconds */
export const isoDay = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

/** @param {string} name */
const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @param {Line} line
 * @param {number} index
 * @param {boolean} bars
 * @param {number} count
 * @param {Format} format
 * @returns {uPlot.Series}
 */
function lineSeries({ label, color: name }, index, bars, count, format) {
  const color = cssColor(name ?? COLORS[index % COLORS.length]);
  const common = {
    label,
    stroke: color,
    value: (/** @type {any} */ _, /** @type {any} */ value) => format(value),
  };
  if (bars)
    return {
      ...common,
      width: 0,
      fill: color,
      paths: uPlot.paths.bars?.({ size: [0.7, 40] }),
      points: { show: false },
    };
  const points = { show: count < MAX_DOTS, size: 5 };
  return { ...common, width: 2, dash: DASHES[index % DASHES.length], points };
}

/** @param {Format} format @returns {uPlot.Axis[]} */
function chartAxes(format) {
  const stroke = { stroke: cssColor("--line"), width: 1 };
  const axis = { stroke: cssColor("--soft"), grid: stroke, ticks: stroke };
  return [
    { ...axis, values: (_, splits) => splits.map((at) => (at % DAY_S ? "" : shortDay(at))), space: 60 },
    { ...axis, size: 56, values: (_, splits) => splits.map(format) },
  ];
}

/**
 * @param {HTMLElement} box
 * @param {number[]} days
 * @param {Line[]} lines
 * @param {boolean} bars
 * @param {Format} format
 */
function drawChart(box, days, lines, bars, format) {
  /** @type {uPlot.Series} */
  const daySeries = { label: d("columns.day"), value: (_, at) => (at ? shortDay(at) : "–") };
  return new uPlot(
    {
      width: box.clientWidth || 300,
      height: HEIGHT_PX,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      scales: {
        // Half a day more at either end: a bar stands around its day.
        x: { time: true, range: (_plot, low, high) => [low - DAY_S / 2, high + DAY_S / 2] },
        y: { range: (_plot, low, high) => [Math.min(0, low * 1.1), high > 0 ? high * 1.1 : 1] },
      },
      axes: chartAxes(format),
      series: [daySeries, ...lines.map((line, index) => lineSeries(line, index, bars, days.length, format))],
    },
    [days, ...lines.map((line) => line.values)],
    box,
  );
}

/**
 * @param {{days: number[], lines: Line[], label: string, bars?: boolean, format?: Format}} props days in Unix seconds
 */
export function Chart({ days, lines, label, bars = false, format = shortNumber }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const data = JSON.stringify([days, lines]);
  useEffect(() => {
    const container = box.current;
    if (!container) return undefined;
    let chart = drawChart(container, days, lines, bars, format);
    const redraw = () => {
      chart.destroy();
      chart = drawChart(container, days, lines, bars, format);
    };
    const resize = new ResizeObserver(() => chart.setSize({ width: container.clientWidth, height: HEIGHT_PX }));
    resize.observe(container);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    return () => {
      dark.removeEventListener("change", redraw);
      resize.disconnect();
      chart.destroy();
    };
  }, [data, theme.value, bars]);
  return html`
    <figure class="plot">
      <figcaption class="label">${label}</figcaption>
      <div ref=${box} aria-hidden="true"></div>
    </figure>
  `;
}
