// Keeps the page's numbers live. Everything is set as text, so nothing received becomes markup.
"use strict";

const PAUSE_MS = 2000;
const percent = new Set(["cache.hit_rate", "feedback.success_rate"]);

function at(value, path) {
  return path.split(".").reduce((inner, key) => (inner == null ? null : inner[key]), value);
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text != null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function shown(name, value) {
  if (value == null) return "–";
  if (percent.has(name)) return `${Math.round(100 * value)} %`;
  return Number.isInteger(value) ? value.toLocaleString("en") : Number(value).toPrecision(3);
}

function mainMetrics(metrics) {
  const names = Object.keys(metrics).filter((one) => /(macro_f1|validation.*accuracy)$/.test(one));
  return (names.length ? names : Object.keys(metrics).slice(0, 6))
    .map((name) => `${name} ${shown(name, metrics[name])}`).join(", ");
}

function showNumbers(stats) {
  for (const cell of document.querySelectorAll("[data-number]")) {
    const name = cell.dataset.number;
    const text = shown(name, at(stats, name));
    if (cell.textContent === text) continue;
    cell.textContent = text;
    cell.classList.remove("changed");
    void cell.offsetWidth; // Restarts the animation.
    cell.classList.add("changed");
  }
}

function clock(iso) {
  return element("time", iso.slice(11, 19), { datetime: iso });
}

function severity(name) {
  return element("span", name, { class: `severity ${name}` });
}

function row(cells) {
  const made = document.createElement("tr");
  cells.forEach(([content, kind], index) => {
    const cell = element(index === 0 ? "th" : "td", null, kind ? { class: kind } : {});
    if (index === 0) cell.setAttribute("scope", "row");
    cell.append(content ?? "");
    made.append(cell);
  });
  return made;
}

function showGroups(groups) {
  document.getElementById("groups").replaceChildren(
    ...groups.map((one) =>
      row([
        [one.title], [one.service], [severity(one.severity)], [one.category],
        [one.occurrences.toLocaleString("en"), "number"], [clock(one.last_seen)],
      ])
    )
  );
}

function showUpdates(stats) {
  document.getElementById("updates").replaceChildren(
    ...stats.promotion_history.map((one) =>
      row([
        [String(one.version), "number"], [one.kind],
        [one.examples_seen.toLocaleString("en"), "number"],
        [mainMetrics(one.metrics)],
        [clock(one.created_at)], [one.reason || ""],
      ])
    )
  );
  document.getElementById("refusals-part").hidden = stats.refused_updates.length === 0;
  document.getElementById("refusals").replaceChildren(
    ...stats.refused_updates.map((one) =>
      element("li", `version ${one.version}: ${one.reason} – ${one.detail}`)
    )
  );
}

function source(fix) {
  const line = element("p", "Source: ", { class: "source" });
  line.append(fix.link ? element("a", fix.url, { href: fix.link, rel: "noreferrer noopener" }) : fix.url);
  const author = fix.author ? ` by ${fix.author}` : "";
  line.append(`${author}; licence: ${fix.license || "not stated"}. Matched on ${fix.matched_on.join("; ")}.`);
  return line;
}

function verdict(errorId, solutionId) {
  const line = element("p", null, {
    class: "verdict", "data-error": errorId, "data-solution": solutionId,
  });
  line.append(
    element("button", "Worked", { type: "button", "data-worked": "true" }), " ",
    element("button", "Did not work", { type: "button", "data-worked": "false" }), " ",
    element("span", null, { role: "status" })
  );
  return line;
}

function card(one) {
  const made = element("li", null, { class: "card", "data-id": one.id });
  const facts = element("p", null, { class: "facts" });
  facts.append(
    severity(one.severity), ` ${one.category} · ${one.service} · `,
    clock(one.created_at), ` · model ${one.model_version}`
  );
  made.append(element("h3", one.title), facts);
  for (const fix of one.fixes) {
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.append(element("span", `${Math.round(100 * fix.score)} %`, { class: "score" }), " ", fix.title);
    details.append(summary, element("p", fix.text, { class: "fix" }), source(fix), verdict(one.error_id, fix.solution_id));
    made.append(details);
  }
  return made;
}

function showSuggestions(suggestions) {
  const list = document.getElementById("suggestions");
  // What somebody reads or judges stays as it is: an opened card is never taken away.
  const kept = new Map([...list.children].map((one) => [one.dataset.id, one]));
  const inUse = [...kept.values()].filter((one) => one.querySelector("details[open]"));
  const fresh = suggestions.map((one) => kept.get(one.id) || card(one));
  const gone = inUse.filter((one) => !fresh.includes(one));
  if (!list.contains(document.activeElement) && gone.length === 0) list.replaceChildren(...fresh);
  document.getElementById("no-suggestions").hidden = list.children.length > 0;
}

async function judge(button) {
  const line = button.closest(".verdict");
  const status = line.querySelector("[role=status]");
  const buttons = line.querySelectorAll("button");
  buttons.forEach((one) => { one.disabled = true; });
  status.textContent = "Sending…";
  try {
    const answer = await fetch("/api/v1/learning/feedback", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        error_id: line.dataset.error,
        solution_id: line.dataset.solution,
        solution_worked: button.dataset.worked === "true",
      }),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    status.textContent = "Thank you: counted for this group.";
  } catch (error) {
    status.textContent = `Not sent: ${error.message}`;
    buttons.forEach((one) => { one.disabled = false; });
  }
}

async function refresh() {
  const freshness = document.getElementById("freshness");
  try {
    const answer = await fetch("/live", { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    const live = await answer.json();
    showNumbers(live.stats);
    showSuggestions(live.suggestions);
    showGroups(live.groups);
    showUpdates(live.stats);
    freshness.textContent = `Live, as of ${new Date().toLocaleTimeString("en-GB")}`;
  } catch (error) {
    freshness.textContent = `Not live: ${error.message}`;
  }
  // Hidden tabs rest.
  window.setTimeout(refresh, document.hidden ? 10 * PAUSE_MS : PAUSE_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-worked]");
  if (button) judge(button);
});
refresh();
