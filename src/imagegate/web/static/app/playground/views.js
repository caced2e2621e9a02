// What the stage shows: the gallery, or the form's request as code.
import { signal } from "@preact/signals";

/** @typedef {"gallery" | "code"} View */

export const view = signal(/** @type {View} */ ("gallery"));

/** @param {View} name */
export function showView(name) {
  view.value = name;
}
