// Conveniences only: every page works without this file.
{
const all = (q, e = document) => [...e.querySelectorAll(q)];
const make = (tag, values) => Object.assign(document.createElement(tag), values);

// The same words as src/html/when.rs.
const some = (n, w) => `${n} ${w}${n === 1 ? "" : "s"}`;
const round = Math.round, span = (s) => {
  const m = round(s / 60), h = round(s / 3600), d = round(s / 86400), y = round(d / 30.4);
  if (m < 60) return some(Math.max(m, 1), "minute");
  if (h < 36) return some(h, "hour");
  if (d <= 120) return some(d, "day");
  return y < 24 ? some(y, "month") : some(round(d / 365), "year");
};
const tick = () => all("time").forEach((t) => {
  const at = new Date(t.dateTime), s = (at - Date.now()) / 1000;
  if (isNaN(at)) return;
  t.title = `${at.toLocaleString()} (${t.dateTime})`;
  if ("abs" in t.dataset) return;
  t.textContent = Math.abs(s) < 30 ? "just now" : s > 0 ? `in ${span(s)}` : `${span(-s)} ago`;
});
tick();
setInterval(tick, 3e4);

let guard = all("[data-once]")[0];
const note = make("p", { role: "status" });
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP.
    const field = make("textarea", { value: text }), last = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    last.focus();
    return done;
  }
  return true;
};
all("[data-copy]").forEach((e) => {
  const text = e.dataset.copy, isLink = e.tagName === "A";
  const button = isLink ? e : make("button", { type: "button", textContent: "Copy", ariaLabel: `Copy ${text}`, className: e.matches(".secret") ? "primary" : "" });
  if (!isLink) e.after(button);
  if (e.select) e.onfocus = () => e.select();
  button.onclick = async (event) => {
    event.preventDefault();
    (button.closest(".field") ?? button).after(note);
    note.textContent = "";
    const done = await copy(isLink ? text : e.value || e.textContent);
    note.textContent = done ? "Copied" : "Select the text and copy it.";
    note.className = done ? "ok" : "bad";
    if (done) guard = null;
  };
});

// Passwords can be shown; sent, they are hidden again, so that browsers do not offer them as text.
all("[type=password]").forEach((e) => {
  const button = make("button", { type: "button", textContent: "Show" });
  e.after(button);
  button.onclick = () => {
    const shown = e.type === "text";
    e.type = shown ? "password" : "text";
    button.textContent = shown ? "Show" : "Hide";
  };
  addEventListener("submit", () => (e.type = "password"));
});

all("[data-file]").forEach((label) => {
  label.hidden = false;
  label.onchange = async (event) => {
    all(`#${label.dataset.file}`)[0].value = await event.target.files[0].text();
  };
});

// One box for all rows of a list, and how many are selected.
all("form thead .pick").forEach((cell) => {
  const form = cell.closest("form"), boxes = all("tbody .pick input", form);
  const box = make("input", { type: "checkbox", ariaLabel: "Select all" }), count = make("b");
  const tally = () => {
    const n = boxes.filter((one) => one.checked).length;
    count.textContent = `${n} selected`;
    box.checked = n && n === boxes.length;
    box.indeterminate = n && n < boxes.length;
  };
  if (!boxes.length) return;
  cell.append(box);
  all(".bulk", form)[0].prepend(count, " ");
  box.onchange = () => boxes.forEach((one) => (one.checked = box.checked));
  form.onchange = tally;
  tally();
});

// Fills rows of permissions, as the server does without this file.
const fill = (rows, side) => all("tr", rows).forEach((row) => {
  const radio = all("input", row).findLast((one) => [side, "none"].includes(one.value) || side === "all");
  if (radio) radio.checked = true;
});
all("[name=fill]").forEach((button) => (button.onclick = (event) => {
  event.preventDefault();
  fill(button.closest("tbody"), button.value.split(" ")[1]);
}));
all("[data-all]").forEach((e) => (e.onchange = () => all("[data-group]").forEach((rows) =>
  fill(rows, e.dataset.all.includes(rows.dataset.group) ? "all" : e.value.slice(0, 4)))));

// The answer to a second click would hide the secret in the first.
addEventListener("submit", (e) => {
  const form = e.target, last = form.sent;
  form.sent = Date.now();
  if (form.sent - last < 3e3) e.preventDefault();
});

// Asks once; browsers complain when nothing was touched yet.
addEventListener("copy", () => (guard = null));
addEventListener("beforeunload", (e) => {
  if (!guard || all("[data-saved]")[0]?.checked || !navigator.userActivation?.hasBeenActive) return;
  guard = null;
  e.preventDefault();
});
}
