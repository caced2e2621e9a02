// The texts in the visitor's language, from the file that the server used for this page.

const root = document.documentElement;

/** "en" or "ko" */
export const language = root.lang;

/** @type {Record<string, any>} */
const texts = await (await fetch(root.dataset.texts ?? "")).json();

/**
 * The text under a name such as "playground.run", with `{name}` filled in. A name that is missing is shown as it is.
 * @param {string} name
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(name, values = {}) {
  let found = /** @type {any} */ (texts);
  for (const part of name.split(".")) found = found?.[part];
  if (typeof found !== "string") return name;
  return found.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
}

/**
 * The text under a name, or `instead` where there is none: the API may name what has no translation.
 * @param {string} name
 * @param {string} instead
 * @param {Record<string, string | number>} [values]
 */
export function textOr(name, instead, values) {
  const text = t(name, values);
  return text === name ? instead : text;
}

/** @param {number} seconds Unix seconds @param {Intl.DateTimeFormatOptions} [options] */
export function formatTime(seconds, options = { dateStyle: "medium", timeStyle: "short" }) {
  return new Intl.DateTimeFormat(language, options).format(new Date(seconds * 1000));
}

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export function formatNumber(value, options) {
  return new Intl.NumberFormat(language, options).format(value);
}

/** The number of a list: "10,000+" where there are more. @param {{total: number, total_capped: boolean}} list */
export function formatTotal({ total, total_capped: isCapped }) {
  return isCapped ? t("app.at_least", { n: formatNumber(total) }) : formatNumber(total);
}

const MB = 1_000_000;

/** "812 kB", "1.2 MB" @param {number} bytes */
export const formatBytes = (bytes) =>
  bytes < MB
    ? `${formatNumber(Math.ceil(bytes / 1000))} kB`
    : `${formatNumber(bytes / MB, { maximumFractionDigits: 1 })} MB`;
