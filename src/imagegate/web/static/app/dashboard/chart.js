// A plot over days. It is for the eye: the same figures stand in a table beside it.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { html } from "html";
import { language } from "../i18n.js";
import { theme } from "../store.js";
import { d } from "./parts.js";

/** @typedef {{label: string, values: (number | null)[]}} Line */

const INKS = ["--accent", "--sun", "--warn", "--good", "--bad", "--soft"];
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4], [6, 6], [1, 6]];
const DAY_S = 86400;

/** @param {string} name */
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const short = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" });
const figure = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });

/** Every day from first to last, Unix seconds. @param {string} first @param {string} last @returns {number[]} */
export function days(first, last) {
  const found = [];
  for (let at = Date.parse(first) / 1000; at <= Date.parse(last) / 1000; at += DAY_S) found.push(at);
  return found;
}

/** @param {number} seconds */
export const dayName = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

/** @param {HTMLElement} box @param {number[]} x @param {Line[]} lines @param {boolean} bars */
function draw(box, x, lines, bars) {
  const axis = { stroke: ink("--soft"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 } };
  const series = lines.map((line, at) => ({
    label: line.label,
    stroke: ink(INKS[at % INKS.length]),
    width: bars ? 0 : 2,
    fill: bars ? ink(INKS[at % INKS.length]) : undefined,
    dash: bars ? undefined : DASHES[at % DASHES.length],
    paths: bars ? uPlot.paths.bars?.({ size: [0.7, 40] }) : undefined,
    points: { show: !bars && x.length < 40, size: 5 },
    value: (/** @type {any} */ _plot, /** @type {number | null} */ value) => (value === null ? "–" : figure.format(value)),
  }));
  return new uPlot(
    {
      width: box.clientWidth || 300,
      height: 240,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { ...axis, values: (_plot, splits) => splits.map((at) => (at % DAY_S ? "" : short.format(at * 1000))), space: 60 },
        { ...axis, size: 64, values: (_plot, splits) => splits.map((value) => figure.format(value)) },
      ],
      series: [{ label: d("columns.day"), value: (_plot, at) => (at ? short.format(at * 1000) : "–") }, ...series],
    },
    [x, ...lines.map((line) => line.values)],
    box,
  );
}

/** @param {{x: number[], lines: Line[], label: string, bars?: boolean}} props x in Unix seconds */
export function Chart({ x, lines, label, bars = false }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const mode = theme.value;
  const facts = JSON.stringify([x, lines]);
  useEffect(() => {
    const place = box.current;
    if (!place) return undefined;
    let plot = draw(place, x, lines, bars);
    const watch = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: 240 }));
    watch.observe(place);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const again = () => {
      plot.destroy();
      plot = draw(place, x, lines, bars);
    };
    dark.addEventListener("change", again);
    return () => {
      dark.removeEventListener("change", again);
      watch.disconnect();
      plot.destroy();
    };
  }, [facts, mode, bars]);
  return html`<figure class="plot"><figcaption class="label">${label}</figcaption><div ref=${box} aria-hidden="true"></div></figure>`;
}
