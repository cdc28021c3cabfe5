// Functions of the browser tests: a test server, a browser, pages with recorded errors, and counted checks.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// The packages lie in a folder of the build, not beside this file.
const require = createRequire(join(process.env.BROWSER_PACKAGES, "here.js"));
const { chromium } = require("playwright-core");
export const axe = require("axe-core");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // A host name that is not a loopback name, as in labs.
  "--host-resolver-rules=MAP keys.lab 127.0.0.1",
];

export const folder = mkdtempSync(join(tmpdir(), "keycroft-browser-"));
const servers = [];
let browser;
let failures = 0;

export async function check(name, act) {
  const begun = Date.now();
  try {
    await act();
    console.log(`ok      ${name} (${Date.now() - begun} ms)`);
  } catch (error) {
    failures += 1;
    console.log(`FAILED  ${name}: ${String(error.stack ?? error).split("\n").slice(0, 12).join("\n        ")}`);
  }
}

export function equal(found, wanted, what = "") {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`);
  }
}

export function ensure(condition, what) {
  if (!condition) throw new Error(what);
}

export const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** Starts a server on a new file; where it is, and its set-up link. */
export function serve(name, flags = [], port = 0) {
  const db = join(folder, `${name}.db`);
  const args = ["serve", "--db", db, "--listen", `127.0.0.1:${port}`, ...flags];
  const child = spawn(process.env.KEYCROFT_BIN, args, { stdio: ["ignore", "ignore", "pipe"] });
  servers.push(child);
  return new Promise((resolve, reject) => {
    let output = "";
    const late = setTimeout(() => reject(new Error(`the server did not start: ${output}`)), 30_000);
    child.on("exit", () => reject(new Error(`the server ended: ${output}`)));
    child.stderr.on("data", (data) => {
      output += data;
      const url = /listening on (\S+)\n/.exec(output)?.[1];
      if (!url) return;
      clearTimeout(late);
      resolve({ url, db, setUp: /create one within an hour at (\S+)/.exec(output)?.[1], log: () => output });
    });
  });
}

/** What a command of the file's owner prints. */
export function command(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.env.KEYCROFT_BIN, args, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "", err = "";
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (err += data));
    child.on("exit", (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`${args.join(" ")}: ${err}`))));
  });
}

export async function launch() {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS, chromiumSandbox: false });
  return browser;
}

/** A browser profile of its own; what goes wrong in it is kept in `.wrong`. */
export async function profile(url, options = {}) {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1200, height: 800 }, ...options });
  // On a busy machine all takes long; what hangs is still found.
  context.setDefaultTimeout(60_000);
  context.wrong = [];
  context.asked = [];
  context.on("page", (page) => {
    page.pending = new Set();
    page.on("request", (request) => page.pending.add(`${request.method()} ${request.url()}`));
    for (const end of ["requestfinished", "requestfailed"]) {
      page.on(end, (request) => page.pending.delete(`${request.method()} ${request.url()}`));
    }
    page.on("console", (message) => {
      // A page that is itself a 4xx answer is listed here, too; it is not a fault of the page.
      const isStatus = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text())
        && message.location().url.split("#")[0] === page.url().split("#")[0];
      if (["error", "warning"].includes(message.type()) && !isStatus) {
        context.wrong.push(`${page.url()}: ${message.text()}`);
      }
    });
    page.on("pageerror", (error) => context.wrong.push(`${page.url()}: ${error}`));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) context.wrong.push(`asked ${request.url()}`);
    });
    page.on("dialog", (dialog) => {
      context.asked.push(dialog.type());
      dialog.accept().catch(() => {});
    });
  });
  return context;
}

/** Does what leads to another page, and waits until that is there. */
export async function led(page, act) {
  let acted = false;
  const load = page.waitForEvent("load");
  const action = act().then(() => (acted = true));
  try {
    await Promise.all([load, action]);
  } catch (error) {
    const pending = [...page.pending].join(", ") || "nothing";
    throw new Error(`${error.message}\nat ${page.url()}, ${acted ? "acted" : "not acted"}, waiting for ${pending}`);
  }
}

/** Waits until a script's condition holds in the page. */
export async function until(page, condition, argument) {
  await page.waitForFunction(condition, argument);
}

/** Presses a button that copies, and waits until it has; what is on the clipboard. */
export async function copied(page, button) {
  await page.evaluate(() => document.querySelector("[role=status]")?.remove());
  await button.click();
  await page.getByRole("status").getByText("Copied", { exact: true }).waitFor();
}

/** Goes on by keyboard from field to field until the one with this name has the focus, which is seen at every step. */
export async function reached(page, wanted) {
  for (let steps = 0; steps < 120; steps += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
      const label = one.getAttribute("aria-label") ?? one.labels?.[0]?.innerText ?? one.innerText;
      const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
      const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      return { label: (label ?? "").trim(), body: one === document.body, seen, inside };
    });
    if (at.body) continue;
    ensure(at.seen, `the focus on "${at.label}" can't be seen`);
    ensure(at.inside, `the focus on "${at.label}" is out of view`);
    if (wanted.test(at.label)) return;
  }
  throw new Error(`no way to ${wanted} by keyboard`);
}

export function quiet(context) {
  equal(context.wrong, [], "the browser complained");
}

export async function signIn(page, name, password) {
  await page.goto("/login");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(password);
  await led(page, () => page.getByRole("button", { name: "Sign in" }).click());
  await page.waitForURL((url) => !url.pathname.startsWith("/login"));
}

/** What /verify says of a secret. */
export async function verify(url, secret) {
  const answer = await fetch(`${url}/verify`, { headers: { Authorization: `Bearer ${secret}` } });
  return answer.status;
}

export async function finish() {
  await browser?.close();
  for (const server of servers) server.removeAllListeners("exit"), server.kill();
  rmSync(folder, { recursive: true, force: true });
  process.exit(failures === 0 ? 0 : 1);
}
