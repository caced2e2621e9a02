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
import { account, balance, refreshAccount, signInOpen } from "./store.js";

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
    ${who ? html`<${Menu} who=${who} />` : html`<${SignInButton} />`}
    ${signInOpen.value && html`<${SignInDialog} />`}
  `;
}

const SignInButton = () => html`<button class="button main" onClick=${openSignIn}>${t("app.account.sign_in")}</button>`;

/** @param {string} amount */
const credits = (amount) => t("app.credits", { amount: roundDecimal(amount, 2) });

function Balance() {
  const found = balance.value;
  if (found === null) return html`<span class="balance"><span class="skeleton"> </span></span>`;
  const held = Number(found.held) > 0 && t("app.account.held", { amount: roundDecimal(found.held, 2) });
  return html`
    <span class="balance" data-balance>${credits(found.remaining)}${held && html`<span>${held}</span>`}</span>
  `;
}

/** @param {{who: Account}} props */
function Menu({ who }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const leave = (/** @type {Event} */ event) => {
    setOpen(false);
    if (event instanceof KeyboardEvent) box.current?.querySelector("button")?.focus();
  };
  useEffect(() => (open ? onLeave(box, leave) : undefined), [open]);
  const choose = (/** @type {() => any} */ act) => {
    setOpen(false);
    act();
  };
  return html`
    <div class="menu" ref=${box}>
      <button class="button" aria-expanded=${open} onClick=${() => setOpen(!open)}>
        <span class="unseen">${t("app.account.menu")}: </span><${Balance} /><span class="who">${who.name}</span>
      </button>
      ${open && html`<div><${Amounts} /><${who.local ? LocalItems : KeyItems} who=${who} choose=${choose} /></div>`}
    </div>
  `;
}

/** What the button has no room for on a phone. */
function Amounts() {
  const found = balance.value;
  if (found === null) return null;
  return html`
    <dl class="amounts">
      <dt>${t("app.account.available")}</dt><dd>${credits(found.remaining)}</dd>
      <dt>${t("app.account.on_hold")}</dt><dd>${credits(found.held)}</dd>
    </dl>
  `;
}

/**
 * Call `close` on Escape and on a press outside of the box.
 * @param {{current: HTMLElement | null}} box
 * @param {(event: Event) => void} close
 * @returns the end of it
 */
function onLeave(box, close) {
  const listener = (/** @type {Event} */ event) => {
    const inside = box.current?.contains(/** @type {Node} */ (event.target));
    if (event instanceof KeyboardEvent ? event.key === "Escape" : !inside) close(event);
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
    <p class="small soft">${who.name} · <code>${who.key_shown}</code></p>
    <div class="links">
      <button class="button tight" onClick=${leave(signOut)}>${t("app.account.sign_out")}</button>
      <button class="button tight bare" onClick=${leave(signOutEverywhere)}>${t("app.account.everywhere")}</button>
    </div>
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
  const works = noticeOfSignIn() !== "https";
  return html`
    <${Dialog} title=${t("app.account.title")} closeButton onClose=${closeSignIn}>
      <div class="stack"><${Notice} />${works && html`<${SignInForm} />`}</div>
    <//>
  `;
}

function SignInForm() {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = withForm(async (form) => {
    if (busy) return;
    setBusy(true);
    const reply = await signIn(String(new FormData(form).get("key") ?? "").trim());
    setBusy(false);
    if (reply.ok) closeSignIn();
    else setError(signInError(reply));
  });
  return html`
    <form class="stack" onSubmit=${submit}>
      <${TextField}
        id="sign-in-key"
        label=${t("app.account.key")}
        name="key"
        type="password"
        autocomplete="current-password"
        required
        autofocus
        spellcheck=${false}
        hint=${t("app.account.about")}
        error=${error}
        onInput=${() => setError("")}
      />
      <footer>
        <button type="button" class="button" data-close>${t("app.cancel")}</button>
        <button class="button main" aria-busy=${busy}>${t("app.account.sign_in")}</button>
      </footer>
    </form>
  `;
}

/** @param {HTMLElement} container */
export function mountAccount(container) {
  container.textContent = "";
  render(html`<${Header} />`, container);
}
