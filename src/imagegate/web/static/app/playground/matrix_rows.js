// The cells of a matrix beside each other, before they run and after.
import { html } from "html";
import { t } from "../i18n.js";
import { promptOf } from "./items.js";
import { arrange, nameOf } from "./matrix_cells.js";
import { closeMatrix, results, starting } from "./matrix_runs.js";
import { Tile } from "./tile.js";

/** @typedef {import("./matrix_cells.js").Values} Values */

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
  const prompt = found.map(({ item }) => item && promptOf(item)).find(Boolean) ?? "";
  return html`
    <header class="matrix-top">
      <p class="matrix-prompt" title=${prompt}>${prompt}</p>
      <button type="button" class="button tight" disabled=${starting.value} data-matrix-new onClick=${closeMatrix}>
        ${t("playground.matrix.change")}
      </button>
    </header>
    <${MatrixRows} cells=${found} content=${resultOf} />
  `;
}

/** @param {import("./matrix_runs.js").Result} result */
function resultOf({ item }) {
  if (!item) return html`<p class="small soft">${t("playground.matrix.not_started")}</p>`;
  return html`<ul><${Tile} item=${item} position=${1} count=${1} /></ul>`;
}
