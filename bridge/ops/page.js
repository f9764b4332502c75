"use strict";
// Asks for the page again and puts in place what has changed in it.
const every = 3000;
let answered = Date.now();

async function refresh() {
  const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  document.title = fresh.title;
  for (const now of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(now.id);
    // What somebody reads with the keyboard is left alone under his hands.
    if (!next || now.outerHTML === next.outerHTML || now.contains(document.activeElement)) continue;
    if (getSelection().containsNode(now, true) && !getSelection().isCollapsed) continue;
    now.className = next.className;
    now.replaceChildren(...next.childNodes);
  }
  for (const image of document.querySelectorAll("#charts img")) {
    const next = fresh.getElementById(image.id);
    if (!next) continue;
    const source = image.parentElement.querySelector("source");
    source.srcset = next.parentElement.querySelector("source").srcset;
    if (image.getAttribute("src") !== next.getAttribute("src")) image.src = next.getAttribute("src");
    image.alt = next.alt;
  }
}

async function live() {
  const lost = document.getElementById("lost");
  try {
    if (!document.hidden) await refresh();
    answered = Date.now();
    lost.hidden = true;
  } catch (error) {
    lost.textContent = `The bridge does not answer since ${new Date(answered).toLocaleTimeString()}. What stands below is from then. (${error.message})`;
    lost.hidden = false;
  }
  document.documentElement.dataset.refreshed = String(answered);
  setTimeout(live, every);
}

setTimeout(live, every);
