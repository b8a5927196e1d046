"use strict";
const at = (id) => document.getElementById(id);
const percent = (x) => (100 * x).toFixed(1) + "\u202f%";
const svg = (name, attributes, text) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
};

// chart draws RA and RR over time in the pixels that there are, so that its words stay readable on a telephone.
function chart(view) {
  const width = Math.max(280, at("chart").clientWidth), height = Math.max(220, Math.round(width * .36));
  at("chart").setAttribute("viewBox", `0 0 ${width} ${height}`);
  const box = { left: 44, right: width - 8, top: 12, bottom: height - 30 };
  const last = view.points.length ? view.points[view.points.length - 1].t : 0;
  const end = view.duration || Math.max(60, last), begin = view.duration ? 0 : Math.max(0, last - 300);
  const x = (t) => box.left + (t - begin) / (end - begin) * (box.right - box.left);
  const y = (v) => box.bottom - v * (box.bottom - box.top);
  const parts = [];
  for (const v of [0, .25, .5, .75, 1]) {
    parts.push(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(v), y2: y(v) }));
    parts.push(svg("text", { x: box.left - 6, y: y(v) + 4, "text-anchor": "end" }, 100 * v + "%"));
  }
  for (let i = 0; i <= 3; i++) {
    const t = begin + (end - begin) * i / 3;
    parts.push(svg("text", { x: x(t), y: height - 8, "text-anchor": ["start", "middle", "middle", "end"][i] }, Math.round(t) + " s"));
  }
  // The roll-out has its word on the left and the alert, which follows it, on the right: they never meet.
  const mark = (t, kind, text, side) => {
    if (t <= begin) return;
    parts.push(svg("line", { class: kind, x1: x(t), x2: x(t), y1: box.top, y2: box.bottom }));
    parts.push(svg("text", { class: kind, x: x(t) + 6 * side, y: y(.12), "text-anchor": side < 0 ? "end" : "start" }, text));
  };
  mark(view.rollout, "mark", "1.1 rolled out", -1);
  if (view.alert && view.alert.state === "firing") mark(view.alert.t, "fired", "alert", 1);
  for (const line of ["rr", "ra"]) {
    const seen = view.points.filter((p) => p.t >= begin);
    const d = seen.map((p, i) => (i ? "L" : "M") + x(p.t).toFixed(1) + " " + y(p[line]).toFixed(1)).join("");
    if (d) parts.push(svg("path", { class: line, d }));
  }
  at("chart").replaceChildren(...parts);
}

function families(view) {
  at("families").replaceChildren(...view.families.map((f) => {
    const row = document.createElement("tr");
    const cell = (text, kind) => {
      const td = document.createElement("td");
      td.className = kind;
      td.textContent = text;
      row.append(td);
      return td;
    };
    cell(f.name.replaceAll("_", " "), "");
    cell(percent(f.ra), "n");
    cell(percent(f.rr), "n");
    cell(f.before < 0 ? "–" : percent(f.before), "n");
    const meter = document.createElement("div"), bar = document.createElement("b");
    bar.style.width = 100 * f.rr + "%";
    meter.append(bar);
    if (f.before >= 0) {
      const tick = document.createElement("u");
      tick.style.left = "calc(" + 100 * f.before + "% - 1px)";
      meter.append(tick);
    }
    cell("", "meter").append(meter);
    return row;
  }));
}

function show(view) {
  at("state").textContent = view.state;
  at("state").dataset.state = view.state;
  for (const k of ["ra", "rr"]) {
    at(k).textContent = view.probes ? percent(view[k].value) : "–";
    at(k + "-band").textContent = view.probes ? percent(view[k].low) + " to " + percent(view[k].high) : "";
  }
  at("version").textContent = view.version || "–";
  at("accuracy").textContent = view.accuracy < 0 ? "" : "accuracy " + percent(view.accuracy);
  at("total").textContent = view.total.toLocaleString("en");
  at("window").textContent = view.probes + " in the window";
  at("banner").hidden = !view.alert;
  if (view.alert) {
    at("banner").dataset.state = view.alert.state;
    at("banner-title").textContent = view.alert.summary;
    at("banner-text").textContent = view.alert.text;
  }
  chart(view);
  families(view);
}

async function refresh() {
  try {
    const answer = await fetch("state");
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
  } catch {
    at("state").textContent = "demo has ended";
    at("state").dataset.state = "";
  }
}

refresh();
setInterval(() => { if (!document.hidden) refresh(); }, 1000);
addEventListener("resize", refresh);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
