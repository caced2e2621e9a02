// The corner of the header: balance, menu, sign-in dialog.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "html";
import { signIn, signOut, signOutEverywhere } from "./api.js";
import { t } from "./i18n.js";
import { rounded } from "./money.js";
import { account, balance, refresh, refreshBalance, signingIn } from "./store.js";

/** @param {string} text */
const amount = (text) => t("app.credits", { amount: rounded(text, 2) });

function Corner() {
  const who = account.value;
  if (who === undefined) return html`<span class="skeleton" aria-hidden="true"> </span>`;
  if (who === null) return html`<button class="button main tight" onClick=${() => (signingIn.value = true)}>${t("app.account.sign_in")}</button><${SignIn} />`;
  return html`<${Balance} /><${Menu} who=${who} /><${SignIn} />`;
}

function Balance() {
  const found = balance.value;
  if (found === null) return html`<span class="balance"><span class="skeleton"> </span></span>`;
  const held = Number(found.held) > 0;
  return html`<span class="balance" data-balance>${amount(found.remaining)}${held && html`<span>${t("app.account.held", { amount: rounded(found.held, 2) })}</span>`}</span>`;
}

/** @param {{who: import("./api.js").Account}} props */
function Menu({ who }) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!open) return undefined;
    const away = (/** @type {Event} */ event) => {
      const escape = event instanceof KeyboardEvent && event.key === "Escape";
      if (escape || (event.type === "pointerdown" && !box.current?.contains(/** @type {Node} */ (event.target)))) setOpen(false);
    };
    document.addEventListener("keydown", away);
    document.addEventListener("pointerdown", away);
    return () => {
      document.removeEventListener("keydown", away);
      document.removeEventListener("pointerdown", away);
    };
  }, [open]);
  const leave = async (/** @type {() => Promise<any>} */ way) => {
    setOpen(false);
    await way();
    await refresh();
  };
  return html`<div class="menu" ref=${box}>
    <button class="button tight" aria-expanded=${open} aria-label=${`${t("app.account.menu")}: ${who.name}`} onClick=${() => setOpen(!open)}>${who.name}</button>
    ${open && html`<div>
      <${Balance} />
      ${who.local
        ? html`<p class="small soft">${t("app.account.local")}</p>
            <button class="button tight" onClick=${() => { setOpen(false); signingIn.value = true; }}>${t("app.account.other")}</button>`
        : html`<p class="small"><code>${who.key_shown}</code></p>
            <button class="button tight" onClick=${() => leave(signOut)}>${t("app.account.sign_out")}</button>
            <button class="button tight bare" onClick=${() => leave(signOutEverywhere)}>${t("app.account.everywhere")}</button>`}
    </div>`}
  </div>`;
}

function SignIn() {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [fault, setFault] = useState("");
  useEffect(() => {
    if (signingIn.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [signingIn.value]);
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const reply = await signIn(String(new FormData(form).get("key") ?? ""));
    if (reply.ok) {
      form.reset();
      setFault("");
      signingIn.value = false;
      await refreshBalance();
    } else if (reply.status === 401) setFault(t("app.account.bad_key"));
    else if (reply.status === 429) setFault(t("app.account.busy", { seconds: reply.retryAfter ?? 60 }));
    else setFault(reply.status ? reply.message : t("app.errors.network"));
  };
  return html`<dialog class="dialog" ref=${dialog} aria-labelledby="sign-in-title" onClose=${() => (signingIn.value = false)}>
    <form onSubmit=${submit}>
      <header><h2 class="small-title" id="sign-in-title">${t("app.account.title")}</h2></header>
      <div class="field">
        <label for="sign-in-key">${t("app.account.key")}</label>
        <input class="input" id="sign-in-key" name="key" type="password" autocomplete="current-password" required spellcheck=${false} aria-invalid=${fault ? "true" : "false"} aria-describedby="sign-in-about sign-in-fault" />
        <p class="fault" id="sign-in-fault" role="alert">${fault}</p>
        <p class="hint" id="sign-in-about">${t("app.account.about")}</p>
      </div>
      <footer>
        <button type="button" class="button bare" onClick=${() => (signingIn.value = false)}>${t("app.cancel")}</button>
        <button class="button main">${t("app.account.sign_in")}</button>
      </footer>
    </form>
  </dialog>`;
}

/** @param {HTMLElement} place */
export function showAccount(place) {
  place.textContent = "";
  render(html`<${Corner} />`, place);
}
