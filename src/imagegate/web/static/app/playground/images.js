// The images of all runs in sight: which one is enlarged, which are selected, which are compared.
import { signal } from "@preact/signals";
import { callInBatches } from "../batches.js";
import { openTask, runs } from "./runs.js";

/**
 * @typedef {import("./items.js").Item} Item
 * @typedef {{id: string, index: number}} ImageRef   the task's id, and the place among its images
 * @typedef {{run: import("./runs.js").Run, result: any, index: number}} Image   `result`: of the task's `result_data`
 */

export const enlarged = signal(/** @type {ImageRef | null} */ (null));
export const selected = signal(/** @type {ImageRef[]} */ ([]));
export const compared = signal(/** @type {ImageRef[]} */ ([]));
/** The reference whose mask is being edited. */
export const maskedReference = signal(/** @type {import("./form.js").Reference | null} */ (null));

/** Those whose details are known, the newest task first. @returns {Image[]} */
function allImages() {
  const known = runs.value.filter((run) => run.task?.result_data);
  known.sort((a, b) => b.task.created - a.task.created);
  return known.flatMap((run) =>
    run.task.result_data.map((/** @type {any} */ result, /** @type {number} */ index) => ({ run, result, index })),
  );
}

/** @param {ImageRef} one @param {ImageRef} other */
const isSame = (one, other) => one.id === other.id && one.index === other.index;

/** @param {Image} image @returns {ImageRef} */
export const refOf = ({ run, index }) => ({ id: run.id, index });

/** @param {ImageRef} ref */
export const findImage = (ref) => allImages().find((image) => isSame(refOf(image), ref));

/** @param {ImageRef[]} refs @returns {Image[]} those that are still in sight */
export const findImages = (refs) => refs.flatMap((ref) => findImage(ref) ?? []);

/** @param {ImageRef} ref */
export const isSelected = (ref) => selected.value.some((other) => isSame(other, ref));

/** @param {ImageRef} ref */
export function toggleSelected(ref) {
  const others = selected.value.filter((other) => !isSame(other, ref));
  selected.value = isSelected(ref) ? others : [...others, ref];
}

/** The tasks whose images, or which themselves, are selected. @returns {string[]} */
export const selectedIds = () => [...new Set(selected.value.map((ref) => ref.id))];

/** @param {string} id of a task */
export const isTaskSelected = (id) => selected.value.some((ref) => ref.id === id);

/** Select all images of a task, and the task where it has none. @param {Item} item */
function selectTask({ id, row, run }) {
  if (!id || isTaskSelected(id)) return;
  const count = run?.task?.result_data?.length ?? row?.result_count ?? 0;
  const refs = Array.from({ length: Math.max(1, count) }, (_, index) => ({ id, index }));
  selected.value = [...selected.value, ...refs];
}

/** The task that was selected last: where a selection with Shift begins. */
let lastId = "";

/**
 * @param {Item} item
 * @param {Item[]} shown all in the gallery
 * @param {boolean} through also all since the last one
 */
export function toggleTask(item, shown, through) {
  const from = through ? shown.findIndex(({ id }) => id === lastId) : -1;
  const to = shown.indexOf(item);
  lastId = item.id;
  if (from >= 0 && to >= 0) {
    for (const one of shown.slice(Math.min(from, to), Math.max(from, to) + 1)) selectTask(one);
  } else if (isTaskSelected(item.id)) {
    forgetImages(item.id);
  } else {
    selectTask(item);
  }
}

/** @param {string} id of a task */
export function forgetImages(id) {
  selected.value = selected.value.filter((ref) => ref.id !== id);
  compared.value = compared.value.filter((ref) => ref.id !== id);
  if (enlarged.value?.id === id) enlarged.value = null;
}

/** The selected images; the details of their tasks are loaded where they are not known. @returns {Promise<Image[]>} */
export async function loadSelected() {
  const refs = selected.value;
  await callInBatches(selectedIds(), openTask);
  return findImages(refs);
}
