// What a request will cost, as the gateway quotes it. Many buttons ask for the same: an answer is kept for a while.
import { useEffect, useState } from "preact/hooks";
import { post } from "../api.js";
import { reachable } from "../connection.js";
import { account, balance } from "../store.js";

/** @typedef {import("../api.js").Reply} Reply */
/** @typedef {{quote: any, error: import("../api.js").ApiError | null}} Priced   both null: not known yet */

const FRESH_MS = 60_000;
const MAX_KEPT = 100;

/** In the order of their time. @type {Map<string, {reply: Reply, at: number}>} */
const kept = new Map();

/** Whether it is affordable depends on who asks and on the balance. @param {any} body */
const keyOf = (body) => JSON.stringify([account.value?.key_shown, balance.value?.remaining, body]);

/** A prompt that is still empty is priced as one character. @param {any} body */
function quotedBody({ metadata, ...body }) {
  return { ...body, prompt: body.prompt?.trim() ? body.prompt : "-" };
}

/** Whether the same may succeed in a moment. @param {import("../api.js").ApiError} error */
export const isPassing = ({ status }) => status === 0 || status === 401 || status === 429 || status >= 500;

/** Throws only where `signal` was aborted. @param {any} body @param {AbortSignal} [signal] @returns {Promise<Reply>} */
export async function loadQuote(body, signal) {
  const asked = quotedBody(body);
  const key = keyOf(asked);
  const known = kept.get(key);
  if (known && Date.now() - known.at < FRESH_MS) return known.reply;
  const reply = await post("/v1/images/quotes", asked, { signal });
  if (reply.ok) keep(key, reply);
  return reply;
}

/** @param {string} key @param {Reply} reply */
function keep(key, reply) {
  kept.delete(key);
  kept.set(key, { reply, at: Date.now() });
  for (const oldest of kept.keys()) {
    if (kept.size <= MAX_KEPT) return;
    kept.delete(oldest);
  }
}

/** The quote of this very body; never that of the one before. @param {any} body null: nothing to quote */
export function useQuote(body) {
  const wanted = body ? keyOf(quotedBody(body)) : "";
  const [state, setState] = useState(/** @type {Priced & {key: string}} */ ({ key: "", quote: null, error: null }));
  useEffect(() => {
    if (!wanted) return undefined;
    const abort = new AbortController();
    loadQuote(body, abort.signal)
      .then((reply) => {
        if (abort.signal.aborted) return;
        setState({ key: wanted, quote: reply.ok ? reply.value : null, error: reply.ok ? null : reply });
      })
      .catch(() => {}); // another body took its place
    return () => abort.abort();
  }, [wanted, reachable.value]);
  return state.key === wanted ? state : { quote: null, error: null };
}
