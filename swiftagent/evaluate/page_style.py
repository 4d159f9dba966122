"""The style sheet and the few lines of script of the evaluation page."""

STYLE = """
:root{--ink:#1b1f24;--soft:#5b6570;--line:#dfe3e8;--page:#fff;--card:#f6f7f9;--base:#9aa5b1;--tuned:#1f6feb;--good:#11734b;
--bad:#b42318;
--goodbg:#e3f4ec;--badbg:#fde9e7;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#31373f;--page:#14171b;--card:#1c2026;
--base:#6f7b88;
--tuned:#6ea8fe;--good:#5fd0a0;--bad:#ff9a8f;--goodbg:#143527;--badbg:#40201d}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans CJK SC",sans-serif}main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 8px;overflow-wrap:anywhere}h2{font-size:19px;margin:40px 0 12px}
h3{font-size:15px;margin:0 0 10px;break-after:avoid}.wide+h3{margin-top:22px}
h4{margin:0 0 4px;font-size:12px;color:var(--soft);font-weight:600}
.kicker{color:var(--soft);margin:0 0 4px;font-size:13px}.lead{font-size:18px;margin:0 0 12px}
small{color:var(--soft);font-size:12px}
.counts{list-style:none;display:flex;flex-wrap:wrap;gap:6px 24px;padding:0;margin:0;color:var(--soft)}
.counts b{color:var(--ink)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:8px 12px 8px 0;border-bottom:1px solid var(--line);vertical-align:top}
thead th{font-size:12px;color:var(--soft);font-weight:600;border-bottom-color:var(--soft)}
tbody th{font-weight:400;max-width:360px}
.wide{overflow-x:auto}.scores td{white-space:nowrap;font-variant-numeric:tabular-nums}
td small,th small{display:block}
.name{font-weight:600}.down{color:var(--soft)}
.n{text-align:right;padding-right:0;color:var(--soft);font-variant-numeric:tabular-nums}
td.better b,td.verdict.better,tr.better .verdict{color:var(--good)}
td.worse b,td.verdict.worse,tr.worse .verdict{color:var(--bad)}
.verdict{font-weight:600;color:var(--soft)}.verdict small{font-weight:400}.note{color:var(--soft);font-size:13px}
.whiskers{display:block;width:132px;height:24px;margin-top:7px}.whiskers path{stroke:var(--line)}
.whiskers line{stroke-width:1.6}
.part th{padding:22px 0 6px;font-size:13px;font-weight:600;color:var(--soft);max-width:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px;margin-top:24px}
.tiles>div{background:var(--card);border-radius:8px;padding:14px 16px;break-inside:avoid}
.tiles h3{font-size:13px;font-weight:400;color:var(--soft);margin:0}.tiles p{margin:2px 0 4px}
.tiles strong{font-size:30px;line-height:1.15;font-variant-numeric:tabular-nums}
.tiles i{font-style:normal;color:var(--soft);margin-left:4px}.tiles small{font-size:13px}
.tiles .better{color:var(--good)}.tiles .worse{color:var(--bad)}
line.base{stroke:var(--base)}line.tuned{stroke:var(--tuned)}circle.base{fill:var(--base)}circle.tuned{fill:var(--tuned)}
.badge{font-size:13px;font-weight:600;padding:3px 10px;border-radius:99px;vertical-align:middle;margin-left:4px}
.good{background:var(--goodbg);color:var(--good)}
.bad{background:var(--badbg);color:var(--bad)}
.groups{columns:3 300px;column-gap:40px}.groups>div{margin-bottom:24px}
.group{margin-bottom:12px;break-inside:avoid}.group p{margin:0 0 3px;overflow-wrap:anywhere}
.lines{display:grid;grid-template-columns:1fr 44px;gap:3px 8px;align-items:center;font-size:12px;
font-variant-numeric:tabular-nums}
.bar{position:relative;height:9px;background:var(--card);border-radius:2px}.bar i{display:block;height:100%;border-radius:2px}
.bar u{position:absolute;top:4px;height:1px;background:var(--ink);opacity:.75}
i.base,.legend .base{background:var(--base)}i.tuned,.legend .tuned{background:var(--tuned)}
.legend{color:var(--soft);font-size:13px;margin:0 0 14px}
.legend span{display:inline-block;width:12px;height:9px;border-radius:2px;margin:0 4px 0 10px}
.legend span:first-child{margin-left:0}
.curve{width:100%;height:auto;max-height:320px}.curve path{fill:none;stroke-width:1.8}
.curve .axis{stroke:var(--line);stroke-width:1}
path.base{stroke:var(--base)}path.tuned{stroke:var(--tuned)}.curve text{fill:var(--soft);font-size:8.5px;text-anchor:end}
.filter{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-bottom:14px}
button,select,input{font:inherit;font-size:13px;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:6px;padding:5px 10px}
button{cursor:pointer}button.on{border-color:var(--tuned);color:var(--tuned)}input{flex:1;min-width:140px}
output{color:var(--soft);font-size:13px}
article{border:1px solid var(--line);border-radius:8px;padding:12px 14px;margin-bottom:12px;break-inside:avoid}
.q{margin:0 0 8px;overflow-wrap:anywhere}.result{margin:0 0 8px;font-size:13px;overflow-wrap:anywhere}
.tag{font-size:12px;padding:1px 8px;border-radius:99px;background:var(--card);color:var(--soft)}
.improved .tag{background:var(--goodbg);color:var(--good)}.broke .tag{background:var(--badbg);color:var(--bad)}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:10px}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:12px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.sides pre{background:var(--card);border-radius:6px;padding:8px}.about th{width:190px;color:var(--soft)}
@media print{:root{--ink:#000;--soft:#444c56;--line:#c9ced4;--page:#fff;--card:#f3f4f6;--base:#8b949e;--tuned:#1f6feb;
--good:#11734b;--bad:#b42318;--goodbg:#e3f4ec;--badbg:#fde9e7;color-scheme:light}
main{max-width:none;padding:0}.filter{display:none}body{font-size:12px}h2{break-after:avoid}tr{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

SCRIPT = """
(()=>{const box=document.querySelector('#cases');if(!box)return;
const items=[...box.querySelectorAll('article')],buttons=[...box.querySelectorAll('button')],tool=box.querySelector('select'),
text=box.querySelector('input'),count=box.querySelector('output');let status='';
const show=()=>{let n=0;const word=text.value.toLowerCase();
for(const item of items){const on=(!status||item.dataset.status===status)
&&(!tool.value||item.dataset.tool===tool.value)&&(!word||item.textContent.toLowerCase().includes(word));item.hidden=!on;n+=on}
count.textContent=n+' of '+items.length};
for(const button of buttons)button.onclick=()=>{status=button.dataset.status;
for(const b of buttons)b.classList.toggle('on',b===button);show()};
tool.onchange=show;text.oninput=show;show()})();
"""
