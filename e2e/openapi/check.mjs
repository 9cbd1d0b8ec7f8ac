// Judges OpenAPI documents, and makes clients of them: node check.mjs FOLDER. The folder has documents, *.json; what generators
// make of each is left beside it. Exits with 1, and says why, when a document is not valid, a generator refuses it, or what
// it made does not pass the TypeScript compiler.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import { createClient } from "@hey-api/openapi-ts";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const folder = process.argv[2];
const failures = [];
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const sources = [];

for (const file of (await readdir(folder)).filter((name) => name.endsWith(".json")).sort()) {
  const name = basename(file, ".json");
  const path = join(folder, file);
  const document = JSON.parse(await readFile(path, "utf8"));
  const fail = (step, why) => failures.push(`${name}: ${step}: ${why}`);

  const validator = new Validator();
  const verdict = await validator.validate(document);
  if (!verdict.valid) fail("meta-schema", JSON.stringify(verdict.errors, null, 1));
  if (validator.version !== "3.1") fail("meta-schema", `judged as ${validator.version}`);

  for (const [place, schema] of schemasOf(document)) {
    if (!ajv.validateSchema(schema)) fail(`JSON Schema at ${place}`, ajv.errorsText(ajv.errors));
    for (const pattern of patternsIn(schema)) {
      if (!isExpression(pattern)) fail(`pattern at ${place}`, pattern);
    }
  }

  try {
    const types = join(folder, `${name}.types.ts`);
    await writeFile(types, astToString(await openapiTS(document)));
    sources.push(types);
  } catch (e) {
    fail("openapi-typescript", e.stack);
  }
  try {
    const output = join(folder, `${name}.client`);
    await createClient({ input: path, output, plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"], logs: { level: "silent" } });
    sources.push(join(output, "index.ts"));
  } catch (e) {
    fail("@hey-api/openapi-ts", e.stack);
  }
}

function* patternsIn(value) {
  for (const [key, inner] of Object.entries(value)) {
    if (key === "pattern" && typeof inner === "string") yield inner;
    else if (inner && typeof inner === "object") yield* patternsIn(inner);
  }
}

function isExpression(text) {
  try {
    return Boolean(new RegExp(text, "u"));
  } catch {
    return false;
  }
}

// The meta-schema of OpenAPI leaves schemas to their dialect, which is JSON Schema 2020-12.
function* schemasOf(document) {
  yield* Object.entries(document.components.schemas);
  const below = [["", document.paths]];
  while (below.length > 0) {
    const [place, value] = below.pop();
    for (const [key, inner] of Object.entries(value)) {
      if (key === "schema") yield [place, inner];
      else if (inner && typeof inner === "object") below.push([`${place}/${key}`, inner]);
    }
  }
}

const program = ts.createProgram(sources, {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
});
for (const d of ts.getPreEmitDiagnostics(program)) {
  const at = d.file ? `${d.file.fileName}:${d.file.getLineAndCharacterOfPosition(d.start).line + 1}: ` : "";
  failures.push(`tsc: ${at}${ts.flattenDiagnosticMessageText(d.messageText, "\n")}`);
}

for (const failure of failures) console.error(failure);
process.exitCode = failures.length > 0 ? 1 : 0;
