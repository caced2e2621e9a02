"""The page: playground, pricing, documentation, dashboard and status, in English and Korean.

HTML is rendered here from the catalog, the API document and `static/lang/*.json`. Whatever a visitor does goes through
the public API, from ES modules without a build step.

Where things go:
- a page: a function in `pages.py`, a template, its texts under `page` in both language files
- a module of the page: `static/app/<part>/*.js`, or `static/app/*.js` where several parts use it; it imports `preact`,
  `preact/hooks`, `@preact/signals`, `htm`, `html` (htm bound to preact), `uplot` and `client-zip` by name, and our own
  modules by relative path (`../api.js`)
- texts of a module: `static/lang/en.json` and `ko.json` under the part's own name, read with `t("part.word")`
- a style: `static/css/` (tokens.css names every colour and size, base.css has the components, frame.css what is around
  every page, the others a part each), no inline styles
- a third-party module: `vendor.toml`, `make vendor`, and a line in `assets.py` (`MODULES`)

`static/app/main.js` runs on every page (theme, language, account); `static/app/playground/main.js` is mounted in
`<div id="playground" data-model>`, `static/app/dashboard/main.js` in `<div id="dashboard">`.
"""
