// What a view reads: one answer, or a list page by page. A late answer to an old question is dropped.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { call } from "../api.js";

/** @typedef {import("../api.js").Bad} Bad */
/** @typedef {{value: any, fault: Bad | null, again: () => void}} Load `value` is undefined until it arrived */
/** @typedef {{rows: any[] | undefined, fault: Bad | null, more: boolean, busy: boolean, next: () => void, again: () => void}} Pages */

/**
 * @param {string} path @param {number} [every] ask again after this many seconds while the page is looked at
 * @returns {Load}
 */
export function useLoad(path, every = 0) {
  const [found, setFound] = useState(/** @type {{path: string, value: any, fault: Bad | null}} */ ({ path: "", value: undefined, fault: null }));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let wanted = true;
    const ask = async () => {
      const reply = await call(path);
      if (!wanted) return;
      setFound((old) => (reply.ok ? { path, value: reply.value, fault: null } : { path, value: old.path === path ? old.value : undefined, fault: reply }));
    };
    ask();
    const timer = every ? setInterval(() => document.visibilityState === "visible" && ask(), every * 1000) : 0;
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [path, turn, every]);
  const again = useCallback(() => setTurn((old) => old + 1), []);
  const current = found.path === path;
  return { value: current ? found.value : undefined, fault: current ? found.fault : null, again };
}

/** A list with `next_cursor`. @param {string} path with its question mark @returns {Pages} */
export function usePages(path) {
  const [state, setState] = useState(/** @type {{path: string, rows?: any[], cursor: string, more: boolean, fault: Bad | null}} */ ({ path: "", cursor: "", more: false, fault: null }));
  const [busy, setBusy] = useState(false);
  const turn = useRef(0);
  const ask = useCallback(async (/** @type {string} */ cursor, /** @type {any[]} */ before) => {
    const mine = ++turn.current;
    setBusy(true);
    const reply = await call(`${path}&cursor=${encodeURIComponent(cursor)}`);
    if (mine !== turn.current) return;
    setBusy(false);
    if (!reply.ok) return setState((old) => ({ ...old, path, rows: old.path === path ? old.rows : undefined, fault: reply }));
    const { data, has_more: more, next_cursor: end } = reply.value;
    setState({ path, rows: [...before, ...data], cursor: end ?? "", more, fault: null });
  }, [path]);
  useEffect(() => {
    ask("", []);
    return () => void turn.current++;
  }, [ask]);
  const current = state.path === path;
  return {
    rows: current ? state.rows : undefined,
    fault: current ? state.fault : null,
    more: current && state.more,
    busy,
    next: () => ask(state.cursor, state.rows ?? []),
    again: () => ask("", []),
  };
}
