// What the stage shows: the gallery, a matrix, or the form's request as code.
import { signal } from "@preact/signals";

/** @typedef {"gallery" | "matrix" | "code"} View */

export const view = signal(/** @type {View} */ ("gallery"));
/** The request of a task that the dialog shows as code. */
export const codeBody = signal(/** @type {any} */ (null));
/** Whether the runs of a matrix are being started. */
export const matrixStarting = signal(false);

/** @param {View} name */
export function showView(name) {
  view.value = name;
}
