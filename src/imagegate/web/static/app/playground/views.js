// What the stage shows: the gallery, or the code of a request.
import { signal } from "@preact/signals";

/** @typedef {"gallery" | "code"} View */

/** The request that is shown as code; null: what the form says. */
export const codeBody = signal(/** @type {any} */ (null));
export const view = signal(/** @type {View} */ ("gallery"));

export function showGallery() {
  view.value = "gallery";
}

/** The code of a request, or of what the form says. @param {any} [body] */
export function showCode(body = null) {
  codeBody.value = body;
  view.value = "code";
}
