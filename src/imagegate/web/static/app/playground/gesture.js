// One press, one purchase: the same body pressed again in any tab, before the answer or just after it, is sent under
// the same Idempotency-Key, so that the gateway answers it with the same task.
import { isUnanswered } from "../api.js";
import { inStore, resultOf } from "../database.js";
import { randomId } from "../ids.js";
import { account } from "../store.js";

/** @typedef {{id: string, key: string, at: number, answeredAt: number}} Gesture `answeredAt` is 0 before the answer */

/** A second click comes this soon after the first one's answer. */
const REPEAT_MS = 1500;
// A create is answered within seconds. After this time a press is a new wish, even where the answer was lost.
const UNANSWERED_MS = 120_000;

/** What this tab has pressed, for browsers that store nothing. @type {Map<string, Gesture>} */
const ofThisTab = new Map();

/** @param {Gesture} gesture */
function isOpen({ at, answeredAt }) {
  return Date.now() - (answeredAt || at) < (answeredAt ? REPEAT_MS : UNANSWERED_MS);
}

/** @param {any} body */
const idOf = (body) => `${account.value?.key_shown ?? ""} ${JSON.stringify(body)}`;

/** The Idempotency-Key of a press that sends this body. @param {any} body @returns {Promise<string>} */
export async function claimKey(body) {
  const fresh = { id: idOf(body), key: randomId(), at: Date.now(), answeredAt: 0 };
  const known = ofThisTab.get(fresh.id);
  const wanted = known && isOpen(known) ? known : fresh;
  const gesture = await inStore("gestures", (store) => claim(store, wanted), wanted);
  ofThisTab.set(gesture.id, gesture);
  return gesture.key;
}

/** @param {IDBObjectStore} store @param {Gesture} wanted @returns {Promise<Gesture>} */
async function claim(store, wanted) {
  const gestures = /** @type {Gesture[]} */ (await resultOf(store.getAll()));
  for (const one of gestures) if (!isOpen(one)) store.delete(one.id);
  const known = gestures.find((one) => one.id === wanted.id && isOpen(one));
  if (!known) await resultOf(store.put(wanted));
  return known ?? wanted;
}

/**
 * The press was answered. After a refusal the next one begins anew; what was lost on the way keeps its key.
 * @param {any} body
 * @param {string} key
 * @param {import("../api.js").Reply} reply
 */
export async function settleKey(body, key, reply) {
  if (!reply.ok && isUnanswered(reply)) return;
  const id = idOf(body);
  const settled = { id, key, at: 0, answeredAt: reply.ok ? Date.now() : 1 };
  ofThisTab.set(id, settled);
  await inStore("gestures", (store) => resultOf(store.put(settled)), id);
}
