// The public API, as the page calls it: the session is traded for a token that lives in this module's memory alone.

/**
 * @typedef {{ok: true, status: number, value: any, headers: Headers}} Good
 * @typedef {{ok: false, status: number, code: string, message: string, param?: string, reason?: string,
 *   requestId?: string, retryAfter?: number, body?: any}} Bad   status 0: the network; code "signed_out": no session
 * @typedef {{method?: string, body?: any, form?: FormData, headers?: Record<string, string>, signal?: AbortSignal}} Options
 * @typedef {{name: string, key_name: string, key_shown: string, scopes: string[], local: boolean}} Account
 * @typedef {{id: string, event: string, data: any}} Event
 */

const EARLY_S = 60;
/** @type {{token: string, until: number} | null} */
let held = null;
/** @type {Promise<Account | null | Bad> | null} */
let trading = null;
/** @type {(account: Account | null) => void} */
let changed = () => {};

/** Tell `listener` who is signed in, whenever that was asked. @param {(account: Account | null) => void} listener */
export function onAccount(listener) {
  changed = listener;
}

/** Who is signed in: an account, null for nobody, or why it could not be asked. @returns {Promise<Account | null | Bad>} */
export function whoAmI() {
  trading ??= trade().finally(() => (trading = null));
  return trading;
}

/** @param {string} key @returns {Promise<Good | Bad>} */
export const signIn = (key) => session("POST", "/web/session", { key });
/** @returns {Promise<Good | Bad>} */
export const signOut = () => session("DELETE", "/web/session");
/** @returns {Promise<Good | Bad>} */
export const signOutEverywhere = () => session("DELETE", "/web/sessions");

/**
 * One call of the public API. Never throws but for `signal`: what goes wrong is a value.
 * @param {string} path such as "/v1/credits" @param {Options} [options] `body` is sent as JSON
 * @returns {Promise<Good | Bad>}
 */
export async function call(path, options = {}) {
  const first = await once(path, options, await token());
  return !first.ok && first.status === 401 && held ? once(path, options, await token(true)) : first;
}

/**
 * A task's events until it has ended; a lost connection is resumed behind the last event.
 * @param {string} path @param {AbortSignal} [signal] @returns {AsyncGenerator<Event, void, void>}
 */
export async function* events(path, signal) {
  let last = "";
  let wait = 2000;
  for (;;) {
    const reply = await open(path, last, signal);
    if (reply instanceof Response && reply.body) {
      for await (const block of blocks(reply.body)) {
        const found = parse(block);
        wait = found.retry ?? wait;
        if (found.data === undefined) continue;
        last = found.id || last;
        const event = { id: last, event: found.event, data: JSON.parse(found.data) };
        yield event;
        if (["completed", "failed"].includes(event.data.status)) return;
      }
    } else if (reply !== null && reply !== "again") {
      return;
    }
    if (signal?.aborted) return;
    await new Promise((done) => setTimeout(done, wait));
  }
}

/** A link of this gateway as a path, so that it works under whatever name the page was opened. @param {string} url */
export function local(url) {
  const origin = document.documentElement.dataset.origin ?? "";
  return origin && url.startsWith(`${origin}/`) ? url.slice(origin.length) : url;
}

/** @param {boolean} [anew] @returns {Promise<string>} empty where nobody is signed in */
async function token(anew = false) {
  if (anew || held === null || held.until - EARLY_S < Date.now() / 1000) await whoAmI();
  return held?.token ?? "";
}

/** @returns {Promise<Account | null | Bad>} */
async function trade() {
  const reply = await once("/web/session/token", { method: "POST" }, "");
  if (!reply.ok) return reply;
  return learn(reply.value);
}

/** @param {any} answer @returns {Account | null} */
function learn(answer) {
  held = answer.token ? { token: answer.token, until: answer.expires_at } : null;
  changed(answer.account ?? null);
  return answer.account ?? null;
}

/** @param {string} method @param {string} path @param {any} [body] @returns {Promise<Good | Bad>} */
async function session(method, path, body) {
  const reply = await once(path, { method, body }, "");
  if (reply.ok) learn(reply.value.token ? reply.value : {});
  if (reply.ok && method === "DELETE") await whoAmI();
  return reply;
}

/** @param {string} path @param {Options} options @param {string} bearer @returns {Promise<Good | Bad>} */
async function once(path, options, bearer) {
  const { body, form, signal } = options;
  const headers = new Headers(options.headers);
  if (bearer) headers.set("Authorization", `Bearer ${bearer}`);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  const method = options.method ?? (body !== undefined || form ? "POST" : "GET");
  try {
    const reply = await fetch(path, { method, headers, signal, body: form ?? (body === undefined ? undefined : JSON.stringify(body)) });
    return await judged(reply, bearer);
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ok: false, status: 0, code: "network", message: String(error) };
  }
}

/** @param {Response} reply @param {string} bearer @returns {Promise<Good | Bad>} */
async function judged(reply, bearer) {
  const text = await reply.text();
  const value = text && reply.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  if (reply.ok) return { ok: true, status: reply.status, value, headers: reply.headers };
  const error = value?.error ?? {};
  return {
    ok: false,
    status: reply.status,
    code: reply.status === 401 && !bearer ? "signed_out" : String(error.code ?? value?.code ?? reply.status),
    message: error.message ?? value?.msg ?? reply.statusText,
    param: error.param,
    reason: error.reason,
    requestId: reply.headers.get("x-request-id") ?? undefined,
    retryAfter: Number(reply.headers.get("retry-after")) || undefined,
    body: value,
  };
}

/** @param {string} path @param {string} last @param {AbortSignal} [signal] @returns {Promise<Response | "again" | "gone" | null>} */
async function open(path, last, signal) {
  try {
    const headers = { Authorization: `Bearer ${await token()}`, ...(last ? { "Last-Event-ID": last } : {}) };
    const reply = await fetch(path, { headers, signal });
    if (reply.ok) return reply;
    if (reply.status === 401) held = null;
    return reply.status === 401 || reply.status === 429 || reply.status >= 500 ? "again" : "gone";
  } catch {
    return null;
  }
}

/** @param {ReadableStream<Uint8Array>} stream @returns {AsyncGenerator<string, void, void>} */
async function* blocks(stream) {
  const reader = stream.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } catch {
    // a cut connection is resumed by the caller
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} block @returns {{id: string, event: string, data?: string, retry?: number}} */
function parse(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trimStart();
  }
  return { id: fields.id ?? "", event: fields.event ?? "message", data: fields.data, retry: fields.retry ? Number(fields.retry) : undefined };
}
