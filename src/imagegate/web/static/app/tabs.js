// Enhances what a page without a script shows one below the other: tabs, the endpoint picker, copy buttons.
import { t } from "./i18n.js";
import { showToast } from "./toast.js";

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

/** @type {Record<string, import("./playground/highlight.js").Language>} */
const LANGUAGES = { cURL: "shell", Python: "python", JavaScript: "javascript", JSON: "javascript" };

/** Colours the programs that come near the window. */
async function highlightPrograms() {
  const { highlight } = await import("./playground/highlight.js");
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        const language = LANGUAGES[target.getAttribute("data-highlight") ?? ""];
        target.replaceChildren(...highlight(target.textContent ?? "", language).map(toSpan));
      }
    },
    { rootMargin: "400px" },
  );
  forEach("[data-highlight]", (element) => observer.observe(element));
}

/** @param {import("./playground/highlight.js").Piece} piece */
function toSpan({ kind, text }) {
  const span = document.createElement("span");
  if (kind) span.className = `code-${kind}`;
  span.textContent = text;
  return span;
}

/** @param {string} selector @param {(element: any) => void} enhance */
function forEach(selector, enhance) {
  for (const element of document.querySelectorAll(selector)) enhance(element);
}

export function enhancePage() {
  forEach("[data-tabs]", makeTabs);
  forEach("[data-reference]", makeEndpointPicker);
  if (navigator.clipboard) forEach("[data-copy]", makeCopyButton);
  if (document.querySelector("[data-highlight]")) highlightPrograms();
}
