// Enhances what a page without a script shows one below the other: tabs, the endpoint picker, copy buttons.
import { t } from "./i18n.js";
import { showToast } from "./store.js";

/** @param {HTMLElement} box */
function makeTabs(box) {
  const list = /** @type {HTMLElement | null} */ (box.querySelector(":scope > [role=tablist]"));
  if (!list) return;
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  const choose = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !selected;
    }
  };
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  }
  list.hidden = false;
  choose(tabs[0]);
}

/** Shows one endpoint at a time, by the address. @param {HTMLElement} box */
function makeEndpointPicker(box) {
  const articles = /** @type {HTMLElement[]} */ ([...box.querySelectorAll(".endpoint")]);
  const links = [...box.querySelectorAll(".picker a[href^='#']")];
  const current = () => articles.find((article) => `#${article.id}` === location.hash);
  const show = (/** @type {HTMLElement} */ chosen) => {
    for (const article of articles) article.hidden = article !== chosen;
    for (const link of links) link.toggleAttribute("aria-current", false);
    links.find((link) => link.getAttribute("href") === `#${chosen.id}`)?.setAttribute("aria-current", "true");
  };
  addEventListener("hashchange", () => {
    const chosen = current();
    if (chosen) show(chosen);
  });
  show(current() ?? articles[0]);
}

/** @param {HTMLButtonElement} button */
function makeCopyButton(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement?.querySelector("code")?.textContent ?? "");
    showToast(t("app.copied"));
  });
}

/** @param {string} selector @param {(element: any) => void} enhance */
function forEach(selector, enhance) {
  for (const element of document.querySelectorAll(selector)) enhance(element);
}

export function enhancePage() {
  forEach("[data-tabs]", makeTabs);
  forEach("[data-reference]", makeEndpointPicker);
  if (navigator.clipboard) forEach("[data-copy]", makeCopyButton);
}
