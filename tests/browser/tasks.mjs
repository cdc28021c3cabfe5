// The tasks of a person who opens the console for the first time, in the lab of the demo: each takes at most three clicks from the
// first page. Typing, and Enter in the field typed into, is no click.
import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { check, ensure, equal, folder, profile, serve, signIn } from "./harness.mjs";

const CLICKS_MAX = 3;

export async function all() {
  execFileSync(process.env.KEYCROFT_DEMO, [join(folder, "tasks.db")], { stdio: "ignore" });
  const site = await serve("tasks");
  const context = await profile(site.url);
  const page = await context.newPage();
  let clicks = 0;
  await page.exposeFunction("clicked", () => (clicks += 1));
  // Enter sends a form by a click on its button, too, without a pointer.
  await page.addInitScript(() => addEventListener("click", (event) => event.detail && window.clicked(), true));
  await signIn(page, "ada", "correct horse battery");

  const task = (name, act) => check(`task: ${name}, in ${CLICKS_MAX} clicks`, async () => {
    await page.goto("/");
    clicks = 0;
    await act();
    ensure(clicks > 0 && clicks <= CLICKS_MAX, `${clicks} clicks`);
  });
  const follow = (name) => page.getByRole("link", { name }).first().click();
  const press = (name) => page.getByRole("button", { name }).first().click();
  const enter = async (label, text) => {
    await page.getByLabel(label, { exact: true }).fill(text);
    await page.getByLabel(label, { exact: true }).press("Enter");
  };

  await task("find the unused API keys of bob and delete them", async () => {
    await follow("API keys never used");
    await enter("Owner", "bob");
    await page.waitForURL(/owner=bob/);
    const keys = await page.locator("tbody tr").count();
    await press("Delete all matching");
    await page.getByLabel(`Type ${keys} to confirm`).fill(String(keys));
    await press(/^Delete \d/);
    await page.getByRole("status").getByText(/API keys? deleted/).waitFor();
    ensure(new URL(page.url()).searchParams.get("owner") === "bob", "the filter is kept");
  });
  await task("see why an API key is rejected", async () => {
    await follow("old laptop");
    await page.getByText(/Rejected|Would be rejected|expired/i).first().waitFor();
  });
  await task("see who rotated an API key last week", async () => {
    await follow("All events");
    await page.getByLabel("Action").selectOption("api-key.rotate");
    await press("7 d");
    await page.getByText("rotated API key").first().waitFor();
  });
  await task("create a read-only API key", async () => {
    await follow("New API key");
    await page.getByLabel("Name", { exact: true }).fill("read only");
    await page.getByLabel("Read only").click();
    await press("Create API key");
    await page.getByRole("textbox", { name: "Secret" }).waitFor();
  });
  await task("rotate an API key with a grace period", async () => {
    await follow("prometheus");
    await follow("Rotate");
    equal(await page.getByLabel("Grace period", { exact: true }).inputValue(), "24h");
    await press("Rotate API key");
    await page.getByText(/The old (one|secret)/).first().waitFor();
  });
  await task("sign the lost laptop out", async () => {
    const lost = await profile(site.url, { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" });
    const laptop = await lost.newPage();
    await signIn(laptop, "ada", "correct horse battery");
    await follow("Sessions");
    await press("Sign out Firefox on Linux");
    await page.getByRole("status").getByText("1 session signed out.").waitFor();
    await laptop.goto("/");
    ensure(new URL(laptop.url()).pathname === "/login", "it is signed out");
  });
}
