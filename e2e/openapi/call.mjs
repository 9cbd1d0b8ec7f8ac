// Calls a gateway by the client that check.mjs has made of its document: node call.mjs FOLDER ADDRESS. The folder has demo.client.
// Exits with 1, and says why, when an answer is not what the demo's library answers.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import assert from "node:assert/strict";
import ts from "typescript";

const [folder, baseUrl] = process.argv.slice(2);
const client = join(folder, "demo.client");

// Node runs no TypeScript, and finds modules without their extensions only where they are CommonJS.
for (const entry of await readdir(client, { recursive: true })) {
  if (!entry.endsWith(".ts")) continue;
  const { outputText } = ts.transpileModule(await readFile(join(client, entry), "utf8"), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  await writeFile(join(client, entry.replace(/\.ts$/, ".js")), outputText);
}
const library = createRequire(import.meta.url)(join(client, "index.js"));
const options = { baseUrl };

const book = await library.acmeLibraryV1LibraryGetBook({ ...options, path: { shelvesId: "science", booksId: "origin" } });
assert.equal(book.response.status, 200, JSON.stringify(book.error));
assert.equal(book.data.name, "shelves/science/books/origin");

const books = await library.acmeLibraryV1LibraryListBooks2({ ...options, query: { pageSize: 2, genre: "GENRE_SCIENCE" } });
assert.equal(books.response.status, 200, JSON.stringify(books.error));
assert.ok(books.data.books.length > 0 && books.data.books.length <= 2, JSON.stringify(books.data));

const missing = await library.acmeLibraryV1LibraryGetBook({ ...options, path: { shelvesId: "science", booksId: "nowhere" } });
assert.equal(missing.response.status, 404);
assert.equal(missing.error.error.status, "NOT_FOUND");

const refused = await library.acmeLibraryV1LibraryCreateBook({
  ...options, path: { shelvesId: "history" }, query: { bookId: "annals" }, body: { title: "Annals", authors: ["Tacitus"], pages: 512 },
});
assert.equal(refused.response.status, 401);
assert.equal(refused.error.error.status, "UNAUTHENTICATED");

const watched = await library.acmeLibraryV1LibraryWatchShelf({ ...options, path: { shelvesId: "science" }, query: { limit: 1 } });
assert.equal(watched.response.status, 200, JSON.stringify(watched.error));
