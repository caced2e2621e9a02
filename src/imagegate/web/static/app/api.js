// The public API as the page calls it: the session is exchanged for a token that exists only in this module's memory.
import { eraseDatabase } from "./database.js";
import { readEvents } from "./events.js";
import { request, sendForm } from "./requests.js";

/**
 * @typedef {{ok: true, status: number, value: any}} Success
 * @typedef {{ok: false, status: number, code: string, message: string, reason?: string, param?: string,
 *   requestId?: string, retryAfter?: number, estimated?: string, remaining?: string}} ApiError
 *   status 0: unreachable; code "signed_out": no session; the amounts are credits
 * @typedef {Success | ApiError} Reply
 * @typedef {{body?: any, headers?: Record<string, string>, signal?: AbortSignal}} Options
 * @typedef {{name: string, key_name: string, key_shown: string, scopes: string[], local: boolean}} Account
 * @typedef {{token?: string, expires_at?: number, account?: Account, sign_in?: string}} Session
 */

// A token is replaced this long before its end, so that none expires on the way.
const TOKEN_MARGIN_S = 60;
const DEFAULT_RECONNECT_MS = 2000;

/** @type {ApiError} */
const ACCOUNT_CHANGED = { ok: false, status: 401, code: "account_changed", message: "" };

// The link that the start of the gateway prints ends so, followed by a secret.
const LINK_PREFIX = "#open=";

/** @type {{value: string, expiresAt: number} | null} */
let token = null;
/** How a visitor can sign in: "link", "plain", "https" or "", as `web/sessions.py` says. */
let signInNotice = "";
/** The exchange under way, which all callers share. @type {Promise<Account | null | ApiError> | null} */
let exchange = null;
/** @type {(account: Account | null) => void} */
let accountListener = () => {};

let linkRefusedListener = () => {};

/** Who is signed in, as the page shows it: the key's visible part. */
let shownKey = "";
/** Tells the other tabs that somebody signed in or out. */
const otherTabs = new BroadcastChannel("imagegate-session");
otherTabs.onmessage = async () => {
  token = null;
  await exchange; // it may have begun before the change
  await loadAccount();
};

/** Whether nobody knows what became of a call: no answer, or a proxy's that none came. @param {ApiError} error */
export const isUnanswered = ({ status }) => status === 0 || status === 502 || status === 504;

/** Whether a task has reached a final state. @param {string | undefined} status */
export const isFinal = (status) => status === "completed" || status === "failed";

/** Its status; "cancelled" where that is why it failed. @param {{status: string, error?: any}} task */
export const taskState = ({ status, error }) => (error?.code === "request_cancelled" ? "cancelled" : status);

/** Notify `listener` after every exchange. @param {(account: Account | null) => void} listener */
export function onAccount(listener) {
  accountListener = listener;
}

/** Notify `listener` when the link in the address signed nobody in. @param {() => void} listener */
export function onLinkRefused(listener) {
  linkRefusedListener = listener;
}

/** The account that is signed in, null for nobody, or the error. @returns {Promise<Account | null | ApiError>} */
export function loadAccount() {
  exchange ??= exchangeSession().finally(() => {
    exchange = null;
  });
  return exchange;
}

/** What to say before a key is typed: "link": a link needs none; "plain": no TLS; "https": it cannot work without. */
export const noticeOfSignIn = () => signInNotice;

/** Whether the address is the link that a start has printed. */
export const isLink = () => location.hash.startsWith(LINK_PREFIX);

/** Sign in with the secret in the address. It leaves the address first, and with it the history. */
async function openLink() {
  const secret = location.hash.slice(LINK_PREFIX.length);
  history.replaceState(null, "", location.pathname + location.search);
  return request("POST", "/web/session/link", { body: { secret } });
}

/** @param {string} key */
export async function signIn(key) {
  const reply = await request("POST", "/web/session", { body: { key } });
  if (reply.ok) replaceSession(reply.value);
  return reply;
}

export const signOut = () => endSession("/web/session");
export const signOutEverywhere = () => endSession("/web/sessions");

// One function for each kind of call. Errors are values; only an aborted signal throws.

/** @param {string} path @param {Options} [options] */
export const get = (path, options) => call("GET", path, options);
/** @param {string} path @param {any} [body] sent as JSON @param {Options} [options] */
export const post = (path, body, options) => call("POST", path, { ...options, body });
/** @param {string} path @param {any} body */
export const patch = (path, body) => call("PATCH", path, { body });
/** @param {string} path */
export const remove = (path) => call("DELETE", path);

/**
 * @param {Blob} file
 * @param {string} name
 * @param {{onProgress?: (part: number) => void, signal?: AbortSignal}} [options] `part`: what is sent, 0 to 1
 * @returns {Promise<Reply>} also where it was aborted
 */
export async function upload(file, name, options = {}) {
  const form = new FormData();
  form.append("file", file, name);
  const reply = await sendForm(form, await bearer(), options);
  if (reply.ok || reply.status !== 401 || !token) return reply;
  await loadAccount();
  return sendForm(form, await bearer(), options);
}

/**
 * The task after each of its events, until it has ended; a lost connection is resumed after the last one received.
 * @param {string} path of the events
 * @returns {AsyncGenerator<any, void, void>}
 */
export async function* followTask(path) {
  const stream = { lastId: "", reconnectMs: DEFAULT_RECONNECT_MS };
  for (;;) {
    const response = await openStream(path, stream.lastId);
    if (response && !response.ok && !isTransient(response.status)) return;
    if (response?.ok && response.body) {
      for await (const task of readEvents(response.body, stream)) {
        yield task;
        if (isFinal(task.status)) return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, stream.reconnectMs));
  }
}

/** A link of this gateway as a path, so that it works under whatever name the page was opened. @param {string} url */
export function localPath(url) {
  const origin = document.documentElement.dataset.origin ?? "";
  return origin && url.startsWith(`${origin}/`) ? url.slice(origin.length) : url;
}

/**
 * A refused token is replaced once. Where another tab has signed in somebody else meanwhile, nothing is sent: it would
 * be at the expense of an account that this page did not show.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<Reply>}
 */
async function call(method, path, options) {
  const asKey = shownKey;
  const isOther = () => asKey !== "" && shownKey !== "" && shownKey !== asKey;
  const bearerToken = await bearer();
  if (isOther()) return ACCOUNT_CHANGED;
  const reply = await request(method, path, options, bearerToken);
  if (reply.ok || reply.status !== 401 || !bearerToken) return reply;
  await loadAccount();
  return isOther() ? ACCOUNT_CHANGED : request(method, path, options, await bearer());
}

/** Empty where nobody is signed in. @returns {Promise<string>} */
async function bearer() {
  if (!token || token.expiresAt - TOKEN_MARGIN_S < Date.now() / 1000) await loadAccount();
  return token?.value ?? "";
}

async function exchangeSession() {
  const opened = isLink() ? await openLink() : null;
  if (opened?.ok) return replaceSession(opened.value);
  if (opened) linkRefusedListener();
  const reply = await request("POST", "/web/session/token");
  // Whoever followed a link meanwhile was given this exchange, which did not know of it.
  if (isLink()) return exchangeSession();
  return reply.ok ? storeToken(reply.value) : reply;
}

/** @param {string} path */
async function endSession(path) {
  const reply = await request("DELETE", path);
  if (!reply.ok) return reply;
  eraseDatabase();
  replaceSession({});
  await loadAccount();
  return reply;
}

/** @param {Session} session */
function replaceSession(session) {
  otherTabs.postMessage("changed");
  return storeToken(session);
}

/** @param {Session} session @returns {Account | null} */
function storeToken(session) {
  signInNotice = session.sign_in ?? "";
  token = session.token ? { value: session.token, expiresAt: session.expires_at ?? 0 } : null;
  const account = session.account ?? null;
  shownKey = account?.key_shown ?? "";
  accountListener(account);
  return account;
}

/** @param {string} path @param {string} lastId @returns {Promise<Response | null>} null where nothing answered */
async function openStream(path, lastId) {
  const headers = { Authorization: `Bearer ${await bearer()}`, ...(lastId ? { "Last-Event-ID": lastId } : {}) };
  try {
    const response = await fetch(path, { headers });
    if (response.status === 401) token = null;
    return response;
  } catch {
    return null;
  }
}

/** @param {number} status of a stream that was refused; 401 brings a new token, the others pass */
const isTransient = (status) => status === 401 || status === 429 || status >= 500;
