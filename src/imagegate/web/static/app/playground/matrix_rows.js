// The cells of a matrix beside each other, before they run and after.
import { html } from "html";
import { useEffect, useRef } from "preact/hooks";
import { isFinal } from "../api.js";
import { formatNumber, t } from "../i18n.js";
import { formatUsd, moneyOf, sumMoney } from "../money.js";
import { promptOf } from "./items.js";
import { isWide } from "./layout.js";
import { arrange, nameOf } from "./matrix_cells.js";
import { closeMatrix, results } from "./matrix_runs.js";
import { Tile } from "./tile.js";
import { matrixStarting } from "./views.js";

/** @typedef {import("./matrix_cells.js").Values} Values */
/** @typedef {import("./matrix_runs.js").Result} Result */

/**
 * @template {{key: string, values: Values}} T
 * @param {{cells: T[], content: (cell: T) => any}} props
 */
export function MatrixRows({ cells, content }) {
  const place = (/** @type {{title: string, cell: T | undefined}} */ { title, cell }) => html`
    <li key=${title} class="matrix-cell" data-cell=${cell && nameOf(cell)}>
      <p class="small"><b>${title}</b></p>
      ${cell ? content(cell) : html`<p class="small soft">–</p>`}
    </li>
  `;
  return arrange(cells).map(
    ({ title, places }) => html`
      <section key=${title} class="matrix-row" aria-label=${title || t("playground.matrix.title")}>
        ${title && html`<h3 class="label">${title}</h3>`}
        <ul>${places.map(place)}</ul>
      </section>
    `,
  );
}

export function MatrixResults() {
  const found = results.value;
  const isStarting = matrixStarting.value;
  const prompt = found.map(({ item }) => item && promptOf(item)).find(Boolean) ?? "";
  const top = useRef(/** @type {HTMLElement | null} */ (null));
  // The button that began it is gone.
  useEffect(() => {
    if (!isStarting) return;
    top.current?.focus({ preventScroll: true });
    if (!isWide.value) top.current?.scrollIntoView();
  }, []);
  return html`
    <header class="matrix-top" ref=${top} tabindex="-1">
      <div>
        <p class="matrix-prompt" title=${prompt}>${prompt}</p>
        <p class="small soft" data-matrix-state>${stateText(found)}</p>
      </div>
      <button type="button" class="button tight" disabled=${isStarting} data-matrix-new onClick=${closeMatrix}>
        ${t("playground.matrix.change")}
      </button>
    </header>
    <${MatrixRows} cells=${found} content=${resultOf} />
  `;
}

/** How many have ended, and what they cost in all. @param {Result[]} found */
function stateText(found) {
  const tasks = found.map(({ item }) => item?.run?.task ?? item?.row).filter((task) => isFinal(task?.status));
  const costs = tasks.map((task) => task.usage?.cost ?? task.cost).filter(Boolean);
  const values = { done: formatNumber(tasks.length), count: formatNumber(found.length) };
  return t("playground.matrix.state", { ...values, usd: formatUsd(sumMoney(costs.map(moneyOf))) });
}

/** @param {Result} result */
function resultOf({ item }) {
  if (!item) return html`<p class="small soft">${t("playground.matrix.not_started")}</p>`;
  return html`<ul><${Tile} item=${item} position=${1} count=${1} /></ul>`;
}
