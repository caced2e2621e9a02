// How a ratio and a tier become pixels, and which pixels may be asked for: the gateway's own rules, to show them early.
// The quote has the last word.

/** @typedef {{multiple: number, edge_max: number, area_min: number, area_max: number, aspect_max: number}} PixelRules */

/** @type {Record<string, number>} */
const TIERS = { "1K": 1024 * 1024, "2K": 2048 * 2048, "4K": 3840 * 2160 };
const STEP = 16;

/** @param {string} ratio "16:9" @param {string} tier @param {PixelRules} rules @returns {[number, number]} */
export function ratioPixels(ratio, tier, rules) {
  const [a, b] = ratio.split(":").map(Number);
  const width = edge(TIERS[tier], a, b);
  const height = edge(TIERS[tier], b, a);
  const longer = Math.max(width, height);
  const area = width * height;
  if (longer <= rules.edge_max && area <= rules.area_max) return [width, height];
  const byEdge = rules.edge_max ** 2 * area <= rules.area_max * longer ** 2;
  const fit = (/** @type {number} */ one) => byEdge
    ? down((one * rules.edge_max) / longer)
    : down(Math.sqrt(Math.floor((rules.area_max * one * one) / area)));
  return [fit(width), fit(height)];
}

/** @param {number} target @param {number} a @param {number} b */
function edge(target, a, b) {
  let steps = Math.floor(Math.floor(Math.sqrt((target * a) / b)) / STEP) + 2;
  while ((STEP * steps - STEP / 2) ** 2 * b > target * a) steps -= 1;
  return STEP * steps;
}

/** @param {number} value */
const down = (value) => Math.floor(Math.floor(value) / STEP) * STEP;

/** The nearest allowed edge. @param {number} value @param {PixelRules} rules */
export function snapped(value, rules) {
  const near = Math.round((Number.isFinite(value) ? value : 1024) / rules.multiple) * rules.multiple;
  return Math.min(Math.max(near, rules.multiple), rules.edge_max);
}

/**
 * Why these pixels would be refused: the name of a text, or "".
 * @param {number} width @param {number} height @param {PixelRules} rules
 */
export function pixelsFault(width, height, rules) {
  if (Math.max(width, height) > rules.aspect_max * Math.min(width, height)) return "aspect";
  if (width * height < rules.area_min) return "small";
  if (width * height > rules.area_max) return "large";
  return "";
}
