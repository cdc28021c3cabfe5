// Screenshots of every page that a test opens (empty, full, hostile, failed): light, dark, 320 pixels wide, with forced colors.
// Also the README's.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folder, profile, serve, signIn } from "./harness.mjs";

const LOOKS = [
  ["light", { colorScheme: "light", forcedColors: "none" }, { width: 1200, height: 700 }],
  ["dark", { colorScheme: "dark", forcedColors: "none" }, { width: 1200, height: 700 }],
  ["320", { colorScheme: "light", forcedColors: "none" }, { width: 320, height: 640 }],
  ["forced", { colorScheme: "dark", forcedColors: "active" }, { width: 1200, height: 700 }],
];

/** `pages` holds what the tests of the console received; style and script come from a server. */
export async function take(folder, pages) {
  const site = await serve("pictures");
  const context = await profile(site.url);
  await context.route("**/*.html", (route) => {
    const path = new URL(route.request().url()).pathname;
    return route.fulfill({ body: readFileSync(join(pages, path)), contentType: "text/html; charset=utf-8" });
  });
  const page = await context.newPage();
  const names = readdirSync(pages).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5));
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

/** The first page of an admin of the lab that scripts/demo shows. */
export async function screenshot(path) {
  execFileSync(process.env.KEYCROFT_DEMO, [join(folder, "screenshot.db")], { stdio: "ignore" });
  const site = await serve("screenshot");
  const context = await profile(site.url, { viewport: { width: 1280, height: 700 }, colorScheme: "light" });
  const page = await context.newPage();
  await signIn(page, "ada", "correct horse battery");
  // As behind a name of one's own, not on a port of this very run; and no taller than its content.
  await page.evaluate(() => (document.querySelector(".brand + span").textContent = "keys.lab.example"));
  const height = await page.evaluate(() => Math.ceil(document.querySelector("main > .columns").getBoundingClientRect().bottom) + 24);
  await page.setViewportSize({ width: 1280, height });
  writeFileSync(path, await page.screenshot());
  console.log(`ok      ${path}`);
}
