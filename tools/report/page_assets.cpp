#include "tools/report/page.h"

namespace bsq::cli {

const char* const kPageStyle = R"css(
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--fg);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1120px;margin:0 auto;padding:0 20px 64px}
header{display:flex;align-items:baseline;justify-content:space-between;gap:16px;padding:36px 0 4px}
h1{font-size:1.7rem;font-weight:600;letter-spacing:-.01em;margin:0}
h2{font-size:1.15rem;font-weight:600;margin:44px 0 10px}
h3{font-size:.95rem;font-weight:600;margin:26px 0 6px}
p,figcaption{color:var(--muted);margin:.3em 0 .9em}
p{max-width:70ch}
button{font:inherit;font-size:.85rem;color:var(--muted);background:none;border:1px solid var(--edge);border-radius:999px;padding:4px 12px;cursor:pointer}
button:hover{color:var(--fg)}
figure{margin:0 0 18px;padding:16px;background:var(--card);border:1px solid var(--edge);border-radius:10px;overflow-x:auto}
figcaption{font-size:.88rem;margin:8px 0 0}
figure svg{display:block;width:100%;height:auto;margin:0 auto}
.narrow{display:none}
.table{overflow-x:auto;background:var(--card);border:1px solid var(--edge);border-radius:10px;margin:0 0 18px}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:7px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--edge)}
tr:last-child td{border-bottom:0}
th:first-child,td:first-child,.text{text-align:left}
th{font-weight:600;color:var(--muted);cursor:pointer;user-select:none}
th:hover,th:focus{color:var(--fg)}
th[aria-sort=ascending]::after{content:" ↑"}
th[aria-sort=descending]::after{content:" ↓"}
.front td:first-child::after{content:" ●";color:var(--c1);font-size:.7em;vertical-align:.15em}
.failed td{color:var(--accent)}
details{border-top:1px solid var(--edge)}
details:last-of-type{border-bottom:1px solid var(--edge)}
summary{padding:12px 2px;cursor:pointer;display:flex;flex-wrap:wrap;gap:2px 18px;align-items:baseline}
summary b{font-weight:600}
summary span{color:var(--muted);font-size:.88rem;font-variant-numeric:tabular-nums}
summary::before{content:"▸";color:var(--muted);margin-right:-8px}
details[open]>summary::before{content:"▾"}
pre{margin:0 0 14px;padding:12px 14px;background:var(--card);border:1px solid var(--edge);border-radius:10px;font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
footer{color:var(--muted);font-size:.85rem;margin-top:40px}
@media (max-width:720px){
main{padding:0 12px 48px}
header{padding-top:22px}
h1{font-size:1.35rem}
figure{padding:10px 6px}
figcaption{padding:0 6px}
th,td{padding:6px 9px}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:9em}
.wide{display:none}
.narrow{display:block}
}
@media print{button{display:none}}
)css";

const char* const kPageScript = R"js(
(function () {
  var root = document.documentElement;
  var kept = null;
  try { kept = localStorage.getItem('bsq-theme'); } catch (e) {}
  function isDark() {
    var theme = root.getAttribute('data-theme');
    return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  }
  if (kept === 'dark' || kept === 'light') root.setAttribute('data-theme', kept);
  document.getElementById('theme').addEventListener('click', function () {
    var theme = isDark() ? 'light' : 'dark';
    root.setAttribute('data-theme', theme);
    try { localStorage.setItem('bsq-theme', theme); } catch (e) {}
  });
  function value(row, column) {
    var text = row.cells[column].getAttribute('data-v') || row.cells[column].textContent;
    var number = parseFloat(text);
    return isNaN(number) ? text : number;
  }
  function sort(head) {
    var table = head.closest('table'), column = head.cellIndex, body = table.tBodies[0];
    var up = head.getAttribute('aria-sort') !== 'ascending';
    table.querySelectorAll('th').forEach(function (other) { other.removeAttribute('aria-sort'); });
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a, column), y = value(b, column);
      if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1;
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    }).forEach(function (row) { body.appendChild(row); });
  }
  document.querySelectorAll('th').forEach(function (head) {
    head.tabIndex = 0;
    head.addEventListener('click', function () { sort(head); });
    head.addEventListener('keydown', function (event) {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); sort(head); }
    });
  });
})();
)js";

}  // namespace bsq::cli
