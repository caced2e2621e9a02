// Tells of ended work: to a screen reader, in the title of the tab, and as a notification where the person wants it.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { t } from "../i18n.js";
import { readStored, writeStored } from "../storage.js";
import { BellIcon } from "./icons.js";
import { openTaskById } from "./items.js";
import { runningRuns, runs } from "./runs.js";

/** @typedef {import("./runs.js").Run} Run */

const STORAGE_KEY = "imagegate.notify";
const MAX_PROMPT = 80;

// Over plain http no page may notify; some browsers say so by leaving the interface out.
const isPossible = "Notification" in window && isSecureContext;
const wanted = signal(isPossible && Notification.permission === "granted" && readStored(STORAGE_KEY) === "on");
/** What ended last, for a screen reader. */
const announcement = signal("");

async function toggle() {
  wanted.value = !wanted.value && (await Notification.requestPermission()) === "granted";
  writeStored(STORAGE_KEY, wanted.value ? "on" : "");
}

/** Asks for the permission when it is pressed, never before. */
export function NotifyButton() {
  if (!isPossible || Notification.permission === "denied") return null;
  const text = t(wanted.value ? "playground.notify.off" : "playground.notify.on");
  return html`
    <button
      class="button icon tight bare"
      type="button"
      aria-pressed=${wanted.value}
      aria-label=${text}
      title=${text}
      data-notify
      onClick=${toggle}
    ><${BellIcon} /></button>
  `;
}

export const Announcement = () => html`<p class="unseen" role="status" data-announcement>${announcement.value}</p>`;

/** "Done: a red fox" @param {Run} run */
function endText({ task, body }) {
  const prompt = (task.request ?? body)?.prompt ?? "";
  return `${t(`playground.state.${task.status}`)}: ${prompt.slice(0, MAX_PROMPT) || task.id}`;
}

/** @param {Run} run */
function notify(run) {
  if (!wanted.value || document.visibilityState === "visible") return;
  const { id } = run;
  // The tag makes several tabs tell of it once.
  const notification = new Notification(endText(run), { tag: id });
  notification.addEventListener("click", () => {
    window.focus();
    openTaskById(id);
    notification.close();
  });
}

/** Watch what runs and what has ended since the page was last in view. */
export function watchEnds() {
  const title = document.title;
  const unseen = signal(0);
  /** Those that were seen running. @type {Set<string>} */
  let running = new Set();
  effect(() => {
    const ended = runs.value.filter((run) => running.has(run.key) && !runningRuns.value.includes(run) && run.task);
    running = new Set(runningRuns.value.map((run) => run.key));
    for (const run of ended) {
      announcement.value = endText(run);
      notify(run);
    }
    if (ended.length && document.visibilityState !== "visible") unseen.value = unseen.peek() + ended.length;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") unseen.value = 0;
  });
  effect(() => {
    const count = runningRuns.value.length;
    if (count) document.title = t("playground.notify.running", { count, title });
    else document.title = unseen.value ? t("playground.notify.done", { count: unseen.value, title }) : title;
  });
}
