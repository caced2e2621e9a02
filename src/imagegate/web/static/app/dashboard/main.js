// The dashboard: the signed-in account decides which views there are, the address which one is shown.
import { html } from "html";
import { render } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { linkAdvice } from "../account.js";
import { account, isOperator } from "../store.js";
import { Accounts } from "./accounts.js";
import { Audit } from "./audit.js";
import { d, Empty, Loading, SignInButton } from "./components.js";
import { Gateway } from "./gateway.js";
import { Keys } from "./keys.js";
import { Credits } from "./ledger.js";
import { Overruns } from "./overruns.js";
import { Overview } from "./overview.js";
import { address, linkTo } from "./router.js";
import { Routes } from "./routes.js";
import { Tasks } from "./tasks.js";
import { Usage } from "./usage.js";
import { Webhooks } from "./webhooks.js";
import { Work } from "./work.js";

/** @type {Record<string, any>} */
const CUSTOMER_VIEWS = {
  overview: Overview,
  tasks: Tasks,
  usage: Usage,
  credits: Credits,
  keys: Keys,
  webhooks: Webhooks,
};
/** @type {Record<string, any>} */
const OPERATOR_VIEWS = {
  gateway: Gateway,
  work: Work,
  accounts: Accounts,
  routes: Routes,
  overruns: Overruns,
  audit: Audit,
};

/** Without one in the address it is the overview: for operators that of the whole gateway. */
const currentView = () => address.value.view || (isOperator() ? "gateway" : "overview");

/** @param {{names: string[], title?: string}} props */
function Links({ names, title }) {
  const link = (/** @type {string} */ name) => {
    const current = currentView() === name ? "page" : undefined;
    return html`<li><a href=${linkTo(name)} aria-current=${current}>${d(`views.${name}`)}</a></li>`;
  };
  return html`
    ${title && html`<p class="label">${title}</p>`}
    <ul>${names.map(link)}</ul>
  `;
}

/**
 * Focus a new view's heading and scroll its link into the strip; the first view leaves the focus where it is.
 * Before the view is drawn: later, the focus would be taken from a field in which somebody already types.
 */
function useViewFocus() {
  const first = useRef(true);
  const { view, id } = address.value;
  const signedIn = Boolean(account.value);
  useLayoutEffect(() => {
    if (!first.current && signedIn) document.getElementById("view-title")?.focus();
    if (signedIn) first.current = false;
    const link = document.querySelector(".dash-nav [aria-current]");
    const strip = link?.closest(".dash-nav");
    if (link instanceof HTMLElement && strip) strip.scrollLeft = link.offsetLeft - 24;
  }, [view, id, signedIn]);
}

function Dashboard() {
  const who = account.value;
  useViewFocus();
  if (who === undefined) return html`<${Loading} />`;
  if (who === null) return html`<${SignedOut} />`;
  const { id } = address.value;
  const view = currentView();
  const shown = CUSTOMER_VIEWS[view] ?? (isOperator() ? OPERATOR_VIEWS[view] : undefined) ?? UnknownView;
  return html`
    <div class="dash">
      <nav class="dash-nav" aria-label=${d("navigation")}>
        ${isOperator() && html`<${Links} names=${Object.keys(OPERATOR_VIEWS)} title=${d("operator")} />`}
        <${Links} names=${Object.keys(CUSTOMER_VIEWS)} title=${isOperator() ? d("own_account") : ""} />
      </nav>
      <div class="dash-body" key=${`${who.key_shown} ${who.name}`}><${shown} id=${id} /></div>
    </div>
  `;
}

const SignedOut = () => html`
  <${Empty} title=${d("signed_out.title")} text=${`${d("signed_out.text")} ${linkAdvice()}`}><${SignInButton} /><//>
`;

const UnknownView = () => html`
  <${Empty} title=${d("unknown_view.title")} text=${d("unknown_view.text")}>
    <a class="button" href=${linkTo("overview")}>${d("views.overview")}</a>
  <//>
`;

const container = document.getElementById("dashboard");
if (container) render(html`<${Dashboard} />`, container);
