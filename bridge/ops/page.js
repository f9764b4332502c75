"use strict";
// Asks for the page again and puts in place what has changed in it.
const every = 3000;
let answered = Date.now();

function inUse(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
}

// Says which parts are old because of what is selected or has the focus in them.
function say(held) {
  const paused = document.getElementById("paused");
  const text = held.size ? `Paused while you select: ${[...held].join(", ")}. The first line goes on.` : "";
  if (paused.textContent !== text) paused.textContent = text;
  paused.hidden = !text;
}

async function refresh() {
  const response = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  document.title = fresh.title;
  // The numbers change all the time; said aloud is what is news.
  const was = document.getElementById("state"), is = fresh.getElementById("state");
  if (was.dataset.about !== is.dataset.about) {
    was.dataset.about = is.dataset.about;
    document.getElementById("spoken").textContent = is.querySelector(".sentence").textContent;
  }
  const held = new Set();
  for (const now of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(now.id);
    if (!next || now.outerHTML === next.outerHTML) continue;
    // What somebody selects, or reads with the keyboard, is left alone under his
    // hands, and said to be; the state never is.
    if (now !== was && inUse(now)) {
      held.add(now.closest("section")?.querySelector("h2").textContent ?? "the foot");
      continue;
    }
    now.className = next.className;
    now.replaceChildren(...next.childNodes);
  }
  say(held);
  for (const image of document.querySelectorAll("#charts img")) {
    const next = fresh.getElementById(image.id);
    if (!next) continue;
    const source = image.parentElement.querySelector("source"), newer = next.parentElement.querySelector("source");
    if (source.srcset !== newer.srcset) source.srcset = newer.srcset;
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
