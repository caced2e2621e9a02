// Runs on every page: theme, tabs, times, account.
import { mountAccount } from "./account.js";
import { isLink, onLinkRefused } from "./api.js";
import { onBack } from "./connection.js";
import { formatTime, t } from "./i18n.js";
import { chooseTheme, refreshAccount, showToast } from "./store.js";
import { enhancePage } from "./tabs.js";

enhancePage();

const buttons = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#theme [data-choice]")]);
for (const button of buttons) {
  button.addEventListener("click", () => {
    chooseTheme(button.dataset.choice ?? "");
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
  });
}

for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-time]"))) {
  time.textContent = formatTime(Date.parse(time.dateTime) / 1000, { dateStyle: "medium", timeStyle: "medium" });
}

const container = document.getElementById("account");
if (container) mountAccount(container);
onLinkRefused(() => showToast(t("app.account.old_link"), "bad"));
addEventListener("hashchange", () => isLink() && refreshAccount());
onBack(refreshAccount);

const menu = document.getElementById("site");
menu?.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link) return;
  // The other language shows the same view, which stands after the #.
  if (link.hreflang) link.hash = location.hash;
  if (menu.matches(":popover-open")) menu.hidePopover();
});
await refreshAccount();
