// Opens a page in Debian's Chromium, runs every case of clients.js in it and prints what each gave, as one JSON object.
//
//   node run.mjs GATEWAY DESCRIPTORS [ORIGIN]
//
// GATEWAY is the gateway's http://host:port, DESCRIPTORS a FileDescriptorSet. ORIGIN is where the page is said to come
// from: by default from the gateway itself; from any other origin the browser asks for permission first (CORS).

import { readFile } from "node:fs/promises";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [gateway, descriptors, origin = gateway] = process.argv.slice(2);

const bundle = await build({
  entryPoints: [new URL("clients.js", import.meta.url).pathname],
  bundle: true,
  write: false,
  format: "iife",
  globalName: "clients",
});
const script = bundle.outputFiles[0].text;
const schema = [...(await readFile(descriptors))];

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  // A page that comes from no server is in no network, and would need its user's permission to call one on loopback.
  args: ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"],
});
try {
  const page = await browser.newPage();
  // The page never leaves this process, so that it can be of any origin.
  await page.route(`${origin}/page`, (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><title>clients</title>" }),
  );
  await page.goto(`${origin}/page`);
  await page.addScriptTag({ content: script });
  const results = await page.evaluate(([gateway, schema]) => clients.run(gateway, schema), [gateway, schema]);
  console.log(JSON.stringify(results));
} finally {
  await browser.close();
}
