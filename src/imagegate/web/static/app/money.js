// Amounts for reading. They arrive as exact decimal text and as nanos (10⁻⁹ USD); no amount becomes a float here.

/** @typedef {{credits: string, usd: string, nanos: string}} Money */

/**
 * Decimal text with at most `digits` after the point, half rounded up, thousands grouped.
 * @param {string} text @param {number} digits
 */
export function rounded(text, digits) {
  const negative = text.startsWith("-");
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const scaled = BigInt(whole + fraction.padEnd(digits + 1, "0").slice(0, digits + 1)) + 5n;
  const units = (scaled / 10n).toString().padStart(digits + 1, "0");
  const head = units.slice(0, units.length - digits).replace(/\B(?=(\d{3})+$)/g, ",");
  const tail = digits ? units.slice(-digits).replace(/0+$/, "") : "";
  const zero = /^0*$/.test(units);
  return (negative && !zero ? "-" : "") + head + (tail ? `.${tail}` : "");
}

/** "$0.0475": four digits below a dollar, two from there. @param {Money} money */
export function usd(money) {
  const large = BigInt(money.nanos) >= 1_000_000_000n || BigInt(money.nanos) <= -1_000_000_000n;
  const text = rounded(money.usd, large ? 2 : 4);
  return text.startsWith("-") ? `-$${text.slice(1)}` : `$${text}`;
}

/** "3.23": three digits, two from a hundred. @param {Money} money */
export function credits(money) {
  return rounded(money.credits, Math.abs(Number(money.credits)) >= 100 ? 2 : 3);
}
