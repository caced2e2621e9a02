// The words of the visitor's language, from the file that the server used for this page.

const root = document.documentElement;

/** "en" or "ko" */
export const language = root.lang;

/** @type {Record<string, any>} */
const words = await (await fetch(root.dataset.words ?? "")).json();

/**
 * The text under a name such as "playground.run", with `{name}` filled in. A name that is missing is shown as it is.
 * @param {string} name
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(name, values = {}) {
  let found = /** @type {any} */ (words);
  for (const part of name.split(".")) found = found?.[part];
  return typeof found === "string" ? found.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole)) : name;
}

/**
 * A moment as people write it. @param {number} seconds Unix seconds @param {Intl.DateTimeFormatOptions} [options]
 */
export function moment(seconds, options = { dateStyle: "medium", timeStyle: "short" }) {
  return new Intl.DateTimeFormat(language, options).format(new Date(seconds * 1000));
}

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export function number(value, options) {
  return new Intl.NumberFormat(language, options).format(value);
}
