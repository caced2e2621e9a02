// What this browser keeps for the page. Private windows may refuse: then nothing outlives the page.

/** @typedef {"localStorage" | "sessionStorage"} Kind */

/** @param {string} name @param {Kind} [kind] @returns {string} "" where there is none */
export function readStored(name, kind = "localStorage") {
  try {
    return window[kind].getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name @param {string} value "" removes it @param {Kind} [kind] */
export function writeStored(name, value, kind = "localStorage") {
  try {
    if (value) window[kind].setItem(name, value);
    else window[kind].removeItem(name);
  } catch {
    // see above
  }
}
