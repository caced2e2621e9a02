// How a ratio and a tier become pixels, and which pixels are allowed: the gateway's own rules, to show them early.
// The quote has the last word.

/**
 * @typedef {{multiple: number, edge_max: number, area_min: number, area_max: number, aspect_max: number}} PixelRules
 */

/** @type {Record<string, number>} */
const TIER_AREAS = { "1K": 1024 * 1024, "2K": 2048 * 2048, "4K": 3840 * 2160 };
const STEP = 16;
const DEFAULT_EDGE = 1024;

/** @param {string} ratio "16:9" @param {string} tier @param {PixelRules} rules @returns {[number, number]} */
export function ratioPixels(ratio, tier, rules) {
  const [a, b] = ratio.split(":").map(Number);
  const width = nearestEdge(TIER_AREAS[tier], a, b);
  const height = nearestEdge(TIER_AREAS[tier], b, a);
  const longer = Math.max(width, height);
  const area = width * height;
  if (longer <= rules.edge_max && area <= rules.area_max) return [width, height];
  const edgeBinds = rules.edge_max ** 2 * area <= rules.area_max * longer ** 2;
  const fit = (/** @type {number} */ edge) =>
    edgeBinds
      ? floorToStep((edge * rules.edge_max) / longer)
      : floorToStep(Math.sqrt(Math.floor((rules.area_max * edge * edge) / area)));
  return [fit(width), fit(height)];
}

/** @param {number} area @param {number} a @param {number} b the edge is that of `a` in a rectangle a:b of this area */
function nearestEdge(area, a, b) {
  let steps = Math.floor(Math.floor(Math.sqrt((area * a) / b)) / STEP) + 2;
  while ((STEP * steps - STEP / 2) ** 2 * b > area * a) steps -= 1;
  return STEP * steps;
}

/** @param {number} value */
const floorToStep = (value) => Math.floor(Math.floor(value) / STEP) * STEP;

/** The nearest allowed edge. @param {number} value @param {PixelRules} rules */
export function snapEdge(value, rules) {
  const nearest = Math.round((Number.isFinite(value) ? value : DEFAULT_EDGE) / rules.multiple) * rules.multiple;
  return Math.min(Math.max(nearest, rules.multiple), rules.edge_max);
}

/**
 * Why these pixels would be refused: the name of a text, or "".
 * @param {number} width
 * @param {number} height
 * @param {PixelRules} rules
 */
export function pixelError(width, height, rules) {
  if (Math.max(width, height) > rules.aspect_max * Math.min(width, height)) return "aspect";
  if (width * height < rules.area_min) return "small";
  if (width * height > rules.area_max) return "large";
  return "";
}

/** The first of these sizes that has this ratio, else "auto". @param {string} ratio "3:2" @param {string[]} sizes */
export function sizeOfRatio(ratio, sizes) {
  const [a, b] = ratio.split(":").map(Number);
  const hasRatio = (/** @type {string} */ size) => {
    const [width, height] = size.split("x").map(Number);
    return width * b === height * a;
  };
  return sizes.find(hasRatio) ?? "auto";
}
