// Pictures to look at: every page in every state (empty, full, hostile, failed), light, dark and 320 pixels wide; and the README's.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command, profile, serve, signIn } from "./harness.mjs";
import { ALICE } from "./journeys.mjs";

const LOOKS = [
  ["light", { colorScheme: "light" }, { width: 1200, height: 700 }],
  ["dark", { colorScheme: "dark" }, { width: 1200, height: 700 }],
  ["320", { colorScheme: "light" }, { width: 320, height: 640 }],
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
  const context = await profile(site.url, { viewport: { width: 1200, height: 700 }, colorScheme: "light" });
  const page = await context.newPage();
  await page.goto(site.setUp);
  await page.getByLabel("User name").fill("alice");
  await page.getByLabel("Display name").fill("Alice Liddell");
  await page.getByLabel("Password").fill(ALICE);
  await page.getByRole("button", { name: "Create admin" }).click();
  const token = await command("user", "token", "alice", "--db", site.db);
  const ask = async (method, path, body) => {
    const answer = await fetch(`${site.url}/api/v1${path}`, {
      method, headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return answer.json();
  };
  const keys = [
    ["nightly backup", "90d", ["account:read"], 34, "restic/0.18.1"],
    ["jupyter on gpu1", "30d", ["api-keys:read", "tokens:read"], 12, "python-requests/2.32"],
    ["grafana", "never", ["metrics"], 61, "Grafana/12.1"],
    ["ci of the simulation", "5d", ["account:read", "tokens:read"], 7, "curl/8.14"],
    ["old notebook", "60d", ["account:read"], 0, ""],
    ["cluster scripts", "60d", undefined, 19, "keycroft/0.1"],
  ];
  for (const [name, life, permissions, uses, program] of keys) {
    const made = await ask("POST", "/api-keys", { name, expires_in: life, permissions });
    for (let use = 0; use < uses; use += 1) {
      await fetch(`${site.url}/verify`, { headers: { Authorization: `Bearer ${made.secret}`, "User-Agent": program } });
    }
    if (name === "old notebook") await ask("PATCH", `/api-keys/${made.id}`, { disabled: true });
    if (name === "cluster scripts") await ask("POST", `/api-keys/${made.id}/rotate`, { grace: "6h" });
  }
  await signIn(page, "alice", ALICE);
  // Uses are in memory first; the list shows them once they are in the file.
  for (let tries = 0; tries < 100; tries += 1) {
    await page.goto("/api-keys");
    if ((await page.getByText("Never", { exact: true }).count()) <= 1) break;
    await page.waitForTimeout(200);
  }
  writeFileSync(path, await page.screenshot());
  console.log(`ok      ${path}`);
}
