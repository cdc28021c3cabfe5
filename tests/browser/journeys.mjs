// People's ways through the console, each feature of a hosted platform's pages and what ours has besides.
import { check, command, copied, ensure, equal, freePort, led, profile, quiet, reached, serve, signIn, until, verify } from "./harness.mjs";

export const ALICE = "alice likes green tea", BOB = "bob likes black coffee";

const heading = (page) => page.locator("h1").innerText();
const press = (page, name) => led(page, () => page.getByRole("button", { name, exact: true }).click());
const follow = (page, name) => led(page, () => page.getByRole("main").getByRole("link", { name, exact: true }).first().click());

async function make(page, name, more = async () => {}) {
  await page.goto("/api-keys/new");
  await page.getByLabel("Name").fill(name);
  await more();
  await press(page, "Create API key");
  equal(await heading(page), `API key ${name} created`);
  const secret = await page.getByRole("textbox", { name: "Secret" }).inputValue();
  ensure(/^kca_[0-9a-z]{12}_[0-9A-Za-z]{38}$/.test(secret), `a secret: ${secret.slice(0, 5)}`);
  return secret;
}

/** The key's page, by its name in the list. */
async function openKey(page, name) {
  await page.goto(`/api-keys?q=${encodeURIComponent(name)}`);
  await led(page, () => page.getByRole("rowheader", { name }).getByRole("link", { name }).click());
  equal(await heading(page), name);
}

export async function all(site) {
  const alice = await profile(site.url, { permissions: ["clipboard-read", "clipboard-write"] });
  const page = await alice.newPage();

  await check("first start: the setup link creates the first admin, and its code is removed from the address immediately", async () => {
    await page.goto("/");
    equal(await heading(page), "Set up Keycroft", "the first page explains the link");
    await page.goto(site.setUp);
    equal(new URL(page.url()).pathname + new URL(page.url()).search, "/setup");
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Display name").fill("Alice Liddell");
    await page.getByLabel("Password").fill("too short");
    await press(page, "Create admin");
    const link = page.getByRole("alert").getByRole("link", { name: "Password" });
    await link.click();
    await until(page, () => document.activeElement.id === "password");
    equal(await page.getByLabel("Password").inputValue(), "", "a password does not come back");
    equal(await page.getByLabel("Username").inputValue(), "alice", "the rest does");
    await page.getByLabel("Password").fill(ALICE);
    await page.getByRole("button", { name: "Show" }).click();
    equal(await page.getByLabel("Password").getAttribute("type"), "text", "a password can be shown");
    await press(page, "Create admin");
    equal(await page.getByRole("status").innerText(), "Your password is set, and you are signed in.");
    equal(await heading(page), "Keys");
    const other = await profile(site.url);
    const second = await other.newPage();
    await second.goto(site.setUp);
    equal(await heading(second), "This link is invalid", "it works once");
    await other.close();
    ensure(await page.getByRole("banner").getByRole("link", { name: "alice", exact: true }).isVisible(), "it names who is signed in");
  });

  // A date in the future on any day of the test.
  const later = `${new Date().getUTCFullYear() + 5}-01-31`;
  let secret;
  await check("API key: create with name, exact date, permissions, note, addresses; shown once", async () => {
    await page.goto("/api-keys");
    ensure(await page.getByText("No API keys yet").isVisible(), "the empty list says what to do");
    secret = await make(page, "nightly backup", async () => {
      const offered = await page.getByLabel("Expiration", { exact: true }).locator("option").allInnerTexts();
      equal(offered.map((words) => words.split(" (")[0]), ["7 days", "30 days", "60 days", "90 days", "No expiration", "Choose a date"]);
      equal(await page.getByLabel("Expiration", { exact: true }).inputValue(), "30d", "30 days are preselected");
      await page.getByLabel("Expiration", { exact: true }).selectOption("custom");
      await page.getByLabel("Date and time (UTC)").fill(`${later}T15:04`);
      await page.getByLabel("Read only").check();
      await page.getByLabel("Choose", { exact: false }).last().check();
      equal(await page.getByLabel("SSH keys: read").isChecked(), true, "the rows start from the preset");
      await page.getByRole("group", { name: "Your account" }).getByRole("button", { name: "None" }).click();
      await page.getByLabel("Tokens: read").check();
      await page.getByText("More limits").click();
      await page.getByLabel("Allowed addresses").fill("127.0.0.0/8\n::1");
      await page.getByLabel("Note").fill("kept in the vault");
    });
    equal(await verify(site.url, secret), 204);
  });

  await check("shown once: the copy button, and lines to paste", async () => {
    await copied(page, page.getByRole("button", { name: "Copy API key" }));
    equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
    for (const [title, words] of [["Environment", `export KEYCROFT_TOKEN=${secret}`], ["curl", `curl -H "Authorization: Bearer $KEYCROFT_TOKEN" ${site.url}/api/v1/me`]]) {
      await page.locator("details", { hasText: title }).first().evaluate((one) => (one.open = true));
      ensure((await page.getByText(words).first().innerText()).includes(words), title);
    }
    // One click selects all of it.
    await page.getByRole("textbox", { name: "Secret" }).click();
    equal(await page.evaluate(() => getSelection().toString()), secret);
  });

  await check("shown once: reload, back, forward and a second tab do not show the secret again and create no second key", async () => {
    const tab = await alice.newPage();
    const shown = await make(tab, "reloaded", () => tab.getByLabel("Read only").check());
    await copied(tab, tab.getByRole("button", { name: "Copy API key" }));
    const hidden = async (where) => ensure(!(await tab.content()).includes(shown.slice(17)), `the secret is there after ${where}`);
    await tab.reload();
    equal(await heading(tab), "Already created");
    await hidden("reload");
    await tab.goBack();
    await hidden("back");
    // Nothing of it was kept, so that the browser has only its own page to show.
    const forward = await tab.goForward().catch((error) => String(error));
    ensure(String(forward).includes("ERR_CACHE_MISS"), `forward: ${forward}`);
    await tab.close();
    const second = await alice.newPage();
    await second.goto("/api-keys/new");
    ensure(!(await second.content()).includes(shown.slice(17)), "second tab");
    await second.goto("/api-keys?q=reloaded");
    equal(await second.locator("tbody tr").count(), 1, "one key");
    await second.close();
  });

  await check("shown once: leaving the page needs a confirmation until the secret is copied", async () => {
    alice.asked.length = 0;
    await make(page, "asks");
    await page.locator("h1").click();
    await page.goto("/api-keys");
    equal(alice.asked, ["beforeunload"], "it asks");
    await make(page, "copied");
    await copied(page, page.getByRole("button", { name: "Copy API key" }));
    await page.goto("/api-keys");
    await make(page, "selected");
    await page.getByRole("textbox", { name: "Secret" }).click();
    await page.keyboard.press("Control+c");
    await page.goto("/api-keys");
    equal(alice.asked, ["beforeunload"], "it does not ask");
  });

  await check("API key: submitting twice at once creates one key", async () => {
    await page.goto("/api-keys/new");
    await page.getByLabel("Name").fill("double click");
    await page.getByRole("button", { name: "Create API key" }).dblclick();
    await page.getByRole("heading", { name: "API key double click created" }).waitFor();
    await copied(page, page.getByRole("button", { name: "Copy API key" }));
    await page.goto("/api-keys?q=double");
    equal(await page.locator("tbody tr").count(), 1);
  });

  await check("API key: all account permissions and no administrative ones by default", async () => {
    await make(page, "harmless");
    await openKey(page, "harmless");
    const words = await page.getByRole("main").innerText();
    ensure(/SSH keys\s+read, write/.test(words) && !/Users and groups|Hosts|Policy/.test(words), words);
  });

  await check("API key: view, copy its id, edit, uses per day", async () => {
    await openKey(page, "nightly backup");
    const words = await page.getByRole("main").innerText();
    for (const part of ["kept in the vault", "127.0.0.0/8", `${later} 15:04`, "Tokens", "Active", "Depends on the address"]) {
      ensure(words.includes(part), `${part} is missing: ${words}`);
    }
    await copied(page, page.getByRole("button", { name: /^Copy .*id/ }));
    equal(await page.evaluate(() => navigator.clipboard.readText()), secret.slice(4, 16));
    equal(await page.getByRole("img", { name: /^Uses per day/ }).count(), 1, "a chart");
    await follow(page, "Edit");
    await page.getByLabel("Name").fill("nightly backup of node 7");
    await press(page, "Save");
    equal(await page.getByRole("status").innerText(), "API key nightly backup of node 7 saved.");
    await openKey(page, "nightly backup of node 7");
  });

  await check("API key: disable and enable, at the next request", async () => {
    await press(page, "Disable");
    equal(await verify(site.url, secret), 401);
    await press(page, "Enable");
    equal(await verify(site.url, secret), 204);
  });

  let second;
  await check("API key: rotate with grace for the old one", async () => {
    await follow(page, "Rotate");
    await page.getByLabel("Planned").check();
    await page.getByLabel("Grace period", { exact: true }).selectOption("1h");
    await press(page, "Rotate API key");
    second = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    ensure(second !== secret && second.slice(0, 16) === secret.slice(0, 16), "a new secret, the same id");
    equal([await verify(site.url, secret), await verify(site.url, second)], [204, 204]);
    await page.reload();
    ensure(!(await page.content()).includes(second.slice(17)), "reloading shows it again");
    equal([await verify(site.url, secret), await verify(site.url, second)], [204, 204], "reloading rotated again");
    await openKey(page, "nightly backup of node 7");
    ensure((await page.getByRole("main").innerText()).includes("Rotating"), "the page says so");
    await follow(page, "Rotate");
    await page.getByLabel("Leaked").check();
    await press(page, "Rotate API key");
    const third = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    equal([await verify(site.url, secret), await verify(site.url, second), await verify(site.url, third)], [401, 401, 204]);
    second = third;
  });

  await check("API key: a rejected form keeps its values, with a summary that links to the field", async () => {
    await page.goto("/api-keys/new");
    await page.getByLabel("Name").fill("harmless");
    await page.getByText("More limits").click();
    await page.getByLabel("Note").fill("what I typed");
    await press(page, "Create API key");
    ensure((await page.title()).startsWith("Error: "), "the title says so");
    equal(await page.getByLabel("Note").inputValue(), "what I typed");
    await until(page, () => document.activeElement.closest("[role=alert]") !== null);
    await page.getByRole("alert").getByRole("link", { name: "Name" }).click();
    await until(page, () => document.activeElement.id === "name");
    equal(await page.getByLabel("Name").getAttribute("aria-invalid"), "true");
  });

  await check("API key: delete lists the recorded uses and requires the typed name of a key in use", async () => {
    await page.goto(`/api-keys/${second.slice(4, 16)}/delete`);
    ensure((await page.getByRole("main").innerText()).includes("from 127.0.0.1"), "from where it was used");
    await page.getByLabel("Type the key's name").fill("something else");
    await press(page, "Delete API key");
    ensure(await page.getByRole("alert").isVisible(), "a wrong name is refused");
    equal(await verify(site.url, second), 204);
    await page.getByLabel("Type the key's name").fill("nightly backup of node 7");
    await press(page, "Delete API key");
    equal(await verify(site.url, second), 401);
    equal(await page.getByRole("status").innerText(), "API key nightly backup of node 7 deleted. It is rejected from the next request on.");
    equal(await page.getByRole("rowheader", { name: "nightly backup" }).count(), 0);
  });

  await check("token: generate for 1 to 24 hours, shown once, listed, deleted early", async () => {
    await page.goto("/tokens/new");
    const hours = await page.getByLabel("Expiration", { exact: true }).locator("option").count();
    equal([hours, await page.getByLabel("Expiration", { exact: true }).inputValue()], [24, "24h"], "24 choices, 24 hours preselected");
    await page.getByLabel("Expiration", { exact: true }).selectOption({ index: 1 });
    await page.getByLabel("Name").fill("for the laptop");
    await press(page, "Generate token");
    const token = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    ensure(token.startsWith("kct_"), "a token");
    equal(await verify(site.url, token), 204);
    await page.goto("/tokens");
    ensure((await page.getByRole("row", { name: /for the laptop/ }).innerText()).includes("in 2 hours"), "2 hours");
    await led(page, () => page.getByRole("row", { name: /for the laptop/ }).getByRole("link", { name: /Delete/ }).click());
    await press(page, "Delete token");
    equal(await verify(site.url, token), 401);
  });

  await check("sessions: two browsers; the signed-out one gets the sign-in page at the next click", async () => {
    const other = await profile(site.url, { userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1" });
    const phone = await other.newPage();
    await signIn(phone, "alice", ALICE);
    await page.goto("/sessions");
    equal(await page.locator("tbody tr").count(), 2);
    equal(await page.getByText("This device", { exact: true }).count(), 1);
    await led(page, () => page.getByRole("row", { name: /Safari/ }).getByRole("button", { name: /Sign out/ }).click());
    equal(await page.getByRole("status").innerText(), "1 session signed out.");
    await led(phone, () => phone.getByRole("navigation").getByRole("link", { name: "Tokens" }).click());
    equal(await heading(phone), "Sign in");
    await phone.getByLabel("Username").fill("alice");
    await phone.getByLabel("Password").fill(ALICE);
    await press(phone, "Sign in");
    equal(await heading(phone), "Tokens", "and comes back to where it went");
    await page.goto("/sessions");
    await press(page, "Sign out everywhere else");
    await phone.reload();
    equal(await heading(phone), "Sign in");
    equal(await page.locator("tbody tr").count(), 1);
    // A form that was open when the session ended is still there after signing in.
    await signIn(phone, "alice", ALICE);
    await phone.goto("/api-keys/new");
    await phone.getByLabel("Name").fill("from the phone");
    await page.goto("/sessions");
    await press(page, "Sign out everywhere else");
    await press(phone, "Create API key");
    await phone.getByLabel("Username").fill("alice");
    await phone.getByLabel("Password").fill(ALICE);
    await press(phone, "Sign in");
    equal(await heading(phone), "Continue");
    ensure(await phone.getByText("from the phone").isVisible(), "the form is shown");
    await press(phone, "Send the form");
    equal(await heading(phone), "API key from the phone created");
    quiet(other);
    await other.close();
  });

  await check("events: one sentence each, filtered, and as JSON lines", async () => {
    await page.goto("/events");
    await page.getByLabel("Action").selectOption("api-key.rotate");
    await press(page, "Filter");
    equal(await page.locator(".log .result").count(), 2);
    ensure((await page.locator(".log .name").last().innerText()).startsWith("alice rotated API key nightly backup"), "a sentence");
    await page.goto(`/events?target=${secret.slice(4, 16)}`);
    ensure((await page.locator(".log .result").count()) > 5, "all that happened to the key, and it alone");
    equal(await page.locator(".log tr:has(.result)").filter({ hasNotText: "nightly backup" }).count(), 0);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "JSON lines" }).click()]);
    equal(download.suggestedFilename(), "keycroft-events.jsonl");
  });

  await check("account: name, theme, password", async () => {
    await page.goto("/account");
    await page.getByLabel("Display name").fill("Alice L.");
    await led(page, () => page.getByRole("button", { name: "Save name" }).click());
    equal(await page.getByLabel("Display name").inputValue(), "Alice L.");
    await led(page, () => page.getByRole("button", { name: "Dark" }).click());
    equal(await page.getByRole("button", { name: "Dark" }).getAttribute("aria-pressed"), "true");
    equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(19, 22, 25)");
    await led(page, () => page.getByRole("button", { name: "System" }).click());
    await page.getByLabel("Current password").fill(ALICE);
    await page.getByLabel("New password").fill(`${ALICE} now`);
    await led(page, () => page.getByRole("button", { name: "Change password" }).click());
    ensure((await page.getByRole("status").innerText()).startsWith("Your password is changed"), "it says so");
    await page.getByLabel("Current password").fill(`${ALICE} now`);
    await page.getByLabel("New password").fill(ALICE);
    await led(page, () => page.getByRole("button", { name: "Change password" }).click());
  });

  const guest = await profile(site.url);
  const his = await guest.newPage();
  await check("users: invite; the invited person chooses a password and is signed in", async () => {
    await page.goto("/admin/new-user");
    await page.getByLabel("Username").fill("bob");
    await page.getByLabel("Display name").fill("Bob the Builder");
    await press(page, "Add user");
    const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
    await copied(page, page.getByRole("button", { name: "Copy link" }));
    equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    await his.goto(link);
    equal(new URL(his.url()).search, "", "the code left the address");
    equal(await heading(his), "Welcome, Bob the Builder");
    await his.getByLabel("Password").fill(BOB);
    await press(his, "Set password");
    equal(await heading(his), "Keys", "the invitation signs in");
    equal(await his.getByText("Administration").count(), 0);
    await his.goto("/admin/users");
    equal(await heading(his), "Forbidden");
    ensure((await his.getByRole("main").innerText()).includes("users:read"), "it names what is missing");
  });

  await check("users: role, permissions, disable, enable, reset, each effective at the next click", async () => {
    await page.goto("/admin/users/bob");
    await page.getByLabel("Admin", { exact: false }).first().check();
    await press(page, "Save");
    await his.goto("/admin/users");
    equal(await heading(his), "Users");
    await page.goto("/admin/users/bob");
    await page.getByLabel("Member", { exact: false }).first().check();
    await page.getByLabel("introspect").check();
    await press(page, "Save");
    await his.reload();
    equal(await heading(his), "Forbidden");
    await his.goto("/api-keys/new");
    ensure(await his.getByLabel("Introspection: write").count(), "what was granted is offered");
    await page.goto("/admin/users/bob");
    await press(page, "Disable");
    await his.goto("/api-keys");
    equal(await heading(his), "Sign in");
    await page.goto("/admin/users/bob");
    await press(page, "Enable");
    await press(page, "Reset password");
    const link = await page.getByRole("textbox", { name: "Link" }).inputValue();
    await page.reload();
    ensure(!(await page.content()).includes(link.slice(-30)), "reloading shows it again");
    await his.goto(link);
    await his.getByLabel("Password").fill(BOB);
    await press(his, "Set password");
    await signIn(his, "bob", BOB);
  });

  await check("policy: exceeding credentials are shown before saving; forbidden values are not offered", async () => {
    const endless = await (async () => {
      await his.goto("/api-keys/new");
      await his.getByLabel("Name").fill("for ever");
      await his.getByLabel("Expiration", { exact: true }).selectOption("never");
      await press(his, "Create API key");
      return his.getByRole("textbox", { name: "Secret" }).inputValue();
    })();
    await page.goto("/admin/policy");
    const set = async (name, number, unit) => {
      await page.locator(`[name=${name}]`).fill(number);
      await page.locator(`[name=${name}_unit]`).selectOption(unit);
    };
    await set("api_key_lifetime_max", "60", "days");
    for (const unwanted of ["90 days", "No expiration"]) await page.getByRole("group", { name: "Offered lifetimes" }).getByLabel(unwanted).uncheck();
    await set("token_lifetime_max", "8", "hours");
    await set("token_lifetime_default", "8", "hours");
    ensure(await page.getByRole("button", { name: "Save policy" }).evaluate((one) => one.getBoundingClientRect().bottom <= innerHeight), "Save is in view");
    await press(page, "Save policy");
    const words = await page.getByRole("main").innerText();
    ensure(words.includes("for ever") && words.includes("bob"), `what exceeds it: ${words}`);
    ensure(/api-keys/.test(await page.getByRole("main").getByRole("link", { name: "for ever" }).getAttribute("href")), "it links to the key");
    await press(page, "Save policy");
    equal(await page.getByRole("status").innerText(), "Policy saved.");
    equal(await verify(site.url, endless), 204, "what exists goes on");
    await his.goto("/api-keys/new");
    equal(await his.getByLabel("Expiration", { exact: true }).locator("option").count(), 4, "7, 30, 60 days and a date");
    await his.goto("/tokens/new");
    equal(await his.getByLabel("Expiration", { exact: true }).locator("option").count(), 8);
    await page.goto("/admin/policy");
    await page.locator("[name=api_key_lifetime_choice]").selectOption("Always the default");
    await press(page, "Preview");
    ensure(await page.getByText("1 change: API key lifetime users choose to always the default").isVisible(), "the change in words");
    await press(page, "Save policy");
    await his.goto("/api-keys/new");
    ensure(await his.getByText("Expires after 30 days (set by policy)").isVisible(), "a sentence in place of the choice");
    await page.goto("/admin/policy");
    await page.locator("[name=api_key_lifetime_choice]").selectOption("Users choose");
    await press(page, "Save policy");
    await press(page, "Save policy");
  });

  await check("groups and services: add, change, a service's own key, delete", async () => {
    await page.goto("/admin/groups");
    await page.getByLabel("Name").fill("gpu");
    await led(page, () => page.getByRole("main").getByRole("button", { name: /Add/ }).click());
    await follow(page, "Add members");
    // Enter means the ticked user, not the button in the first row.
    await page.locator("input[name=pick][value=bob]").check();
    await led(page, () => page.keyboard.press("Enter"));
    ensure(await page.getByRole("button", { name: "Remove bob" }).count(), "bob is in it");
    equal(await page.getByRole("button", { name: "Remove alice" }).count(), 0);
    await led(page, () => page.getByRole("button", { name: "Remove bob" }).click());
    await follow(page, "Add members");
    await led(page, () => page.getByRole("button", { name: "Add bob" }).click());
    ensure(await page.getByRole("button", { name: "Remove bob" }).count(), "bob is in it again");
    await page.goto("/admin/new-service");
    await page.getByLabel("Name").fill("slurm");
    await page.getByLabel("Permissions").fill("slurm:submit\nslurm:cancel");
    await press(page, "Add service");
    await page.goto("/admin/services/slurm/api-keys/new");
    await page.getByLabel("Name").fill("gate");
    await press(page, "Create API key");
    const key = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    equal(await verify(site.url, key), 204);
    await page.goto("/admin/services/slurm/delete");
    await page.getByLabel("Type the service's name").fill("slurm");
    await led(page, () => page.getByRole("button", { name: /^Delete/ }).click());
    equal(await verify(site.url, key), 401);
  });

  await check("users: offboard, then delete; the person is signed out everywhere", async () => {
    await page.goto("/admin/users/bob/offboard");
    await page.getByLabel("Type the username").fill("bob");
    await press(page, "Offboard");
    await his.goto("/tokens");
    equal(await heading(his), "Sign in");
    await page.goto("/admin/users/bob/delete");
    await page.getByLabel("Type the username").fill("bob");
    await press(page, "Delete user");
    equal(await page.getByRole("rowheader", { name: "bob" }).count(), 0);
    await page.goto("/admin/users/alice");
    ensure(await page.getByText("The last admin can't be demoted, disabled or deleted.").isVisible(), "the last admin stays");
  });

  await check("the browser reported no errors", async () => {
    quiet(alice);
    quiet(guest);
  });
  await alice.close();
  await guest.close();
}

/** From creation to deletion without a line of script. */
export async function withoutScript(site) {
  await check("without JavaScript: sign in, create, use, edit, rotate, delete, sign out", async () => {
    const context = await profile(site.url, { javaScriptEnabled: false });
    const page = await context.newPage();
    await signIn(page, "alice", ALICE);
    const secret = await make(page, "no script", async () => {
      await page.getByLabel("Choose", { exact: false }).last().check();
      await led(page, () => page.getByRole("group", { name: "Your account" }).getByRole("button", { name: "Read" }).click());
      equal(await page.getByLabel("Name").inputValue(), "no script", "the form comes back filled");
      equal([await page.getByLabel("Tokens: read").isChecked(), await page.getByLabel("Tokens: write").isChecked()], [true, false]);
    });
    equal(await page.getByRole("button", { name: "Copy API key" }).count(), 0, "no button that does nothing");
    equal(await verify(site.url, secret), 204);
    await page.reload();
    equal(await heading(page), "Already created");
    await openKey(page, "no script");
    await follow(page, "Edit");
    await page.getByLabel("Note").fill("edited without script");
    await press(page, "Save");
    await page.getByRole("main").getByText("edited without script", { exact: true }).waitFor();
    await follow(page, "Rotate");
    await page.getByLabel("Leaked").check();
    await press(page, "Rotate API key");
    const second = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    equal([await verify(site.url, secret), await verify(site.url, second)], [401, 204]);
    await page.goto("/tokens/new");
    await press(page, "Generate token");
    const token = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    equal(await verify(site.url, token), 204);
    for (const [path, button] of [[`/tokens/${token.slice(4, 16)}/delete`, "Delete token"], [`/api-keys/${second.slice(4, 16)}/delete`, "Delete API key"]]) {
      await page.goto(path);
      // It was used just now, and the page knows.
      if (path.startsWith("/api-keys/")) await page.getByLabel("Type the key's name").fill("no script");
      await press(page, button);
      await page.waitForURL(/done=deleted/);
    }
    equal([await verify(site.url, second), await verify(site.url, token)], [401, 401]);
    await page.goto("/account");
    await led(page, () => page.getByRole("button", { name: "Dark" }).click());
    equal(await page.locator("meta[name=color-scheme]").getAttribute("content"), "dark");
    await press(page, "Sign out");
    equal(await heading(page), "You are signed out");
    await page.goto("/api-keys");
    equal(await heading(page), "Sign in");
    quiet(context);
    await context.close();
  });
}

/** From creation to deletion without a pointer; what has the focus is always seen. */
export async function byKeyboard(site) {
  await check("by keyboard only: sign in, create, copy, delete, sign out; the focus is visible at every step", async () => {
    const context = await profile(site.url, { permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    const key = (name) => page.keyboard.press(name);
    const reach = (wanted) => reached(page, wanted);
    const settled = () => page.waitForLoadState();
    await page.goto("/login");
    await reach(/^Skip to content$/);
    await key("Enter");
    await reach(/^Username$/);
    await page.keyboard.type("alice");
    await key("Tab");
    await page.keyboard.type(ALICE);
    await key("Enter");
    await page.getByRole("heading", { name: "Keys", exact: true }).waitFor();
    await reach(/^API keys$/);
    await key("Enter");
    await page.waitForURL("**/api-keys");
    await reach(/^Skip to content$/);
    await key("Enter");
    await reach(/^New API key$/);
    await key("Enter");
    await page.waitForURL("**/api-keys/new");
    // The first field has the focus.
    await page.keyboard.type("by keyboard");
    await reach(/^All account permissions/);
    await key("ArrowUp");
    equal(await page.getByLabel("Read only").isChecked(), true);
    await reach(/^Create API key$/);
    await key("Enter");
    await page.getByRole("textbox", { name: "Secret" }).waitFor();
    const secret = await page.getByRole("textbox", { name: "Secret" }).inputValue();
    await reach(/^Copy API key$/);
    await key("Enter");
    await page.getByRole("status").getByText("Copied").waitFor();
    equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
    await reach(/^Done$/);
    await key("Enter");
    await page.waitForURL(`**/api-keys/${secret.slice(4, 16)}`);
    await reach(/^Delete/);
    await key("Enter");
    await page.waitForURL("**/delete");
    await reach(/^Delete API key$/);
    await key("Enter");
    await page.waitForURL(/\/api-keys\?done=deleted/);
    equal(await verify(site.url, secret), 401);
    await settled();
    await reach(/^Sign out$/);
    await key("Enter");
    await page.waitForURL("**/signed-out");
    quiet(context);
    await context.close();
  });
}

/** A lab's plain HTTP on a name of its own: no clipboard interface, no fetch metadata, forms go by Origin. */
export async function onPlainHttp() {
  await check("plain HTTP on another name: signing in, forms and copying work there too", async () => {
    const port = await freePort();
    const flags = ["--public-url", `http://keys.lab:${port}`, "--insecure-http"];
    const site = await serve("lab", flags, port);
    const url = `http://keys.lab:${port}`;
    ensure(site.setUp.startsWith(`${url}/setup?code=`), site.setUp);
    const context = await profile(url);
    const page = await context.newPage();
    await page.goto(site.setUp);
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Display name").fill("Alice");
    await page.getByLabel("Password").fill(ALICE);
    await press(page, "Create admin");
    const secret = await make(page, "plain");
    equal(await page.evaluate(() => [typeof navigator.clipboard, isSecureContext]), ["undefined", false]);
    await copied(page, page.getByRole("button", { name: "Copy API key" }));
    await until(page, () => document.activeElement.innerText === "Copy");
    await page.goto("/api-keys/new");
    await page.getByLabel("Name").focus();
    await page.keyboard.press("Control+V");
    await until(page, (secret) => document.getElementById("name").value === secret, secret);
    // The warning of a browser about this header without TLS.
    context.wrong = context.wrong.filter((line) => !line.includes("Cross-Origin-Opener-Policy header has been ignored"));
    quiet(context);
    await context.close();
  });
}
