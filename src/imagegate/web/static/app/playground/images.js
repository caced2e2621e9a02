// The images of all runs in sight: which one is enlarged, which are selected, which are compared.
import { signal } from "@preact/signals";
import { openTask, runs } from "./runs.js";

/**
 * @typedef {{id: string, index: number}} ImageRef   the task's id, and the place among its images
 * @typedef {{run: import("./runs.js").Run, result: any, index: number}} Image   `result`: of the task's `result_data`
 */

export const enlarged = signal(/** @type {ImageRef | null} */ (null));
export const selected = signal(/** @type {ImageRef[]} */ ([]));
export const compared = signal(/** @type {ImageRef[]} */ ([]));

/** In the order of the cards. @returns {Image[]} */
export function allImages() {
  return runs.value.flatMap((run) =>
    (run.task?.result_data ?? []).map((/** @type {any} */ result, /** @type {number} */ index) => ({
      run,
      result,
      index,
    })),
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

/** @param {string} id of a task */
export const isTaskSelected = (id) => selected.value.some((ref) => ref.id === id);

/**
 * Select all images of a task, or none; its details are loaded, since they say where the images are.
 * @param {import("./items.js").Item} item
 */
export async function toggleTask({ id, row, run }) {
  const others = selected.value.filter((ref) => ref.id !== id);
  if (others.length < selected.value.length) {
    selected.value = others;
    return;
  }
  const count = run?.task?.result_data?.length ?? row?.result_count ?? 0;
  const refs = Array.from({ length: Math.max(1, count) }, (_, index) => ({ id, index }));
  selected.value = [...others, ...refs];
  await openTask(id);
}
