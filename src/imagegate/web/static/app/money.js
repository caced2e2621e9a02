// Amounts for reading. They arrive as exact decimal text and as nanos (10⁻⁹ USD); no amount becomes a float here.

/** @typedef {{credits: string, usd: string, nanos: string}} Money */

const NANO_DIGITS = 9;
const NANOS_PER_USD = 1_000_000_000n;

/**
 * Decimal text with at most `digits` after the point, half rounded up, thousands grouped.
 * @param {string} text
 * @param {number} digits
 */
export function roundDecimal(text, digits) {
  const negative = text.startsWith("-");
  // A number of JSON below a millionth becomes text such as "6.8e-8".
  const plain = text.includes("e") ? Number(text).toFixed(digits + 1) : text;
  const [whole, fraction = ""] = plain.replace("-", "").split(".");
  const scaled = BigInt(whole + fraction.padEnd(digits + 1, "0").slice(0, digits + 1)) + 5n;
  const units = (scaled / 10n).toString().padStart(digits + 1, "0");
  const head = units.slice(0, units.length - digits).replace(/\B(?=(\d{3})+$)/g, ",");
  const tail = digits ? units.slice(-digits).replace(/0+$/, "") : "";
  const zero = /^0*$/.test(units);
  return (negative && !zero ? "-" : "") + head + (tail ? `.${tail}` : "");
}

/** The difference of two decimal texts, exact to nine digits. @param {string} from @param {string} amount */
export const subtractDecimals = (from, amount) => fromNanos(toNanos(from) - toNanos(amount));

/**
 * What a task cost: there amounts are numbers of JSON.
 * @param {{credits: number, usd: number}} cost
 * @returns {Money}
 */
export function moneyOf({ credits, usd }) {
  const text = (/** @type {number} */ amount) => Number(amount).toFixed(NANO_DIGITS);
  return { credits: text(credits), usd: text(usd), nanos: String(toNanos(text(usd))) };
}

/** @param {Money[]} amounts @returns {Money} */
export function sumMoney(amounts) {
  const sum = (/** @type {(money: Money) => bigint} */ of) => amounts.reduce((total, one) => total + of(one), 0n);
  const nanos = sum((money) => BigInt(money.nanos));
  return { credits: fromNanos(sum((money) => toNanos(money.credits))), usd: fromNanos(nanos), nanos: String(nanos) };
}

/** @param {bigint} nanos */
function fromNanos(nanos) {
  const digits = (nanos < 0n ? -nanos : nanos).toString().padStart(NANO_DIGITS + 1, "0");
  return `${nanos < 0n ? "-" : ""}${digits.slice(0, -NANO_DIGITS)}.${digits.slice(-NANO_DIGITS)}`;
}

/** @param {string} text */
function toNanos(text) {
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt(whole + fraction.slice(0, NANO_DIGITS).padEnd(NANO_DIGITS, "0"));
  return text.startsWith("-") ? -value : value;
}

/** @param {Money} money */
export const isNegative = (money) => money.nanos.startsWith("-");

/** "$0.0475": four digits below a dollar, two from there. @param {Money} money */
export function formatUsd(money) {
  const nanos = BigInt(money.nanos);
  const large = nanos >= NANOS_PER_USD || nanos <= -NANOS_PER_USD;
  const text = roundDecimal(money.usd, large ? 2 : 4);
  return text.startsWith("-") ? `-$${text.slice(1)}` : `$${text}`;
}

/** "3.23": three digits, two from a hundred. @param {Money} money */
export function formatCredits(money) {
  return roundDecimal(money.credits, Math.abs(Number(money.credits)) >= 100 ? 2 : 3);
}
