// What a view reads: one answer, or a list page by page. A late answer to an old question is dropped.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { onBack } from "../connection.js";

/**
 * @typedef {import("../api.js").ApiError} ApiError
 * @typedef {{value: any, error: ApiError | null, reload: () => void}} Data   `value` is undefined until it arrived
 * @typedef {{rows: any[] | undefined, error: ApiError | null, more: boolean, busy: boolean, next: () => void,
 *   reload: () => void}} Pages
 * @typedef {{path: string, value: any, error: ApiError | null}} DataState
 * @typedef {{path: string, rows?: any[], cursor: string, more: boolean, error: ApiError | null}} PagesState
 */

/** @type {DataState} */
const NO_DATA = { path: "", value: undefined, error: null };
/** @type {PagesState} */
const NO_PAGES = { path: "", cursor: "", more: false, error: null };

/**
 * @param {string} path
 * @param {number} [intervalS] read again after so many seconds while the page is visible; 0: never
 * @returns {Data}
 */
export function useData(path, intervalS = 0) {
  const [state, setState] = useState(NO_DATA);
  const [reloads, setReloads] = useState(0);
  useEffect(() => {
    let current = true;
    const load = async () => {
      const reply = await get(path);
      if (!current) return;
      const value = (/** @type {DataState} */ old) => (old.path === path ? old.value : undefined);
      if (reply.ok) setState({ path, value: reply.value, error: null });
      else setState((old) => ({ path, value: value(old), error: reply }));
    };
    load();
    const loadIfVisible = () => document.visibilityState === "visible" && load();
    const timer = intervalS ? setInterval(loadIfVisible, intervalS * 1000) : 0;
    const stop = onBack(load);
    return () => {
      current = false;
      stop();
      clearInterval(timer);
    };
  }, [path, reloads, intervalS]);
  const reload = useCallback(() => setReloads((count) => count + 1), []);
  const { value, error } = state.path === path ? state : NO_DATA;
  return { value, error, reload };
}

/** A list with `next_cursor`. @param {string} path with its question mark @returns {Pages} */
export function usePages(path) {
  const [state, setState] = useState(NO_PAGES);
  const [busy, setBusy] = useState(false);
  const newest = useRef(0);
  const load = useCallback(
    async (/** @type {string} */ cursor, /** @type {any[]} */ before) => {
      const number = ++newest.current;
      setBusy(true);
      const reply = await get(`${path}&cursor=${encodeURIComponent(cursor)}`);
      if (number !== newest.current) return;
      setBusy(false);
      if (!reply.ok) return setState((old) => ({ ...(old.path === path ? old : NO_PAGES), path, error: reply }));
      const { data, has_more: more, next_cursor: next } = reply.value;
      setState({ path, rows: [...before, ...data], cursor: next ?? "", more, error: null });
    },
    [path],
  );
  useEffect(() => {
    load("", []);
    return () => void newest.current++;
  }, [load]);
  useEffect(() => onBack(() => load("", [])), [load]);
  const { rows, error, more, cursor } = state.path === path ? state : NO_PAGES;
  return { rows, error, more, busy, next: () => load(cursor, rows ?? []), reload: () => load("", []) };
}

/** The value once it has not changed for so long. @template T @param {T} value @param {number} ms @returns {T} */
export function useSettled(value, ms) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/**
 * The names of accounts by their ids, as far as the first page of the operator's list has them.
 * @returns {Map<string, string>}
 */
export function useAccountNames() {
  const accounts = useData("/v1/admin/accounts?limit=200");
  return new Map((accounts.value?.data ?? []).map((/** @type {any} */ { id, name }) => [id, name]));
}
