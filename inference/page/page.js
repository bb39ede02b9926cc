// Keeps what is marked `data-live` fresh, by asking for the page again and taking over those parts.
// The server renders and escapes; nothing is put together here. The page works without it.
"use strict";

const PAUSE_MS = 5000;
const regions = [...document.querySelectorAll("[data-live][id]")].map((one) => one.id);
const freshness = document.getElementById("freshness");
const pause = document.getElementById("pause");
let timer = 0;
let isPaused = false;

function isInUse(region) {
  // Somebody stands in it with the keyboard, selects text, or has opened something.
  const selection = document.getSelection();
  return (
    region.contains(document.activeElement) ||
    (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) ||
    region.querySelector("details[open]") !== null
  );
}

function takeOver(fresh) {
  for (const id of regions) {
    const old = document.getElementById(id);
    const made = fresh.getElementById(id);
    if (!old || !made || isInUse(old) || old.innerHTML === made.innerHTML) continue;
    old.replaceWith(document.adoptNode(made));
  }
}

async function refresh() {
  window.clearTimeout(timer);
  if (!document.hidden && !isPaused) {
    try {
      const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
      if (!answer.ok) throw new Error(`answer ${answer.status}`);
      takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
      freshness.textContent = `Live, as of ${new Date().toISOString().slice(11, 19)}`;
    } catch (error) {
      freshness.textContent = `Not live: ${error.message}`;
    }
  }
  timer = window.setTimeout(refresh, PAUSE_MS);
}

if (regions.length > 0) {
  document.getElementById("refresh").hidden = false;
  freshness.textContent = "Live";
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    freshness.textContent = isPaused ? "Paused" : "Live";
    if (!isPaused) refresh();
  });
  timer = window.setTimeout(refresh, PAUSE_MS);
}
