"""The style sheet: the interface is grey and ink, colour belongs to outcomes."""

SHEET = """
:root{color-scheme:light dark;--bg:#fff;--sunk:#f7f8f9;--ink:#14171c;--ink2:#4a515c;--ink3:#636a76;--line:#e6e8eb;
--line2:#cdd1d7;--mark:#8b929d;--track:#eceef1;--pass:#0072b2;--pass-t:#00659e;--fail:#d55e00;--fail-t:#ae4a00;
--err:#b0578d;--err-t:#8f3a6e}
@media(prefers-color-scheme:dark){:root{--bg:#101216;--sunk:#0b0d10;--ink:#eceef1;--ink2:#b3bac5;--ink3:#939ba8;
--line:#262a32;--line2:#3b414c;--mark:#717986;--track:#22262e;--pass:#56b4e9;--pass-t:#6cc0ef;--fail:#f0853c;
--fail-t:#f79a5a;--err:#d48fb8;--err-t:#e2a6c9}}
*{box-sizing:border-box}
html{font:13px/20px -apple-system,BlinkMacSystemFont,"Segoe UI","Helvetica Neue",Arial,"Liberation Sans",sans-serif;
color:var(--ink);background:var(--bg);font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1160px;padding:24px 24px 48px}
h1,h2,h3,p,dl,dd,ul,pre,figure{margin:0;padding:0}
h1{font-size:20px;line-height:28px;font-weight:600;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:15px;line-height:24px;font-weight:600;margin-bottom:4px}
h3{font-size:13px;font-weight:600;overflow-wrap:anywhere}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:12px}
section{margin-top:28px}
.meta{display:flex;flex-wrap:wrap;gap:0 16px;color:var(--ink2);overflow-wrap:anywhere}
.verdict{display:grid;grid-template-columns:minmax(0,1fr) 360px;gap:32px;align-items:center;padding:16px 0;
margin-top:16px;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
.say{font-size:20px;line-height:28px;font-weight:600;letter-spacing:-.01em;overflow-wrap:anywhere}
.note{font-size:12px;line-height:18px;color:var(--ink2)}
.verdict .note{font-size:13px;margin-top:4px}
.kpi{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);border-bottom:1px solid var(--line)}
.kpi>div{padding:12px 16px;border-left:1px solid var(--line)}
.kpi>div:first-child{padding-left:0;border-left:0}
.kpi dt{font-size:12px;color:var(--ink2)}
.kpi .v{font-size:24px;line-height:32px;font-weight:600;letter-spacing:-.015em}
.kpi .v small{font-size:13px;font-weight:400;color:var(--ink2);letter-spacing:0;margin-left:3px}
.two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:28px 32px}
.two>*{margin-top:0}
table{border-collapse:collapse;width:100%}
th{font-weight:500;font-size:12px;line-height:20px;color:var(--ink2);text-align:left;padding:4px 12px 4px 0;
border-bottom:1px solid var(--line2);vertical-align:bottom}
td,tbody th{padding:5px 12px 4px 0;border-bottom:1px solid var(--line);line-height:20px;vertical-align:top}
tbody th{font-weight:500;font-size:13px;color:var(--ink);overflow-wrap:anywhere}
td{overflow-wrap:anywhere}
.r{text-align:right;white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
tr.sum td,tr.sum th{border-top:1px solid var(--line2);border-bottom:0}
.rates table{table-layout:fixed}.rates .r{width:68px}.rates .n{width:116px}.bar{width:34%}
.bar,.rates .bar{padding:5px 16px 4px 12px}
.n{white-space:nowrap;font-size:12px;color:var(--ink2)}
.scale{display:flex;justify-content:space-between}
.pass>b,.fail>b,.error>b{font-weight:600;margin-right:4px}
.pass>b,b.pass{color:var(--pass-t)}.fail>b,b.fail{color:var(--fail-t)}.error>b,b.error{color:var(--err-t)}
.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.up{color:var(--pass-t)}.down{color:var(--fail-t)}.even{color:var(--ink2)}
svg{display:block;overflow:visible;width:100%}
svg text{font-size:12px;fill:var(--ink2)}
svg .st{fill:var(--ink);font-weight:600}
.track{fill:var(--track)}.share{fill:var(--pass);opacity:.28}.range{fill:var(--ink);opacity:.6}
.tick{stroke:var(--ink);stroke-width:2}.axis{stroke:var(--line2)}.zero{stroke:var(--ink)}
.margin{stroke:var(--mark);stroke-dasharray:3 3}.bin{fill:var(--mark)}.other{fill:var(--bg);stroke:var(--mark);
stroke-width:1.5}
.is-partial .range{fill:none;stroke:var(--mark);opacity:1}.is-partial .tick{stroke:var(--mark)}
.is-up .range{fill:var(--pass);opacity:1}.is-down .range{fill:var(--fail);opacity:1}
.is-even .range{fill:var(--mark);opacity:1}
.item{border-top:1px solid var(--line2);padding:8px 0 12px;break-inside:avoid}
.item dl,.facts{display:grid;grid-template-columns:104px minmax(0,1fr);gap:4px 12px;margin-top:4px}
.item dt,.facts dt{font-size:12px;color:var(--ink2)}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
.two figure{max-width:360px}
section>h3{margin-top:12px}
figure{margin-top:8px}
pre.text{background:var(--sunk);border:1px solid var(--line);border-radius:5px;padding:8px 12px;line-height:18px}
.gaps{padding-left:16px}
.gaps li{margin-bottom:4px;overflow-wrap:anywhere}
footer{margin-top:32px;padding-top:8px;border-top:1px solid var(--line);font-size:12px;color:var(--ink2);
overflow-wrap:anywhere}
@media screen and (max-width:760px){.rates table{min-width:860px}.wide{overflow-x:auto}
.verdict,.two{grid-template-columns:minmax(0,1fr)}
.kpi{grid-auto-flow:row;grid-template-columns:repeat(3,minmax(0,1fr))}
.kpi>div{border-left:0;padding-left:0}}
@media print{
@page{size:A4 landscape;margin:12mm}
:root{color-scheme:light;--bg:#fff;--sunk:#f7f8f9;--ink:#14171c;--ink2:#4a515c;--ink3:#636a76;--line:#e6e8eb;
--line2:#cdd1d7;--mark:#8b929d;--track:#eceef1;--pass:#0072b2;--pass-t:#00659e;--fail:#d55e00;--fail-t:#ae4a00;
--err:#b0578d;--err-t:#8f3a6e}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{max-width:none;padding:0}
tr,.verdict,.kpi,.two>section,figure{break-inside:avoid}
.wide{overflow:visible}
thead{display:table-header-group}
h2,h3{break-after:avoid}
}
"""
