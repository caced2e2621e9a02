// The button of everything that spends: its price is on it, and it buys exactly what is priced.
import { html } from "html";
import { useState } from "preact/hooks";
import { errorText, showError } from "../errors.js";
import { t } from "../i18n.js";
import { formatCredits, formatUsd } from "../money.js";
import { account, showToast, signInOpen } from "../store.js";
import { useQuote } from "./quotes.js";
import { startRun } from "./runs.js";

/** "At most $0.05 (3.4 credits)" @param {any} quote */
export function maximumText({ maximum }) {
  return t("playground.spend.maximum", { usd: formatUsd(maximum), credits: formatCredits(maximum) });
}

/** Why the button would buy nothing; empty where it would. @param {import("./quotes.js").Priced} priced */
function refusalOf({ quote, error }) {
  if (error) return errorText(error);
  if (!quote) return t("playground.spend.pricing");
  return quote.affordable === false ? t("playground.unaffordable") : "";
}

/**
 * @param {{body: any, text: string, className?: string, attrs?: Record<string, any>, quote?: any, metadata?: any}}
 *   props
 *   `quote`: of this body, where it is known
 */
export function SpendButton({ body, text, className = "button tight", attrs = {}, quote, metadata }) {
  const [busy, setBusy] = useState(false);
  const loaded = useQuote(quote ? null : body);
  const priced = quote ? { quote, error: null } : loaded;
  const refusal = refusalOf(priced);
  const buy = async () => {
    if (busy) return;
    if (!account.value) {
      signInOpen.value = true;
      return;
    }
    if (refusal) return showToast(refusal, "bad");
    setBusy(true);
    const reply = await startRun(body, { quote: priced.quote, metadata });
    setBusy(false);
    // On a phone, what is open covers the gallery, where its tile is.
    if (reply.ok) showToast(t("playground.started"));
    else showError(reply);
  };
  const price = priced.quote ? ` · ${formatUsd(priced.quote.expected)}` : "";
  return html`
    <button
      type="button"
      class=${className}
      aria-busy=${busy}
      aria-disabled=${busy || Boolean(refusal)}
      title=${priced.quote ? maximumText(priced.quote) : refusal}
      data-spend=${priced.quote?.expected.credits ?? ""}
      ...${attrs}
      onClick=${buy}
    >${text}${price}</button>
  `;
}
