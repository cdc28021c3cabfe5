// Pictures to look at: every page in every state (empty, full, hostile, failed), light, dark, 320 pixels wide and in forced
// colours; and the README's.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command, led, profile, serve } from "./harness.mjs";
import { ALICE } from "./journeys.mjs";

const LOOKS = [
  ["light", { colorScheme: "light", forcedColors: "none" }, { width: 1200, height: 700 }],
  ["dark", { colorScheme: "dark", forcedColors: "none" }, { width: 1200, height: 700 }],
  ["320", { colorScheme: "light", forcedColors: "none" }, { width: 320, height: 640 }],
  ["forced", { colorScheme: "dark", forcedColors: "active" }, { width: 1200, height: 700 }],
];
const TYPES = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };

/** `gallery` holds the pages as the tests of `html` write them. */
export async function take(folder, gallery) {
  const context = await profile("http://127.0.0.1:9");
  await context.route("**", (route) => {
    const path = new URL(route.request().url()).pathname;
    const body = readFileSync(join(gallery, path));
    return route.fulfill({ body, contentType: TYPES[path.split(".").pop()] });
  });
  const page = await context.newPage();
  const names = readdirSync(gallery).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5));
  for (const name of names) {
    await page.goto(`/${name}.html`);
    for (const [look, media, viewport] of LOOKS) {
      await page.emulateMedia(media);
      await page.setViewportSize(viewport);
      await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true });
    }
  }
  console.log(`ok      ${names.length} pages in ${LOOKS.length} looks`);
}

/** What a list of keys looks like after some weeks of use. */
export async function screenshot(path) {
  const site = await serve("screenshot");
  const context = await profile(site.url, { viewport: { width: 1220, height: 700 }, colorScheme: "light" });
  const page = await context.newPage();
  await page.goto(site.setUp);
  await page.getByLabel("User name").fill("alice");
  await page.getByLabel("Display name").fill("Alice Liddell");
  await page.getByLabel("Password").fill(ALICE);
  await led(page, () => page.getByRole("button", { name: "Create admin" }).click());
  const token = await command("user", "token", "alice", "--db", site.db);
  const ask = async (method, path, body) => {
    const answer = await fetch(`${site.url}/api/v1${path}`, {
      method, headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return answer.json();
  };
  const keys = [
    ["nightly backup", "90d", ["account:read"]],
    ["grafana", "never", ["metrics"]],
    ["simulation CI", "5d", ["account:read", "tokens:read"]],
    ["old notebook", "60d", ["account:read"]],
    ["cluster scripts", "60d", undefined],
  ];
  for (const [name, life, permissions] of keys) {
    const made = await ask("POST", "/api-keys", { name, expires_in: life, permissions });
    if (name === "old notebook") await ask("PATCH", `/api-keys/${made.id}`, { disabled: true });
    if (name === "cluster scripts") await ask("POST", `/api-keys/${made.id}/rotate`, { grace: "6h" });
  }
  // Some weeks go by: uses on every working day, at different hours.
  const past = `
import sqlite3, sys, time
file, now = sqlite3.connect(sys.argv[1], timeout=5), int(time.time())
keys = [row[0] for row in file.execute("SELECT id FROM credentials WHERE kind = 'api-key' ORDER BY number")]
for place, (key, per_day, hours, program) in enumerate(zip(keys, [34, 61, 7, 2, 19], [3, 0, 30, 500, 9],
        ["restic/0.18.1", "Grafana/12.1", "curl/8.14", "python-requests/2.28", "keycroft/0.1"])):
    file.execute("UPDATE credentials SET created_at = created_at - ? WHERE id = ?", (86400 * (61 - 9 * place), key))
    for back in range(30):
        if back * 24 >= hours and (now // 86400 - back + 4) % 7 not in (0, 6):
            uses = per_day * (5 + (back * 7 + place) % 6) // 8
            file.execute("INSERT OR REPLACE INTO usage_days VALUES (?, ?, ?, 0)", (key, now // 86400 - back, uses))
    file.execute("INSERT OR REPLACE INTO last_uses (credential_id, at, address, program) VALUES (?, ?, ?, ?)",
        (key, now - hours * 3600 - 240, "10.0.3." + str(7 + place), program))
file.commit()`;
  execFileSync("python3", ["-c", past, site.db]);
  await page.goto("/");
  // As behind a name of one's own, not on a port of this very run; and no taller than its content.
  await page.evaluate(() => (document.querySelector(".brand + span").textContent = "keys.lab.example"));
  const height = await page.evaluate(() => Math.ceil(document.querySelector("main > .columns").getBoundingClientRect().bottom) + 24);
  await page.setViewportSize({ width: 1220, height });
  writeFileSync(path, await page.screenshot());
  console.log(`ok      ${path}`);
}
