// State that the whole page shares, as signals.
import { signal } from "@preact/signals";
import { get, loadAccount, onAccount } from "./api.js";
import { t } from "./i18n.js";
import { showToast } from "./toast.js";

export { showToast } from "./toast.js";

/** @typedef {import("./api.js").Account} Account */
/** @typedef {{remaining: string, held: string}} Balance credits as decimal text */

const YEAR_S = 31_536_000;

/** undefined: not known yet; null: nobody is signed in. */
export const account = signal(/** @type {Account | null | undefined} */ (undefined));
export const balance = signal(/** @type {Balance | null} */ (null));
/** Whether the sign-in dialog is open. */
export const signInOpen = signal(false);
/** "light", "dark" or "" for the system's. */
export const theme = signal(document.documentElement.dataset.theme ?? "");

export const isOperator = () => Boolean(account.value?.scopes.includes("admin"));

onAccount((found) => {
  const known = account.value;
  // A renewed token of the same session changes nothing.
  if (known && found && JSON.stringify(known) === JSON.stringify(found)) return;
  balance.value = null;
  account.value = found;
  if (!found) return;
  if (known) showToast(t("app.account.changed", { name: found.name }));
  refreshBalance();
});

/** Look who is signed in, and at the balance. */
export async function refreshAccount() {
  const known = account.value;
  const found = await loadAccount();
  if (found && "code" in found) account.value ??= null;
  else if (known && known === account.value) await refreshBalance();
}

/** To be called after anything that holds or charges. */
export async function refreshBalance() {
  const reply = await get("/v1/credits");
  if (!reply.ok) return;
  const { remaining_credits: remaining, reserved_credits: held } = reply.value.data.user;
  balance.value = { remaining: String(remaining), held: String(held) };
}

/** @param {string} choice */
export function chooseTheme(choice) {
  theme.value = choice;
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is missing on plain http
  document.cookie = `theme=${choice}; Path=/; SameSite=Lax; Max-Age=${choice ? YEAR_S : 0}${secure}`;
}
