// Tables of rows, whole and page by page.
import { html } from "html";
import { d, ErrorNote, Loading } from "./components.js";

/**
 * @typedef {{title: string, cell: (row: any) => any, head?: boolean, num?: boolean, width?: string}} Column
 *   `width`: one of the classes of dashboard.css, where the table is `fixed`
 */

/**
 * `body`: what stands in the table instead of the rows' own element.
 * @param {{caption: string, columns: Column[], rows?: any[], id?: (row: any) => string, fixed?: boolean, body?: any}}
 *   props
 */
export function Table({ caption, columns, rows = [], id = rowId, fixed = false, body }) {
  // Roles are explicit: on phones the CSS turns rows into blocks, which takes the implicit ones away.
  return html`
    <div class="card table">
      <div class="scroll" role="group" aria-label=${caption} tabindex="0">
        <table class=${fixed ? "list fixed" : "list"} role="table">
          <caption class="unseen">${caption}</caption>
          <thead role="rowgroup"><tr role="row">${columns.map(headCell)}</tr></thead>
          ${body ?? html`<tbody role="rowgroup">${rows.map((row) => tableRow(columns, row, id(row)))}</tbody>`}
        </table>
      </div>
    </div>
  `;
}

/** @param {any} row @returns {string} */
export const rowId = (row) => row.id;

/** @param {Column} column @param {string} [more] */
const cellClass = ({ num, width = "" }, more = "") => [num && "num", width, more].filter(Boolean).join(" ");

/** @param {Column} column */
const headCell = (column) => html`<th scope="col" role="columnheader" class=${cellClass(column)}>${column.title}</th>`;

/** @param {Column[]} columns @param {any} row @param {string} id */
export const tableRow = (columns, row, id) =>
  html`<tr role="row" key=${id} data-row=${id}>${columns.map((column) => bodyCell(column, row))}</tr>`;

/** @param {Column} column @param {any} row */
function bodyCell(column, row) {
  const content = html`<div>${column.cell(row)}</div>`;
  const { title, head } = column;
  if (head)
    return html`<th scope="row" role="rowheader" class=${cellClass(column)} data-label=${title}>${content}</th>`;
  return html`<td role="cell" class=${cellClass(column)} data-label=${title}>${content}</td>`;
}

/**
 * A list with its states; `empty` is shown where there are no rows.
 * @param {{pages: import("./data.js").Pages, empty: any, children: any}} props
 */
export function PagedList({ pages, empty, children }) {
  const { rows, error, more, busy, next, reload } = pages;
  const button = html`<button class="button" aria-busy=${busy} disabled=${busy} onClick=${next}>${d("more")}</button>`;
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
