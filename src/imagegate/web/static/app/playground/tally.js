// How many tasks run, how many are done.
import { effect, signal } from "@preact/signals";
import { html } from "html";
import { get } from "../api.js";
import { formatNumber, t } from "../i18n.js";
import { account } from "../store.js";
import { endedCount, runningRuns } from "./runs.js";

const completed = signal({ total: 0, total_capped: false });

/** Count again whenever somebody signs in or out, or a task ends. */
export function watchTally() {
  return effect(() => {
    endedCount.value;
    if (account.value) loadTally();
    else completed.value = { total: 0, total_capped: false };
  });
}

export async function loadTally() {
  const reply = await get("/v1/tasks?status=completed&page_size=1");
  if (reply.ok) completed.value = reply.value;
}

export function Tally() {
  const { total, total_capped: isCapped } = completed.value;
  const counts = { running: formatNumber(runningRuns.value.length), done: formatNumber(total) };
  const text = t(`playground.gallery.${isCapped ? "counts_capped" : "counts"}`, counts);
  return html`<p class="tally small soft" data-tally>${text}</p>`;
}
