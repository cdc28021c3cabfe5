// Device login as npm's openid-client does it, and a person at the console by plain forms.
// One line for each check: `ok …` or `FAILED …`.

import { request } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url, username, password] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const client = await import(pathToFileURL(require.resolve("openid-client")));

let failures = 0;

function check(name, holds, shown = "") {
  console.log(holds ? `ok ${name}` : `FAILED ${name}: ${JSON.stringify(shown)}`);
  if (!holds) failures += 1;
}

/** A browser without scripts: cookies, and forms with the fields that the page hides in them. */
class Browser {
  cookies = new Map();

  // Not by fetch, which says of itself that it comes from another site.
  go(path, fields) {
    const body = fields ? new URLSearchParams(fields).toString() : undefined;
    const headers = { Origin: url, Cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
    if (body) Object.assign(headers, { "Content-Type": "application/x-www-form-urlencoded", "Content-Length": Buffer.byteLength(body) });
    return new Promise((resolve, reject) => {
      const asked = request(url + path, { method: body ? "POST" : "GET", headers }, (answer) => {
        for (const cookie of answer.headers["set-cookie"] ?? []) {
          const [name, value] = cookie.split(";")[0].split(/=(.*)/s);
          this.cookies.set(name, value);
        }
        let text = "";
        answer.setEncoding("utf8").on("data", (part) => (text += part));
        answer.on("end", () => {
          const place = answer.headers.location;
          resolve(place ? this.go(new URL(place, url).pathname) : text);
        });
      });
      asked.on("error", reject).end(body);
    });
  }

  async send(path, page, fields) {
    const hidden = [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]);
    return this.go(path, { ...Object.fromEntries(hidden), ...fields });
  }
}

const person = new Browser();
await person.send("/login", await person.go("/login"), { username, password });

async function lookUp(code) {
  return person.send("/device", await person.go("/device"), { code });
}

const config = await client.discovery(new URL(url), "keycroft-cli", undefined, client.None(), {
  algorithm: "oauth2",
  execute: [client.allowInsecureRequests],
});
check("the client finds the endpoints in the metadata", config.serverMetadata().device_authorization_endpoint === `${url}/oauth/device_authorization`);

const begun = await client.initiateDeviceAuthorization(config, { computer: "gpu1", program: "openid-client", lifetime: "2h" });
check("the device receives a code of eight letters and an address", /^[B-Z]{4}-[B-Z]{4}$/.test(begun.user_code) && begun.verification_uri === `${url}/device`, begun);
const waiting = client.pollDeviceAuthorizationGrant(config, begun, undefined, { signal: AbortSignal.timeout(60_000) });
const page = await lookUp(begun.user_code.toLowerCase().replace("-", ""));
check("the page names the computer and the program", page.includes("gpu1") && page.includes("openid-client") && page.includes(begun.user_code), page.slice(0, 2000));
const approved = await person.send("/device/approve", page, { expires_in: "1h" });
const granted = await waiting;
check("the device receives a token after the approval", granted.access_token?.startsWith("kct_") && granted.token_type === "bearer", { ...granted, access_token: "", approved: approved.slice(0, 500) });
check("the token has the chosen lifetime", granted.expires_in === 3600, granted.expires_in);
const me = await (await fetch(`${url}/api/v1/me`, { headers: { Authorization: `Bearer ${granted.access_token}` } })).json();
check("the token belongs to the approver", me.username === username && me.permissions.join(" ") === granted.scope, me);

async function error(promise) {
  try {
    await promise;
    return "none";
  } catch (problem) {
    return problem.error ?? String(problem);
  }
}

check("the code cannot be used again", (await error(client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0 }))) === "invalid_grant");
const second = await client.initiateDeviceAuthorization(config, { scope: "account:read" });
const secondPage = await lookUp(second.user_code);
await person.send("/device/refuse", secondPage, {});
check("the device receives the denial", (await error(client.pollDeviceAuthorizationGrant(config, { ...second, interval: 0 }))) === "access_denied");
const third = await client.initiateDeviceAuthorization(config, { scope: "account:read" });
await person.send("/device/approve", await lookUp(third.user_code), { expires_in: "1h" });
const narrow = await client.pollDeviceAuthorizationGrant(config, { ...third, interval: 0 });
check("a scope limits the token", narrow.scope === "account:read", narrow.scope);
check("an unknown scope is rejected", (await error(client.initiateDeviceAuthorization(config, { scope: "nonsense" }))) === "invalid_scope");
const revoked = await error(client.tokenRevocation(config, narrow.access_token));
const after = await fetch(`${url}/api/v1/me`, { headers: { Authorization: `Bearer ${narrow.access_token}` } });
check("the client revokes the token (RFC 7009)", revoked === "none" && after.status === 401, revoked);

process.exitCode = failures ? 1 : 0;
