// What several parts of the page share, as signals.
import { signal } from "@preact/signals";
import { call, onAccount, whoAmI } from "./api.js";

/** @typedef {import("./api.js").Account} Account */
/** @typedef {{remaining: string, held: string}} Balance credits as decimal text */

/** undefined: not asked yet; null: nobody is signed in. */
export const account = signal(/** @type {Account | null | undefined} */ (undefined));
export const balance = signal(/** @type {Balance | null} */ (null));
/** Open the sign-in dialog by setting this. */
export const signingIn = signal(false);
/** "light", "dark" or "" for the system's. */
export const theme = signal(document.documentElement.dataset.theme ?? "");

onAccount((found) => {
  if (found === null) balance.value = null;
  account.value = found;
});

/** Ask who is signed in, and what they have. */
export async function refresh() {
  const found = await whoAmI();
  if (found === null || "code" in found) account.value = null;
  else await refreshBalance();
}

/** After anything that holds or charges. */
export async function refreshBalance() {
  const reply = await call("/v1/credits");
  if (!reply.ok) return;
  const user = reply.value.data.user;
  balance.value = { remaining: String(user.remaining_credits), held: String(user.reserved_credits) };
}

/** @param {string} choice */
export function chooseTheme(choice) {
  theme.value = choice;
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${choice}; Path=/; SameSite=Lax; Max-Age=${choice ? 31536000 : 0}${secure}`;
}

/** A short message at the edge of the page. @param {string} text @param {"" | "bad"} [kind] */
export function toast(text, kind = "") {
  const box = document.createElement("div");
  box.className = `toast ${kind}`;
  box.textContent = text;
  document.getElementById("toasts")?.append(box);
  setTimeout(() => box.remove(), 6000);
}
