// Runs on every page: theme, tabs, times, account.
import { showAccount } from "./account.js";
import { moment } from "./i18n.js";
import { chooseTheme, refresh } from "./store.js";
import { enhance } from "./tabs.js";

enhance();

const buttons = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#theme [data-choice]")]);
for (const button of buttons) {
  button.addEventListener("click", () => {
    chooseTheme(button.dataset.choice ?? "");
    for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
  });
}

for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-time]"))) {
  time.textContent = moment(Date.parse(time.dateTime) / 1000, { dateStyle: "medium", timeStyle: "medium" });
}

const place = document.getElementById("account");
if (place) showAccount(place);
await refresh();
