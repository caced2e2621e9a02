// What the cells of a matrix will cost, each by itself and in all.
import { computed, effect, signal } from "@preact/signals";
import { sumMoney } from "../money.js";
import { account, balance } from "../store.js";
import { cells, MAX_CELLS } from "./matrix_cells.js";
import { loadQuote } from "./quotes.js";

/** @typedef {import("./matrix_cells.js").Cell} Cell */
/** @typedef {import("./quotes.js").Priced} Priced */

const TYPING_MS = 300;

const priced = signal(/** @type {Map<string, Priced>} */ (new Map()));

/** Both null while it is not known. @param {Cell} cell @returns {Priced} */
export const priceOf = ({ key }) => priced.value.get(key) ?? { quote: null, error: null };

/** Load the quotes of the cells whenever they change. @returns {() => void} the end of it */
export function watchQuotes() {
  return effect(() => {
    const wanted = cells.value;
    account.value;
    if (wanted.length > MAX_CELLS) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => loadQuotes(wanted, abort.signal), TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  });
}

/** @param {Cell[]} wanted @param {AbortSignal} signal */
async function loadQuotes(wanted, signal) {
  const load = async (/** @type {Cell} */ { key, body }) => {
    const reply = await loadQuote(body, signal);
    if (signal.aborted) return;
    const found = reply.ok ? { quote: reply.value, error: null } : { quote: null, error: reply };
    priced.value = new Map([...ofCells(wanted), [key, found]]);
  };
  await Promise.allSettled(wanted.map(load)); // other cells took the place of those whose call was aborted
}

/** What is known about these cells. @param {Cell[]} wanted */
const ofCells = (wanted) => [...priced.value].filter(([key]) => wanted.some((cell) => cell.key === key));

/** The cells that can run with their quotes, those that are refused, and the total of the first once all are known. */
export const total = computed(() => {
  const all = cells.value.map((cell) => ({ ...cell, ...priceOf(cell) }));
  const refused = all.flatMap(({ error, ...cell }) => (error ? [{ ...cell, error }] : []));
  const runnable = all.filter(({ quote }) => quote);
  const isKnown = all.length > 0 && refused.length + runnable.length === all.length;
  return { refused, runnable, isKnown, ...sumOf(runnable) };
});

/** @param {{quote: any}[]} quoted */
export const sumOf = (quoted) => ({
  expected: sumMoney(quoted.map(({ quote }) => quote.expected)),
  maximum: sumMoney(quoted.map(({ quote }) => quote.maximum)),
});

/** Whether the balance covers all maxima together. */
export const isAffordable = computed(
  () => !balance.value || Number(balance.value.remaining) >= Number(total.value.maximum.credits),
);
