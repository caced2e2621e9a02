// Where the visitor is: "#/tasks/<id>?status=failed". Links are plain links, so that they can be opened and shared.
import { signal } from "@preact/signals";

/** @typedef {{view: string, id: string, query: URLSearchParams}} Place */

/** @returns {Place} */
function read() {
  const [path, query = ""] = location.hash.slice(2).split("?");
  const [view, id = ""] = path.split("/");
  return { view: view || "overview", id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

const ours = () => location.hash === "" || location.hash.startsWith("#/");

export const place = signal(ours() ? read() : { view: "overview", id: "", query: new URLSearchParams() });

addEventListener("hashchange", () => {
  if (ours()) place.value = read();
});

/** @param {string} view @param {string} [id] @param {Record<string, string>} [query] empty values are left out */
export function link(view, id = "", query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

/** Change the filter of this view without a new entry in the history. @param {Record<string, string>} query */
export function filter(query) {
  const merged = { ...Object.fromEntries(place.value.query), ...query };
  history.replaceState(null, "", link(place.value.view, place.value.id, merged));
  place.value = read();
}
