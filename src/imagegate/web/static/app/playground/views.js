// What the stage shows: the gallery, a matrix, or the form's request as code.
import { signal } from "@preact/signals";

/** @typedef {"gallery" | "matrix" | "code"} View */

export const view = signal(/** @type {View} */ ("gallery"));

/** @param {View} name */
export function showView(name) {
  view.value = name;
}
