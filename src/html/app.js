// Conveniences only: every page works without this file.
(() => {
  const all = (q) => document.querySelectorAll(q);
  const some = (n, w) => `${n} ${w}${n === 1 ? "" : "s"}`;

  // The same words as src/html/when.rs.
  const span = (s) => {
    const m = Math.round(s / 60), h = Math.round(s / 3600), d = Math.round(s / 86400), y = Math.round(d / 30.4);
    if (m < 60) return some(Math.max(m, 1), "minute");
    if (h < 36) return some(h, "hour");
    if (d <= 120) return some(d, "day");
    return y < 24 ? some(y, "month") : some(Math.round(d / 365), "year");
  };
  const tick = () => all("time").forEach((t) => {
    const at = new Date(t.dateTime), s = (at - Date.now()) / 1000;
    if (isNaN(at)) return;
    t.title = `${at.toLocaleString()} (${t.dateTime})`;
    if ("abs" in t.dataset) return;
    t.textContent = Math.abs(s) < 30 ? "just now" : s > 0 ? `in ${span(s)}` : `${span(-s)} ago`;
  });
  tick();
  setInterval(tick, 30000);

  let guard = document.querySelector("[data-once]");
  const note = document.createElement("p");
  note.role = "status";

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Plain HTTP.
      const field = document.createElement("textarea"), last = document.activeElement;
      field.value = text;
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
    let button = e;
    if (e.tagName !== "A") {
      button = Object.assign(document.createElement("button"), {
        type: "button", textContent: "Copy", ariaLabel: `Copy ${e.dataset.copy}`,
      });
      e.after(button);
    }
    button.onclick = async (event) => {
      event.preventDefault();
      button.after(note);
      note.textContent = "";
      const done = await copy(e === button ? e.dataset.copy : e.value || e.textContent);
      note.textContent = done ? "Copied." : "Copying failed: select the text and copy it.";
      if (done && e.classList.contains("secret")) guard = null;
    };
  });

  all("[data-file]").forEach((label) => {
    label.hidden = false;
    label.onchange = async (event) => {
      document.getElementById(label.dataset.file).value = await event.target.files[0].text();
    };
  });

  all(".secret").forEach((e) => (e.onfocus = () => e.select()));

  // One box for all rows of a list, and how many are selected.
  all("form thead .pick").forEach((cell) => {
    const form = cell.closest("form"), boxes = [...form.querySelectorAll("tbody .pick input")];
    const box = Object.assign(document.createElement("input"), { type: "checkbox", ariaLabel: "Select all on this page" });
    const count = document.createElement("b");
    const tally = () => {
      const n = boxes.filter((one) => one.checked).length;
      count.textContent = `${n} selected`;
      box.checked = n && n === boxes.length;
      box.indeterminate = n && n < boxes.length;
    };
    if (!boxes.length) return;
    cell.append(box);
    form.querySelector(".bulk").prepend(count, " ");
    box.onchange = () => boxes.forEach((one) => (one.checked = box.checked));
    form.onchange = tally;
    tally();
  });

  // The answer to a second click would hide the secret in the first.
  addEventListener("submit", (event) => {
    const form = event.target, last = form.sent;
    form.sent = Date.now();
    if (form.sent - last < 3e3) event.preventDefault();
  });

  // Asks once; browsers complain when nothing was touched yet.
  addEventListener("beforeunload", (event) => {
    if (!guard || guard.querySelector("[data-saved]").checked || !navigator.userActivation?.hasBeenActive) return;
    guard = null;
    event.preventDefault();
  });
})();
