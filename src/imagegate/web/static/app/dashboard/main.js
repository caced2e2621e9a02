// The dashboard: who looks decides which views there are, the address decides which one is shown.
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { html } from "html";
import { t } from "../i18n.js";
import { account, signingIn } from "../store.js";
import { Accounts } from "./accounts.js";
import { Costs } from "./costs.js";
import { Keys } from "./keys.js";
import { Overruns } from "./overruns.js";
import { Overview } from "./overview.js";
import { Credits } from "./ledger.js";
import { d, Empty, Waiting } from "./parts.js";
import { link, place } from "./place.js";
import { Routes } from "./routes.js";
import { Tasks } from "./tasks.js";
import { Usage } from "./usage.js";
import { Webhooks } from "./webhooks.js";

/** @type {Record<string, any>} */
const CUSTOMER = { overview: Overview, tasks: Tasks, usage: Usage, credits: Credits, keys: Keys, webhooks: Webhooks };
/** @type {Record<string, any>} */
const OPERATOR = { accounts: Accounts, routes: Routes, costs: Costs, overruns: Overruns };

/** @param {{names: string[], title?: string}} props */
const Links = ({ names, title }) => html`${title && html`<p class="label">${title}</p>`}<ul>
  ${names.map((name) => html`<li><a href=${link(name)} aria-current=${place.value.view === name ? "page" : undefined}>${d(`views.${name}`)}</a></li>`)}
</ul>`;

function Dashboard() {
  const who = account.value;
  const { view, id } = place.value;
  const first = useRef(true);
  useEffect(() => {
    if (!first.current && who) document.getElementById("view-title")?.focus();
    if (who) first.current = false;
    const current = document.querySelector(".dash-nav [aria-current]");
    const strip = current?.closest("ul");
    if (current instanceof HTMLElement && strip) strip.scrollLeft = current.offsetLeft - strip.offsetLeft - 24;
  }, [view, id, Boolean(who)]);
  if (who === undefined) return html`<${Waiting} />`;
  if (who === null) return html`<${SignedOut} />`;
  const operator = who.scopes.includes("admin");
  const Shown = CUSTOMER[view] ?? (operator ? OPERATOR[view] : undefined);
  return html`<div class="dash">
    <nav class="dash-nav" aria-label=${d("navigation")}>
      <${Links} names=${Object.keys(CUSTOMER)} />
      ${operator && html`<${Links} names=${Object.keys(OPERATOR)} title=${d("operator")} />`}
    </nav>
    <div class="dash-body" key=${`${who.key_shown} ${who.name}`}>
      ${Shown ? html`<${Shown} id=${id} />` : html`<${Empty} title=${d("absent.title")} text=${d("absent.text")}><a class="button" href=${link("overview")}>${d("views.overview")}</a></${Empty}>`}
    </div>
  </div>`;
}

const SignedOut = () => html`<${Empty} title=${d("signed_out.title")} text=${d("signed_out.text")}>
  <button class="button main" onClick=${() => (signingIn.value = true)}>${t("app.account.sign_in")}</button>
</${Empty}>`;

const box = document.getElementById("dashboard");
if (box) render(html`<${Dashboard} />`, box);
