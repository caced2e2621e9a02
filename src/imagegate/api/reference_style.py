"""How the reference page looks, by day and by night, on a desk and on a phone."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6675;--paper:#fff;--well:#f4f6f9;--line:#dfe4ea;--link:#0b57a4;
--get:#0a6b46;--post:#0b57a4;--patch:#8a5300;--delete:#b3261e;--good:#0a6b46;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa6b5;--paper:#12161c;--well:#1a2029;--line:#2c3541;
--link:#7db8f5;--get:#5fd0a2;--post:#7db8f5;--patch:#e6b35c;--delete:#f2938c;--good:#5fd0a2;--bad:#f2938c}}
*{box-sizing:border-box}html{scroll-padding-top:3.5rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif;overflow-wrap:anywhere}
header,main{max-width:60rem;margin:0 auto;padding:0 1rem}header{padding-top:2rem}
h1{font-size:2rem;margin:0}h1 small{font-size:1rem;color:var(--soft);font-weight:400}
h2{font-size:1.5rem;margin:3rem 0 0;text-transform:capitalize;border-bottom:2px solid var(--line);padding-bottom:.25rem}
h3{font-size:1.05rem;margin:0}h3 a{color:inherit;text-decoration:none}a{color:var(--link)}p{margin:.5rem 0}
.lead{font-size:1.05rem}header>p{max-width:46rem}
nav{position:sticky;top:0;background:var(--paper);border-bottom:1px solid var(--line);z-index:1}
nav ul{max-width:60rem;margin:0 auto;padding:.6rem 1rem;display:flex;gap:1.1rem;list-style:none;overflow-x:auto;
white-space:nowrap;scrollbar-width:none}
nav a{text-decoration:none}
article{margin:1.5rem 0;padding:1rem;border:1px solid var(--line);border-radius:.6rem}
article:target{border-color:var(--link)}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--well);padding:.75rem;border-radius:.4rem;overflow-x:auto;margin:.75rem 0;overflow-wrap:normal}
pre code{font-size:.8125rem}
h3 b{display:inline-block;min-width:4.2rem;font-size:.8rem;letter-spacing:.04em}
.get,.head{color:var(--get)}.post,.sent{color:var(--post)}.patch{color:var(--patch)}.delete{color:var(--delete)}
.key{float:right;font-size:.75rem;font-weight:400;color:var(--soft);border:1px solid var(--line);border-radius:1rem;
padding:0 .6rem}
.wide{overflow-x:auto}table{width:100%;border-collapse:collapse;margin:.75rem 0;font-size:.9375rem}
caption{text-align:left;font-weight:600;padding-bottom:.25rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0;border-top:1px solid var(--line);font-weight:400}
th{width:26%}td:nth-child(2){width:20%;color:var(--soft)}
th em{display:block;font-size:.75rem;color:var(--bad);font-style:normal}td small{display:block;color:var(--soft)}
.answers{margin-top:.75rem}
details,.bare{border-top:1px solid var(--line);padding:.35rem 0;margin:0}summary{cursor:pointer}
summary b,.bare b{display:inline-block;min-width:2.6rem}.s2,.s3{color:var(--good)}.s4,.s5{color:var(--bad)}
@media (max-width:40rem){table,tbody,tr,th,td,caption{display:block;width:auto!important}th,td{border:0;padding:.1rem 0}
tr{border-top:1px solid var(--line);padding:.4rem 0;display:block}article{padding:.75rem}h3 b{min-width:0}
th em{display:inline;margin-left:.5rem}}
"""
