// The runs of a matrix: begun one after the other, found again by the metadata that they share.
import { computed, effect, signal } from "@preact/signals";
import { get } from "../api.js";
import { askConfirm } from "../confirm.js";
import { errorText } from "../errors.js";
import { t } from "../i18n.js";
import { formatUsd } from "../money.js";
import { readStored, writeStored } from "../storage.js";
import { account } from "../store.js";
import { claimKey, settleKey } from "./gesture.js";
import { MAX_CELLS, nameOf } from "./matrix_cells.js";
import { sumOf } from "./matrix_price.js";
import { runs, startRun } from "./runs.js";
import { matrixStarting } from "./views.js";

/**
 * @typedef {import("./matrix_cells.js").Cell & {quote: any}} QuotedCell
 * @typedef {import("./matrix_cells.js").Values} Values
 * @typedef {import("./items.js").Item} Item
 * @typedef {{key: string, values: Values, row: any}} Place   `row`: of the list of tasks, once it was read
 * @typedef {Place & {item: Item | null}} Result   `item` is null where nothing was begun
 */

const STORAGE_KEY = "imagegate.matrix";

/** The matrix in sight. */
export const matrix = signal(/** @type {{id: string, places: Place[]} | null} */ (null));

/** @param {any} body */
const keyOf = ({ metadata, ...body }) => JSON.stringify(body);

/** The places with what runs there. @type {import("@preact/signals").ReadonlySignal<Result[]>} */
export const results = computed(() => {
  const { id = "", places = [] } = matrix.value ?? {};
  return places.map((place) => ({ ...place, item: itemOf(id, place) }));
});

/** @param {string} id @param {Place} place @returns {Item | null} */
function itemOf(id, { key, row }) {
  const isHere = (/** @type {import("./runs.js").Run} */ run) =>
    row ? run.id === row.id : run.body?.metadata?.matrix === id && keyOf(run.body) === key;
  const run = runs.value.find(isHere);
  if (!run && !row) return null;
  return { key: run?.key ?? row.id, id: run?.id || (row?.id ?? ""), row, run };
}

/** Run these cells. A second press while it begins, or just after it, begins nothing. @param {QuotedCell[]} cells */
export async function startMatrix(cells) {
  if (matrixStarting.value) return;
  matrixStarting.value = true;
  const gesture = { matrix: cells.map(({ key }) => key) };
  try {
    const id = await claimKey(gesture);
    if (matrix.value?.id !== id) await begin(id, cells);
    await settleKey(gesture, id, { ok: true, status: 200, value: null });
  } finally {
    matrixStarting.value = false;
  }
}

/** @param {string} id @param {QuotedCell[]} cells */
async function begin(id, cells) {
  show({ id, places: cells.map(({ key, values }) => ({ key, values, row: null })) });
  /** The codes of the errors that the person has agreed to pass over. @type {Set<string>} */
  const agreed = new Set();
  for (const [at, cell] of cells.entries()) {
    const reply = await startRun(cell.body, { quote: cell.quote, metadata: { matrix: id } });
    if (reply.ok || agreed.has(reply.code)) continue;
    const rest = cells.slice(at + 1);
    if (!rest.length || !(await askToGoOn(cell, reply, rest))) break;
    agreed.add(reply.code);
  }
}

/** @param {QuotedCell} cell @param {import("../api.js").ApiError} error @param {QuotedCell[]} rest */
function askToGoOn(cell, error, rest) {
  const values = { count: rest.length, price: formatUsd(sumOf(rest).expected) };
  return askConfirm({
    title: t("playground.matrix.stopped"),
    text: `${nameOf(cell)}\n${errorText(error)}`,
    confirm: t("playground.matrix.go_on", values),
    cancel: t("playground.matrix.stop"),
  });
}

/** @param {{id: string, places: Place[]} | null} found */
function show(found) {
  matrix.value = found;
  writeStored(STORAGE_KEY, found?.id ?? "", "sessionStorage");
}

export function closeMatrix() {
  show(null);
}

/** Show the matrix that these tasks belong to. @param {string} id @returns {Promise<boolean>} whether there is one */
export async function openMatrix(id) {
  const query = new URLSearchParams({ metadata: `matrix:${id}`, limit: String(MAX_CELLS), cursor: "" });
  const reply = await get(`/v1/tasks?${query}`);
  if (!reply.ok || !reply.value.data.length) return false;
  show({ id, places: reply.value.data.map(placeOf).reverse() });
  return true;
}

/** @param {any} row @returns {Place} */
function placeOf(row) {
  const { id, model, quality, size, resolution } = row;
  return { key: id, values: { model, quality: quality ?? "", size, resolution: resolution ?? "" }, row };
}

/** The account whose matrix is in sight, by its key. */
let owner = "";

/** Show the matrix of before a reload; another account sees none of it. @returns {() => void} the end of it */
export function watchMatrix() {
  return effect(() => {
    const key = account.value?.key_shown ?? "";
    const stored = readStored(STORAGE_KEY, "sessionStorage");
    if (owner && owner !== key) show(null);
    else if (key && !owner && stored) openMatrix(stored);
    owner = key;
  });
}
