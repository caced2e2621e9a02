// Prints what the linter says of each Compose file, as JSON. Needs NODE_PATH to be the folder of the unpacked packages.
const { DCLinter } = require("dclint");

// Ours are sorted by sense: what a service is, what it has, what it may.
const rules = {
  "no-build-and-image": [2, { checkPullPolicy: true }],
  "require-quotes-in-ports": [2, { quoteType: "double" }],
  "service-keys-order": 0,
  "services-alphabetical-order": 0,
  "top-level-properties-order": 0,
  "service-dependencies-alphabetical-order": 0,
};
const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
console.log(JSON.stringify(linter.lintFiles(process.argv.slice(2), false)));
