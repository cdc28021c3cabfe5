// Second factors in a real browser: an authenticator app without scripts and by keyboard, passkeys with the virtual
// authenticators of Chromium's DevTools.
import { createHmac } from "node:crypto";

import { axe, check, command, ensure, equal, freePort, led, profile, quiet, reached, serve } from "./harness.mjs";

const ALICE = "alice likes green tea";
const HERE = "/account/second-factor";
const heading = (page) => page.locator("h1").innerText();
const press = (page, name) => led(page, () => page.getByRole("button", { name, exact: true }).click());

/** The code of RFC 6238 at this time, or so many steps away. */
function code(seed, steps = 0) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...seed.replaceAll(" ", "")].map((one) => digits.indexOf(one).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0");
}

/** No fault that axe knows of, in every mode; with a passkey's script, axe sees the button. */
async function sound(page, what) {
  await page.evaluate(axe.source);
  for (const [colorScheme, forcedColors] of [["light", "none"], ["dark", "none"], ["dark", "active"]]) {
    for (const width of [320, 1200]) {
      await page.emulateMedia({ colorScheme, forcedColors });
      await page.setViewportSize({ width, height: 800 });
      const { violations } = await page.evaluate(() => window.axe.run());
      equal(violations.map((one) => `${one.id}: ${one.nodes[0].html}`), [], `${what} ${colorScheme} ${forcedColors} ${width}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      ensure(wide <= 0, `${what}: ${wide} px to scroll sideways at ${width}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light", forcedColors: "none" });
}

/** A virtual authenticator in a page. */
async function authenticator(page, options) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true, ...options },
  });
  return { session, authenticatorId };
}

async function signOut(page) {
  await page.context().clearCookies({ name: "keycroft-session" });
}

export async function all() {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const site = await serve("factors", ["--public-url", url], port);
  const link = new URL(await command("user", "add", "alice", "--admin", "--db", site.db));
  let seed, codes;

  await check("second factor: an authenticator app without scripts, by code and by recovery code", async () => {
    const context = await profile(url, { javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(link.pathname + link.search);
    await page.getByLabel("Password").fill(ALICE);
    await press(page, "Set password");
    await page.goto(HERE);
    await press(page, "Set up an app");
    equal(await heading(page), "Set up an authenticator app");
    ensure(await page.getByRole("img", { name: "QR code" }).isVisible(), "the picture");
    await page.getByText("Enter the key by hand").click();
    seed = await page.locator("#seed").innerText();
    await page.getByLabel("6-digit code").fill("000000");
    await press(page, "Turn on");
    ensure((await page.getByRole("alert").innerText()).includes("wrong"), "a wrong code");
    equal(await page.locator("#seed").textContent(), seed, "the key stays");
    await page.getByLabel("6-digit code").fill(code(seed));
    await press(page, "Turn on");
    equal(await heading(page), "Recovery codes");
    codes = (await page.locator("#codes").innerText()).split("\n");
    equal(codes.length, 10);
    await signOut(page);
    await page.goto("/login?next=/sessions");
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Password").fill(ALICE);
    await press(page, "Sign in");
    equal(await heading(page), "Second factor");
    // The step of the set-up is spent.
    await page.getByLabel("Code", { exact: true }).fill(code(seed, 1));
    await press(page, "Sign in");
    equal(await heading(page), "Sessions");
    ensure(await page.getByText("by password and code").isVisible(), "the list says how");
    await signOut(page);
    await page.goto("/login");
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Password").fill(ALICE);
    await press(page, "Sign in");
    await page.getByLabel("Code", { exact: true }).fill(codes[0].toUpperCase());
    await press(page, "Sign in");
    await page.goto(HERE);
    ensure(await page.getByText("9 of 10 are left").isVisible(), "one is used");
    quiet(context);
    await context.close();
  });

  const context = await profile(url);
  const page = await context.newPage();
  await check("second factor: both steps by keyboard; correct in every mode", async () => {
    await page.goto("/login");
    await page.getByLabel("Username").focus();
    await page.keyboard.type("alice");
    await page.keyboard.press("Tab");
    await page.keyboard.type(ALICE);
    await led(page, () => page.keyboard.press("Enter"));
    equal(await heading(page), "Second factor");
    await sound(page, "the second step");
    await page.getByLabel("Code", { exact: true }).focus();
    await page.keyboard.type(codes[1]);
    await led(page, () => page.keyboard.press("Enter"));
    await page.waitForURL((at) => !at.pathname.startsWith("/login"));
    await page.goto(HERE);
    await sound(page, "the page of factors");
    quiet(context);
  });

  let device;
  await check("passkey: add one, sign in with it alone; without a passkey on the page no script for one", async () => {
    device = await authenticator(page, { transport: "internal" });
    await page.goto(HERE);
    equal(await page.locator("script[src*=passkey]").count(), 0);
    await press(page, "Add a passkey");
    await page.getByLabel("Name").fill("laptop");
    await sound(page, "the form of a passkey");
    await led(page, () => page.getByRole("button", { name: "Add a passkey" }).click());
    await page.waitForURL(/done=passkey/);
    ensure(await page.getByRole("rowheader", { name: "laptop" }).isVisible(), "it is listed");
    await signOut(page);
    await page.goto("/login");
    await sound(page, "the sign-in page");
    await led(page, () => page.getByRole("button", { name: "Sign in with a passkey" }).click());
    await page.waitForURL((at) => !at.pathname.startsWith("/login"));
    await page.goto("/sessions");
    ensure(await page.getByText("by passkey").isVisible(), "the list says how");
    quiet(context);
  });

  await check("passkey: renamed by keyboard, with and without scripts", async () => {
    await page.goto(HERE);
    await reached(page, /^Rename passkey laptop$/);
    await led(page, () => page.keyboard.press("Enter"));
    equal(await heading(page), "Rename laptop");
    await sound(page, "the form of a name");
    await page.getByLabel("Name").fill("blue");
    await led(page, () => page.getByLabel("Name").press("Enter"));
    ensure(await page.getByRole("rowheader", { name: "blue" }).isVisible(), "the new name");
    const plain = await profile(url, { javaScriptEnabled: false });
    await plain.addCookies(await context.cookies());
    const other = await plain.newPage();
    await other.goto(HERE);
    await reached(other, /^Rename passkey blue$/);
    await led(other, () => other.keyboard.press("Enter"));
    // The field has the focus, with the name in it.
    await other.keyboard.press("Control+A");
    await other.keyboard.type("laptop");
    await led(other, () => other.keyboard.press("Enter"));
    ensure(await other.getByRole("rowheader", { name: "laptop" }).isVisible(), "the old name again");
    quiet(plain);
    await plain.close();
    quiet(context);
  });

  await check("passkey: the same device is not registered twice", async () => {
    await page.goto(HERE);
    await press(page, "Add a passkey");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByRole("alert").getByText("already has a passkey").waitFor();
  });

  await check("passkey: as a second factor, and after a canceled attempt", async () => {
    await signOut(page);
    await page.goto("/login");
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Password").fill(ALICE);
    await press(page, "Sign in");
    await device.session.send("WebAuthn.setUserVerified", { authenticatorId: device.authenticatorId, isUserVerified: false });
    await led(page, () => page.getByRole("button", { name: "Use a passkey" }).click());
    await page.waitForURL((at) => !at.pathname.startsWith("/login"));
    await page.goto("/sessions");
    ensure(await page.getByText("by password and passkey").first().isVisible(), "the list says how");
    // An unverified user: the browser refuses before we do.
    await signOut(page);
    await page.goto("/login");
    await page.getByRole("button", { name: "Sign in with a passkey" }).click();
    await page.getByRole("alert").getByText("Canceled").waitFor();
    await device.session.send("WebAuthn.setUserVerified", { authenticatorId: device.authenticatorId, isUserVerified: true });
    await led(page, () => page.getByRole("button", { name: "Sign in with a passkey" }).click());
    await page.waitForURL((at) => !at.pathname.startsWith("/login"));
  });

  await check("passkey: a deleted one is rejected, although the device still has it", async () => {
    await page.goto(HERE);
    await press(page, "Delete passkey laptop");
    ensure(await page.getByRole("status").first().isVisible(), "it says so");
    await device.session.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: device.authenticatorId });
    const key = await authenticator(page, { transport: "usb" });
    await press(page, "Add a passkey");
    await page.getByLabel("Name").fill("blue key");
    await led(page, () => page.getByRole("button", { name: "Add a passkey" }).click());
    await page.waitForURL(/done=passkey/);
    const { credentials } = await key.session.send("WebAuthn.getCredentials", { authenticatorId: key.authenticatorId });
    equal(credentials.length, 1);
    await press(page, "Delete passkey blue key");
    await key.session.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: key.authenticatorId });
    // Another device, so that the sign-in page still offers passkeys; then the first one alone, with the deleted passkey.
    const other = await authenticator(page, { transport: "internal" });
    await press(page, "Add a passkey");
    await led(page, () => page.getByRole("button", { name: "Add a passkey" }).click());
    await page.waitForURL(/done=passkey/);
    await other.session.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: other.authenticatorId });
    const again = await authenticator(page, { transport: "usb" });
    await again.session.send("WebAuthn.addCredential", { authenticatorId: again.authenticatorId, credential: credentials[0] });
    await signOut(page);
    await page.goto("/login");
    await led(page, () => page.getByRole("button", { name: "Sign in with a passkey" }).click());
    ensure((await page.getByRole("alert").first().innerText()).includes("not registered"), "it says why");
    ensure(new URL(page.url()).pathname.startsWith("/login"), "and lets nobody in");
  });
  await context.close();

  await command("policy", "set", "second_factor=everyone", "--db", site.db);
  for (const [name, javaScriptEnabled] of [["bob", false], ["carol", true]]) {
    const how = javaScriptEnabled ? "with scripts, sound in every mode" : "without scripts";
    await check(`second factor that policy demands: set up at sign-in and used, by keyboard only, ${how}`, async () => {
      const link = new URL(await command("user", "add", name, "--db", site.db));
      const context = await profile(url, { javaScriptEnabled });
      const page = await context.newPage();
      const key = (name) => page.keyboard.press(name);
      const enter = () => led(page, () => key("Enter"));
      const look = (what) => (javaScriptEnabled ? sound(page, what) : null);
      await page.goto(link.pathname + link.search);
      await reached(page, /^Password/);
      await page.keyboard.type(`${name} likes green tea`);
      await enter();
      equal(await heading(page), "Set up a second factor");
      await look("setting up at sign-in");
      await reached(page, /^Enter the key by hand$/);
      await key("Enter");
      const seed = await page.locator("#seed").innerText();
      await reached(page, /^6-digit code/);
      await page.keyboard.type("000000");
      await enter();
      await look("setting up at sign-in after a wrong code");
      await reached(page, /^6-digit code/);
      await page.keyboard.type(code(seed));
      await enter();
      equal(await heading(page), "Recovery codes");
      await look("the page of recovery codes");
      const codes = (await page.locator("#codes").innerText()).split("\n");
      await reached(page, /^I have saved them$/);
      await key("Space");
      await reached(page, /^Continue$/);
      await enter();
      await reached(page, /^Sign out$/);
      await enter();
      await page.goto("/login");
      await reached(page, /^Username/);
      await page.keyboard.type(name);
      await key("Tab");
      await page.keyboard.type(`${name} likes green tea`);
      await enter();
      equal(await heading(page), "Second factor");
      await reached(page, /^Code/);
      await page.keyboard.type("000000");
      await enter();
      await look("the second step after a wrong code");
      // The link in the summary leads to the field.
      await reached(page, /^Code$/);
      await key("Enter");
      await page.keyboard.type(codes[9]);
      await enter();
      await page.goto(HERE);
      ensure(await page.getByText("9 of 10 are left").isVisible(), "one is used");
      await reached(page, /^Remove the app$/);
      await enter();
      ensure((await page.getByRole("alert").innerText()).includes("requires a second factor"), "the last one stays");
      quiet(context);
      await context.close();
    });
  }
}
