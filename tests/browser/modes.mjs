// Every page there is, found by following links: no fault that axe knows of, and nothing to scroll sideways at 320 pixels.
import { axe, check, command, ensure, led, profile, quiet, signIn } from "./harness.mjs";
import { ALICE } from "./journeys.mjs";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const WIDE = { width: 1200, height: 800 }, NARROW = { width: 320, height: 640 };
/** Between the two: about the smallest width at which a table is a table. */
const MIDDLE = { width: 970, height: 800 };
/** At none of these is there anything to scroll sideways; the stylesheet changes its mind near some of them. */
const WIDTHS = [320, 360, 390, 480, 600, 768, 960, 961, 1000, 1080, 1150, 1200, 1215, 1216, 1280, 1366, 1440, 1535, 1536, 1600, 1920];
/** The widest words that a relative time has: so the widths do not depend on the day and on how long the tests take. */
const WIDEST = "59 minutes ago";
const ALL = { type: "tag", values: TAGS };
// The same page in other colors has the same elements: only checks of colors run again.
const COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block"] };
const MODES = [
  ["light", { colorScheme: "light", forcedColors: "none" }, WIDE, ALL],
  ["dark", { colorScheme: "dark", forcedColors: "none" }, MIDDLE, COLOURS],
  ["320 px", { colorScheme: "light", forcedColors: "none" }, NARROW, ALL],
  ["forced colours", { colorScheme: "dark", forcedColors: "active" }, NARROW, COLOURS],
];

// Hostile names of people, programs and objects.
const WORDS = [
  "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
  "W".repeat(64), "مفتاح النسخ الاحتياطي الليلي للمجموعة كلها بلا استثناء", "</textarea></title><h1>x</h1>",
  "nightly backup", "训练集群的密钥", "javascript:alert(1)", "a".repeat(31) + "-" + "b".repeat(32),
];

/** 200 keys, 30 people, and some of everything else, with hostile words in every field that takes them. */
export async function fill(site) {
  const token = await command("user", "token", "alice", "--db", site.db);
  const ask = async (method, path, body) => {
    const answer = await fetch(`${site.url}/api/v1${path}`, {
      method, headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }) }, body: JSON.stringify(body),
    });
    ensure(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? "" : await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const many = async (count, act) => {
    const numbers = [...Array(count).keys()];
    await Promise.all([...Array(16)].map(async () => {
      while (numbers.length) await act(numbers.shift());
    }));
  };
  const word = (number) => WORDS[number % WORDS.length];
  const named = (number) => `${word(number).slice(0, 60)} ${number}`;
  await ask("PATCH", "/me", { display_name: word(0) });
  await ask("PATCH", "/policy", { api_key_lifetime_max: "never" });
  await many(200, async (number) => {
    const created = await ask("POST", "/api-keys", {
      name: named(number), note: word(number + 1), expires_in: ["never", "2d", "30d", "1h"][number % 4],
      allowed_addresses: number % 7 ? [] : ["10.0.0.0/8", "2001:db8:1234:5678::/64", "127.0.0.0/8"],
      permissions: number % 3 ? ["tokens:read", "account:read"] : undefined,
    });
    if (number % 5 === 0) {
      await fetch(`${site.url}/verify`, { headers: { Authorization: `Bearer ${created.secret}`, "User-Agent": encodeURI(word(number)) } });
    }
    if (number % 11 === 0) await ask("PATCH", `/api-keys/${created.id}`, { disabled: true });
    if (number % 13 === 0) await ask("POST", `/api-keys/${created.id}/rotate`, { grace: "1h" });
    if (number % 17 === 0) await ask("DELETE", `/api-keys/${created.id}`);
  });
  await many(30, (number) => ask("POST", "/users", { username: `person-${number}`, display_name: word(number) }));
  await many(25, (number) => ask("POST", "/tokens", { name: named(number) }));
  await ask("PATCH", "/users/person-3", { disabled: true });
  for (const name of ["cpu", "w".repeat(32)]) {
    await ask("POST", "/groups", { name });
    for (const person of [1, 2, 3]) await ask("PUT", `/groups/${name}/members/person-${person}`);
  }
  await ask("POST", "/services", { name: "slurm", permissions: ["slurm:submit", "slurm:cancel"] });
  await ask("POST", "/services/slurm/api-keys", { name: word(3), permissions: ["introspect"] });
  await ask("PATCH", "/users/person-1", { permissions: ["introspect", "slurm:submit"] });
  for (const [number, kind] of ["webhook", "ntfy", "chat", "email"].entries()) {
    const url = kind === "email" ? undefined : "http://127.0.0.1:9/hook";
    const created = await ask("POST", "/notices/channels", { name: named(number), kind, url });
    if (kind !== "email") await ask("POST", `/notices/channels/${created.id}/test`, {});
  }
}

/** A page's path without what makes two of a kind different. */
function kind(path) {
  return path.replace(/\?.*/, "").replace(/\/[0-9a-z]{12}(?=\/|$)/, "/ID")
    .replace(/(users|groups|services)\/[^/]+/, "$1/NAME");
}

/** Pages by following links from `start`, one of each kind. */
async function* pages(page, start) {
  const seen = new Set(start.map(kind)), left = [...start];
  while (left.length) {
    const path = left.shift();
    const answer = await page.goto(path);
    const links = await page.locator("a[href^='/']").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
    for (const link of links.filter((link) => !/\/export|^\/-\/|\.json$/.test(link))) {
      if (!seen.has(kind(link))) {
        seen.add(kind(link));
        left.push(link);
      }
    }
    yield [kind(path), answer.status(), path];
  }
}

/** What is wrong with the page that is shown, in every mode. */
async function faults(page) {
  const found = [];
  await page.evaluate((words) => document.querySelectorAll("time:not([data-abs])").forEach((one) => (one.textContent = words)), WIDEST);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    const scroll = await page.evaluate(() => document.documentElement.scrollWidth);
    if (scroll > width) found.push(`${scroll} pixels wide on ${width}`);
  }
  for (const [name, media, viewport, rules] of MODES) {
    await page.emulateMedia(media);
    await page.setViewportSize(viewport);
    if (viewport === NARROW) {
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    }
    const [scroll, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    if (scroll > inner) found.push(`${name}: ${scroll} pixels wide on ${inner}`);
    const result = await page.evaluate((runOnly) => axe.run(document, {
      runOnly, resultTypes: ["violations"], elementRef: false,
    }), rules);
    for (const violation of result.violations) {
      const nodes = violation.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.failureSummary?.split("\n")[1]?.trim()})`);
      found.push(`${name}: ${violation.id}: ${violation.help}: ${nodes.join("; ")}`);
    }
  }
  return found;
}

async function look(page, name) {
  await page.evaluate(axe.source);
  const found = await faults(page);
  ensure(found.length === 0, `${name}:\n          ${found.join("\n          ")}`);
}

export async function all(site) {
  await check("200 keys and 30 people, with hostile names", () => fill(site));
  // axe is put into the page from outside, which the page's own policy would not let in.
  const context = await profile(site.url, { bypassCSP: true });
  const page = await context.newPage();
  let count = 0;
  for (const path of ["/login", "/signed-out", "/help", "/api", "/setup", "/invitation", "/nowhere"]) {
    await check(`every mode: ${path} (signed out)`, async () => {
      await page.goto(path);
      await look(page, path);
    });
    count += 1;
  }
  await check("every mode: a failed sign-in", async () => {
    await page.goto("/login");
    await page.getByLabel("Username").fill(WORDS[0]);
    await page.getByLabel("Password").fill("wrong");
    await led(page, () => page.getByRole("button", { name: "Sign in" }).click());
    await page.getByRole("alert").waitFor();
    await look(page, "failed");
  });
  await signIn(page, "alice", ALICE);
  const crawler = await context.newPage();
  const missing = [];
  for await (const [name, status, path] of pages(crawler, ["/api-keys", "/api-keys?page=2", "/api-keys?status=sleeping&sort=nothing", "/admin/inventory?kind=ssh-key", "/admin/inventory?kind=session", "/nowhere", "/admin/users/person-1", "/admin/groups/cpu", "/admin/services/slurm", "/api-keys/new"])) {
    if (status === 404 && name !== "/nowhere") {
      missing.push(name);
      continue;
    }
    await check(`every mode: ${name}`, async () => {
      ensure(status === 200 || status === 404, `${path}: ${status}`);
      await look(crawler, path);
    });
    count += 1;
  }
  await check("every link of the pages resolves", () => ensure(missing.length === 0, missing.join(" ")));
  await check("the crawl found the pages", () => ensure(count > 35, `only ${count}`));
  await forms(page);
  await check("no page reported an error or sent a request to another site", () => quiet(context));
  await context.close();
}

/** The answers of forms: created objects and rejected fields. */
async function forms(page) {
  const send = async (path, name, fill) => check(`every mode: ${name}`, async () => {
    await page.emulateMedia({ colorScheme: "light", forcedColors: "none" });
    await page.setViewportSize(WIDE);
    await page.goto(path);
    await page.evaluate(() => document.querySelectorAll("main form").forEach((form) => (form.noValidate = true)));
    await fill();
    await led(page, () => page.getByRole("main").locator("form[method=post] button").last().click());
    await look(page, name);
    // As if the secret had been copied: leaving asks no question.
    await page.evaluate(() => document.dispatchEvent(new Event("copy", { bubbles: true })));
  });
  const type = (field, words) => page.locator(`[name="${field}"]`).first().fill(words);
  const wrong = ["W".repeat(64), "\u202e".repeat(3)];
  await send("/api-keys/new", "new API key: shown once", () => type("name", `${WORDS[0]} shown`));
  await send("/tokens/new", "token: shown once", () => type("name", WORDS[1]));
  await send("/admin/new-user", "invitation: shown once", () => type("username", "zoe"));
  await send("/api-keys/new", "new API key: everything wrong", async () => {
    await page.locator("details").evaluateAll((all) => all.forEach((one) => (one.open = true)));
    await type("name", wrong[1]);
    await type("note", wrong[1]);
    await type("allowed_addresses", wrong[0]);
  });
  await send("/admin/new-user", "new user: everything wrong", async () => {
    await type("username", wrong[0]);
    await type("display_name", wrong[1]);
  });
  await send("/admin/policy", "policy: everything wrong", async () => {
    for (const field of ["api_key_lifetime_max", "token_lifetime_max", "session_lifetime", "api_keys_max"]) await type(field, "99999999");
  });
  await send("/admin/policy", "policy: what exceeds it", async () => {
    await type("api_key_lifetime_max", "31");
    await page.locator("[name=api_key_lifetime_max_unit]").selectOption("d");
  });
  await send("/admin/groups", "new group: wrong", () => type("name", wrong[0]));
  await send("/admin/new-service", "new service: wrong", () => type("name", wrong[0]));
  await send("/admin/users/person-1/delete", "delete a user: wrong name", () => type("confirm", wrong[0]));
  await send("/admin/inventory", "inventory: what will go", () => page.locator("tbody [type=checkbox]").first().check());
}
