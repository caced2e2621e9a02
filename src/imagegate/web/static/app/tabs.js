// What a page without a script shows one below the other becomes tabs; and code can be copied.
import { t } from "./i18n.js";
import { toast } from "./store.js";

/** @param {HTMLElement} box */
function makeTabs(box) {
  const list = /** @type {HTMLElement | null} */ (box.querySelector(":scope > [role=tablist]"));
  if (!list) return;
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  const choose = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !on;
    }
  };
  for (const [at, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(at + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  }
  list.hidden = false;
  choose(tabs[0]);
}

/** Endpoints: one at a time, by the address. @param {HTMLElement} box */
function makePicker(box) {
  const articles = /** @type {HTMLElement[]} */ ([...box.querySelectorAll(".endpoint")]);
  const links = [...box.querySelectorAll(".picker a[href^='#']")];
  const show = () => {
    const wanted = articles.find((one) => `#${one.id}` === location.hash) ?? articles[0];
    for (const one of articles) one.hidden = one !== wanted;
    for (const link of links) link.toggleAttribute("aria-current", false);
    links.find((link) => link.getAttribute("href") === `#${wanted.id}`)?.setAttribute("aria-current", "true");
  };
  addEventListener("hashchange", () => {
    if (articles.some((one) => `#${one.id}` === location.hash)) show();
  });
  show();
}

/** @param {HTMLButtonElement} button */
function makeCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement?.querySelector("code")?.textContent ?? "");
    toast(t("app.copied"));
  });
}

export function enhance() {
  for (const box of document.querySelectorAll("[data-tabs]")) makeTabs(/** @type {HTMLElement} */ (box));
  for (const box of document.querySelectorAll("[data-reference]")) makePicker(/** @type {HTMLElement} */ (box));
  if (navigator.clipboard) for (const one of document.querySelectorAll("[data-copy]")) makeCopy(/** @type {HTMLButtonElement} */ (one));
}
