// Columns that tables of attempts share.
import { html } from "html";
import { formatNumber } from "../i18n.js";
import { d, Time } from "./components.js";

/** @typedef {import("./table.js").Column} Column */

/** @returns {Column} */
export const attemptColumn = () => ({ title: d("columns.attempt"), head: true, cell: (row) => row.attempt });

/** @returns {Column} */
export const startedColumn = () => ({
  title: d("columns.started"),
  cell: (row) => html`<${Time} seconds=${row.started} />`,
});

/** An attempt without a duration is still running. @returns {Column} */
export const durationColumn = () => ({
  title: d("columns.duration"),
  num: true,
  cell: (row) => (row.duration === null ? "…" : d("seconds", { n: formatNumber(row.duration) })),
});

export const NoAttempts = () => html`<p class="soft small quiet">${d("tasks.no_attempts")}</p>`;
