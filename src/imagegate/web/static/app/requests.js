// Requests to the gateway, and what its answers and those of proxies before it say.
import { checkConnection } from "./connection.js";

/**
 * @typedef {import("./api.js").Options} Options
 * @typedef {import("./api.js").Reply} Reply
 */

// What the upload surface and proxies answer with, by the names that `/v1` has for the same.
/** @type {Record<number, string>} */
const NUMBERED_CODES = {
  400: "invalid_request",
  401: "unauthorized",
  402: "insufficient_quota",
  403: "permission_denied",
  404: "not_found",
  413: "request_too_large",
  415: "unsupported_media_type",
  429: "rate_limit_exceeded",
  500: "internal_error",
  502: "service_unavailable",
  503: "service_unavailable",
  504: "service_unavailable",
  40001: "file_too_large",
  40002: "file_type_not_allowed",
  40003: "file_quota_exceeded",
  40004: "file_not_fetched",
  50001: "storage_failed",
};

/** @type {Reply} */
const NO_ANSWER = { ok: false, status: 0, code: "network", message: "" };

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @param {string} [bearerToken]
 * @returns {Promise<Reply>}
 */
export async function request(method, path, { body, headers, signal } = {}, bearerToken = "") {
  const sent = new Headers(headers);
  if (bearerToken) sent.set("Authorization", `Bearer ${bearerToken}`);
  if (body !== undefined) sent.set("Content-Type", "application/json");
  const content = body === undefined ? undefined : JSON.stringify(body);
  try {
    return await readReply(await fetch(path, { method, headers: sent, signal, body: content }), bearerToken);
  } catch (error) {
    if (signal?.aborted) throw error;
    checkConnection();
    return NO_ANSWER;
  }
}

/**
 * `fetch` does not tell how much it has sent.
 * @param {FormData} form
 * @param {string} bearerToken
 * @param {{onProgress?: (part: number) => void, signal?: AbortSignal}} options
 * @returns {Promise<Reply>}
 */
export function sendForm(form, bearerToken, { onProgress, signal }) {
  return new Promise((resolve) => {
    const http = new XMLHttpRequest();
    http.open("POST", "/api/v1/files/upload/stream");
    if (bearerToken) http.setRequestHeader("Authorization", `Bearer ${bearerToken}`);
    http.upload.onprogress = ({ loaded, total }) => onProgress?.(total ? loaded / total : 0);
    signal?.addEventListener("abort", () => http.abort());
    http.onloadend = () => {
      const { status, responseText } = http;
      const headers = new Headers();
      for (const header of ["content-type", "x-request-id", "retry-after"]) {
        headers.set(header, http.getResponseHeader(header) ?? "");
      }
      if (status) resolve(readReply(new Response(responseText, { status, headers }), bearerToken));
      else resolve(NO_ANSWER);
    };
    http.send(form);
  });
}

/** @param {Response} response @param {string} bearerToken @returns {Promise<Reply>} */
async function readReply(response, bearerToken) {
  const { status, headers } = response;
  if (status === 502 || status === 504) checkConnection();
  const text = await response.text();
  const value = text && headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  if (response.ok) return { ok: true, status, value };
  // `/v1` answers {"error": {…}}, the upload surface {"code": …, "msg": …}, a proxy in front whatever it likes.
  const error = value?.error ?? {};
  const code = error.code ?? NUMBERED_CODES[value?.code ?? status] ?? String(status);
  return {
    ok: false,
    status,
    code: status === 401 && !bearerToken ? "signed_out" : code,
    message: error.message ?? value?.msg ?? "",
    reason: error.reason,
    param: error.param,
    requestId: headers.get("x-request-id") ?? undefined,
    retryAfter: Number(headers.get("retry-after")) || undefined,
    estimated: error.estimated_credits === undefined ? undefined : String(error.estimated_credits),
    remaining: error.remaining_credits === undefined ? undefined : String(error.remaining_credits),
  };
}
