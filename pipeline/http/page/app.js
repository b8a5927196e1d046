"use strict";
// The server renders the page. Every ten seconds it is fetched again and its state replaced; what the reader has opened
// stays open.
async function refresh() {
  const state = document.getElementById("state"), at = document.getElementById("at");
  try {
    const answer = await fetch("./", { cache: "no-store" });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    const open = [...state.querySelectorAll("details")].map((d) => d.open);
    const fresh = next.getElementById("state");
    fresh.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
    state.replaceWith(document.adoptNode(fresh));
    at.textContent = next.getElementById("at").textContent;
    at.classList.remove("bad");
    document.title = next.title;
  } catch {
    at.textContent = "no answer since " + at.textContent.replace(/^no answer since /, "");
    at.classList.add("bad");
  }
}
setInterval(() => { if (!document.hidden) refresh(); }, 10000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
