// The address of a view: "#/tasks/<id>?status=failed". Links are plain links, so that they can be opened and shared.
import { signal } from "@preact/signals";

/** @typedef {{view: string, id: string, query: URLSearchParams}} Address `view` is "" where the address names none */

/** @returns {Address} */
function readHash() {
  const [path, query = ""] = location.hash.slice(2).split("?");
  const [view, id = ""] = path.split("/");
  return { view, id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

/** Other hashes are links within the page, such as "#content". */
const isView = () => location.hash === "" || location.hash.startsWith("#/");

export const address = signal(isView() ? readHash() : { view: "", id: "", query: new URLSearchParams() });

addEventListener("hashchange", () => {
  if (isView()) address.value = readHash();
});

/** @param {string} name */
export const queryValue = (name) => address.value.query.get(name) ?? "";

/** @param {string} view @param {string} [id] @param {Record<string, string>} [query] empty values are left out */
export function linkTo(view, id = "", query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

/** Change the query of this view without a new entry in the history. @param {Record<string, string>} changes */
export function setQuery(changes) {
  const { view, id, query } = address.value;
  history.replaceState(null, "", linkTo(view, id, { ...Object.fromEntries(query), ...changes }));
  address.value = readHash();
}
