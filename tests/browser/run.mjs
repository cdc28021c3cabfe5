// node run.mjs: the journeys, then every page in every mode. node run.mjs pictures FOLDER PAGES: pictures to look at.
// node run.mjs screenshot FILE: the README's.
import { check, finish, launch, serve } from "./harness.mjs";
import * as factors from "./factors.mjs";
import * as journeys from "./journeys.mjs";
import * as tasks from "./tasks.mjs";

// They take two minutes on two quiet cores and much longer on busy ones; what hangs is not waited for.
const limit = setTimeout(() => {
  console.log("FAILED  the browser tests did not end");
  process.exit(1);
}, 590_000);
limit.unref();

await launch();
const [mode, ...rest] = process.argv.slice(2);
try {
  if (mode === "pictures") {
    const pictures = await import("./pictures.mjs");
    await pictures.take(...rest);
  } else if (mode === "screenshot") {
    const pictures = await import("./pictures.mjs");
    await pictures.screenshot(...rest);
  } else if (mode === "factors") {
    await factors.all();
  } else if (mode === "tasks") {
    await tasks.all();
  } else {
    const site = await serve("main");
    await journeys.all(site);
    await journeys.withoutScript(site);
    await journeys.byKeyboard(site);
    await journeys.onPlainHttp();
    await factors.all();
    await tasks.all();
    const modes = await import("./modes.mjs");
    await modes.all(site);
  }
} catch (error) {
  await check("all tests were run", () => Promise.reject(error));
}
await finish();
