// Tables of rows, whole and page by page.
import { html } from "html";
import { d, ErrorNote, Loading } from "./components.js";

/** @typedef {{title: string, cell: (row: any) => any, head?: boolean, num?: boolean}} Column */

/** @param {{caption: string, columns: Column[], rows: any[], id?: (row: any) => string}} props */
export function Table({ caption, columns, rows, id = (row) => row.id }) {
  // Roles are explicit: on phones the CSS turns rows into blocks, which takes the implicit ones away.
  return html`
    <div class="card table">
      <div class="scroll" role="group" aria-label=${caption} tabindex="0">
        <table class="list" role="table">
          <caption class="unseen">${caption}</caption>
          <thead role="rowgroup"><tr role="row">${columns.map(headCell)}</tr></thead>
          <tbody role="rowgroup">${rows.map((row) => bodyRow(columns, row, id(row)))}</tbody>
        </table>
      </div>
    </div>
  `;
}

/** @param {Column} column */
const headCell = ({ title, num }) => html`<th scope="col" role="columnheader" class=${num ? "num" : ""}>${title}</th>`;

/** @param {Column[]} columns @param {any} row @param {string} id */
const bodyRow = (columns, row, id) =>
  html`<tr role="row" key=${id} data-row=${id}>${columns.map((column) => bodyCell(column, row))}</tr>`;

/** @param {Column} column @param {any} row */
function bodyCell({ title, cell, head, num }, row) {
  const content = html`<div>${cell(row)}</div>`;
  if (head) return html`<th scope="row" role="rowheader" data-label=${title}>${content}</th>`;
  return html`<td role="cell" class=${num ? "num" : ""} data-label=${title}>${content}</td>`;
}

/**
 * A list with its states; `empty` is shown where there are no rows.
 * @param {{pages: import("./data.js").Pages, empty: any, children: any}} props
 */
export function PagedList({ pages, empty, children }) {
  const { rows, error, more, busy, next, reload } = pages;
  const button = html`<button class="button" disabled=${busy} onClick=${next}>${d("more")}</button>`;
  return html`
    ${error && html`<${ErrorNote} error=${error} reload=${reload} />`}
    ${!rows && !error && html`<${Loading} />`}
    ${rows && (rows.length ? children : empty)}
    ${more && html`<div class="row">${button}</div>`}
  `;
}

/** @param {{pages: import("./data.js").Pages, caption: string, columns: Column[], empty: any}} props */
export const PagedTable = ({ pages, caption, columns, empty }) => html`
  <${PagedList} pages=${pages} empty=${empty}>
    <${Table} caption=${caption} columns=${columns} rows=${pages.rows ?? []} />
  <//>
`;
