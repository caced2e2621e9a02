// What the tables of tasks share: a task as a row of its list tells of it.
import { html } from "html";
import { isFinal, localPath, taskState } from "../api.js";
import { withThumbnailRetry } from "../dom.js";
import { errorText } from "../errors.js";
import { roundDecimal } from "../money.js";
import { d, formatCreditNumber, StateBadge, Time, valueText } from "./components.js";
import { linkTo } from "./router.js";

/** @typedef {import("./table.js").Column} Column */

/** @param {{url?: string}} props */
export function Thumbnail({ url }) {
  if (!url) return html`<span class="thumb" aria-hidden="true"></span>`;
  return html`
    <img
      class="thumb"
      src=${localPath(url)}
      onError=${withThumbnailRetry()}
      alt=""
      loading="lazy"
      width="56"
      height="56"
    />
  `;
}

/** @returns {Column} */
export const thumbnailColumn = () => ({
  title: d("columns.image"),
  width: "narrow",
  cell: (row) => html`<${Thumbnail} url=${row.thumbnail_url} />`,
});

/** What was asked for: "1:1 · 2K · high · 2 images". @param {any} task */
export function settingsText({ size, resolution, quality, n, references = 0, has_mask: mask }) {
  const count = (/** @type {string} */ name, /** @type {number} */ number) => d(`tasks.count.${name}`, { n: number });
  const parts = [size && valueText("values", size), resolution, quality && valueText("tasks.quality", quality)];
  if (n > 1) parts.push(count("images", n));
  if (references) parts.push(count("references", references));
  if (mask) parts.push(d("tasks.field.mask"));
  return parts.filter(Boolean).join(" · ");
}

/** @param {string} view where the link leads @param {boolean} [withTime] @returns {Column} */
export const promptColumn = (view, withTime = false) => ({
  title: d("columns.prompt"),
  head: true,
  width: "words",
  cell: (row) => html`
    <a class="clamp" href=${linkTo(view, row.id)} title=${row.prompt}>${row.prompt}</a>
    <span class="line small soft">
      ${[row.model, settingsText(row)].filter(Boolean).join(" · ")}
      ${withTime && html` · <${Time} seconds=${row.created_at} />`}
    </span>
  `,
});

/** @param {{task: any}} props */
export const Status = ({ task }) => html`
  <${StateBadge} state=${taskState(task)} />
  ${!isFinal(task.status) && html` <span class="small">${task.progress}%</span>`}
  ${task.error && taskState(task) !== "cancelled" && html`<${Reason} error=${task.error} />`}
`;

/** @param {{error: any}} props */
const Reason = ({ error }) => html`<span class="clamp small soft" title=${errorText(error)}>${errorText(error)}</span>`;

/** @returns {Column} */
export const statusColumn = () => ({
  title: d("columns.status"),
  width: "wide",
  cell: (row) => html`<${Status} task=${row} />`,
});

/** @returns {Column} */
export const createdColumn = () => ({
  title: d("columns.created"),
  width: "date",
  cell: (row) => html`<${Time} seconds=${row.created_at} />`,
});

/** What was charged; the API gives it as numbers. @param {{cost: {credits: number, usd: number}}} props */
const Price = ({ cost: { credits, usd } }) => html`
  <span class="amount">
    <span>$${roundDecimal(String(usd), usd >= 1 ? 2 : 4)}</span>${" "}
    <small class="soft">${d("credits", { n: formatCreditNumber(credits) })}</small>
  </span>
`;

/** @returns {Column} */
export const priceColumn = () => ({
  title: d("columns.price_paid"),
  num: true,
  width: "money",
  cell: (row) => (row.cost ? html`<${Price} cost=${row.cost} />` : "–"),
});
