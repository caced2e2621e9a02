// The account in the header: balance, menu, sign-in dialog.
import { html } from "html";
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { noticeOfSignIn, signIn, signOut, signOutEverywhere } from "./api.js";
import { Dialog } from "./dialog.js";
import { withForm } from "./dom.js";
import { errorText } from "./errors.js";
import { TextField } from "./fields.js";
import { t } from "./i18n.js";
import { roundDecimal } from "./money.js";
import { account, balance, refreshAccount, refreshBalance, signInOpen } from "./store.js";

/** @typedef {import("./api.js").Account} Account */

const openSignIn = () => {
  signInOpen.value = true;
};
const closeSignIn = () => {
  signInOpen.value = false;
};

function Header() {
  const who = account.value;
  if (who === undefined) return html`<span class="skeleton" aria-hidden="true"> </span>`;
  return html`
    ${who ? html`<${Balance} /><${Menu} who=${who} />` : html`<${SignInButton} />`}
    ${signInOpen.value && html`<${SignInDialog} />`}
  `;
}

const SignInButton = () =>
  html`<button class="button main tight" onClick=${openSignIn}>${t("app.account.sign_in")}</button>`;

function Balance() {
  const found = balance.value;
  if (found === null) return html`<span class="balance"><span class="skeleton"> </span></span>`;
  const remaining = t("app.credits", { amount: roundDecimal(found.remaining, 2) });
  const held = Number(found.held) > 0 && t("app.account.held", { amount: roundDecimal(found.held, 2) });
  return html`<span class="balance" data-balance>${remaining}${held && html`<span>${held}</span>`}</span>`;
}

/** @param {{who: Account}} props */
function Menu({ who }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => (open ? onLeave(box, () => setOpen(false)) : undefined), [open]);
  const choose = (/** @type {() => any} */ act) => {
    setOpen(false);
    act();
  };
  const label = `${t("app.account.menu")}: ${who.name}`;
  return html`
    <div class="menu" ref=${box}>
      <button class="button tight" aria-expanded=${open} aria-label=${label} onClick=${() => setOpen(!open)}>
        ${who.name}
      </button>
      ${open && html`<div><${Balance} /><${who.local ? LocalItems : KeyItems} who=${who} choose=${choose} /></div>`}
    </div>
  `;
}

/**
 * Call `close` on Escape and on a press outside of the box. @returns the end of it
 * @param {{current: HTMLElement | null}} box @param {() => void} close
 */
function onLeave(box, close) {
  const listener = (/** @type {Event} */ event) => {
    const inside = box.current?.contains(/** @type {Node} */ (event.target));
    if (event instanceof KeyboardEvent ? event.key === "Escape" : !inside) close();
  };
  document.addEventListener("keydown", listener);
  document.addEventListener("pointerdown", listener);
  return () => {
    document.removeEventListener("keydown", listener);
    document.removeEventListener("pointerdown", listener);
  };
}

/** @typedef {{who: Account, choose: (act: () => any) => void}} MenuProps `choose` closes the menu and acts */

/** @param {MenuProps} props */
const LocalItems = ({ who, choose }) => html`
  <p class="small soft">${t("app.account.local")}</p>
  <button class="button tight" onClick=${() => choose(openSignIn)}>${t("app.account.other")}</button>
  <${KeyItems} who=${who} choose=${choose} />
`;

/** @param {MenuProps} props */
function KeyItems({ who, choose }) {
  const leave = (/** @type {() => Promise<any>} */ end) => () => choose(() => end().then(refreshAccount));
  return html`
    <p class="small"><code>${who.key_shown}</code></p>
    <button class="button tight" onClick=${leave(signOut)}>${t("app.account.sign_out")}</button>
    <button class="button tight bare" onClick=${leave(signOutEverywhere)}>${t("app.account.everywhere")}</button>
  `;
}

/** @param {import("./api.js").ApiError} error */
function signInError(error) {
  if (error.status === 401) return t("app.account.bad_key");
  if (error.status === 429) return t("app.account.busy", { seconds: error.retryAfter ?? 60 });
  return errorText(error);
}

/** Where the link is that needs no key; empty where there is none. */
export const linkAdvice = () => (noticeOfSignIn() === "link" ? t("app.account.link") : "");

/** What to know before the key is typed. */
function Notice() {
  const notice = noticeOfSignIn();
  if (!notice) return null;
  const style = notice === "link" ? "small" : "note small";
  return html`<p class=${style} data-notice=${notice}>${t(`app.account.${notice}`)}</p>`;
}

function SignInDialog() {
  const [error, setError] = useState("");
  const submit = withForm(async (form) => {
    const reply = await signIn(String(new FormData(form).get("key") ?? ""));
    if (!reply.ok) return setError(signInError(reply));
    closeSignIn();
    await refreshBalance();
  });
  return html`
    <${Dialog} title=${t("app.account.title")} onClose=${closeSignIn}>
      <form class="stack" onSubmit=${submit}>
        <${Notice} />
        <${TextField}
          id="sign-in-key"
          label=${t("app.account.key")}
          name="key"
          type="password"
          autocomplete="current-password"
          required
          spellcheck=${false}
          hint=${t("app.account.about")}
          error=${error}
        />
        <footer>
          <button type="button" class="button bare" onClick=${closeSignIn}>${t("app.cancel")}</button>
          <button class="button main" disabled=${noticeOfSignIn() === "https"}>${t("app.account.sign_in")}</button>
        </footer>
      </form>
    <//>
  `;
}

/** @param {HTMLElement} container */
export function mountAccount(container) {
  container.textContent = "";
  render(html`<${Header} />`, container);
}
