// How many tasks run, how many are done.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { get } from "../api.js";
import { formatNumber, t } from "../i18n.js";
import { account } from "../store.js";
import { endedCount, runningRuns } from "./runs.js";

const completedCount = signal(0);

/** Count again whenever somebody signs in or out, or a task ends. */
export function watchTally() {
  return effect(() => {
    endedCount.value;
    if (account.value) loadTally();
    else completedCount.value = 0;
  });
}

export async function loadTally() {
  const reply = await get("/v1/tasks?status=completed&page_size=1");
  if (reply.ok) completedCount.value = reply.value.total;
}

export function Tally() {
  const counts = { running: formatNumber(runningRuns.value.length), done: formatNumber(completedCount.value) };
  return html`<p class="tally small soft" data-tally>${t("playground.gallery.counts", counts)}</p>`;
}
