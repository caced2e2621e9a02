// The images of all runs in sight: which one is enlarged, which are selected, which are compared.
import { signal } from "@preact/signals";
import { runs } from "./runs.js";

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
